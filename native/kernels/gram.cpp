// Inner products of models, or of their differences to a base. Each value is read and widened once for up to
// four models: one product at a time spends most of its instructions on that.
#include "stored.hpp"
#include "sums.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

/// Elements whose lanes are summed one vector of lanes after the other: of five vectors they lie in L1.
constexpr std::size_t kPiece = 1024;

/// Products of kRows vectors with kColumns others, or where that is 0 with each other, from the diagonal on.
/// Products of the base with itself are the last sum of those on the diagonal.
template <typename Stored, bool kBase, std::size_t kRows, std::size_t kColumns>
struct Tile {
  using Element = typename Stored::Element;
  static constexpr bool kDiagonal = kColumns == 0;
  static constexpr std::size_t kProducts = kDiagonal ? kRows * (kRows + 1) / 2 : kRows * kColumns;
  static constexpr std::size_t kSums = kProducts + (kDiagonal && kBase ? 1 : 0);

  const Element* vectors[kRows + kColumns];
  const Element* base;

  template <typename T>
  HEDDLE_INLINE void add(T (&sums)[kSums], std::size_t i) const {
    T b{};
    if constexpr (kBase) b = loadAs64<Stored, T>(base + i);
    T d[kRows + kColumns];
    for (std::size_t k = 0; k < kRows + kColumns; ++k) {
      d[k] = loadAs64<Stored, T>(vectors[k] + i);
      if constexpr (kBase) d[k] -= b;
    }
    std::size_t s = 0;
    for (std::size_t row = 0; row < kRows; ++row)
      for (std::size_t k = kDiagonal ? row : kRows; k < kRows + kColumns; ++k, ++s) sums[s] += d[row] * d[k];
    if constexpr (kDiagonal && kBase) sums[s] += b * b;
  }

  /// The sums of one block.
  void sum(double (&totals)[kSums], std::size_t count) const {
    Lanes lanes[kSums];
    const std::size_t body = count - count % kLanes;
    for (std::size_t first = 0; first < body; first += kPiece) {
      const std::size_t end = body - first < kPiece ? body : first + kPiece;
      for (std::size_t v = 0; v < kLanes / kDoubles; ++v) {
        F64 sums[kSums];
        for (std::size_t s = 0; s < kSums; ++s) sums[s] = lanes[s].vectors[v];
        for (std::size_t i = first + v * kDoubles; i < end; i += kLanes) add(sums, i);
        for (std::size_t s = 0; s < kSums; ++s) lanes[s].vectors[v] = sums[s];
      }
    }
    for (std::size_t i = body; i < count; ++i) {
      double sums[kSums] = {};
      add(sums, i);
      for (std::size_t s = 0; s < kSums; ++s)
        lanes[s].vectors[(i - body) / kDoubles][(i - body) % kDoubles] += sums[s];
    }
    for (std::size_t s = 0; s < kSums; ++s) totals[s] = lanes[s].total();
  }
};

template <typename Stored, bool kBase>
struct Gram {
  using Element = typename Stored::Element;
  double* gram;
  double* baseSquare;
  const Element* const* vectors;
  const Element* base;
  std::size_t lists;

  template <std::size_t kRows, std::size_t kColumns>
  void addTile(std::size_t row, std::size_t column, std::size_t start, std::size_t count) const {
    using T = Tile<Stored, kBase, kRows, kColumns>;
    T tile;
    for (std::size_t k = 0; k < kRows; ++k) tile.vectors[k] = vectors[row + k] + start;
    for (std::size_t k = 0; k < kColumns; ++k) tile.vectors[kRows + k] = vectors[column + k] + start;
    tile.base = kBase ? base + start : nullptr;
    double totals[T::kSums];
    tile.sum(totals, count);
    std::size_t s = 0;
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t c = T::kDiagonal ? r : 0; c < (T::kDiagonal ? kRows : kColumns); ++c)
        gram[(row + r) * lists + column + c] += totals[s++];
    if constexpr (kBase && T::kDiagonal)
      if (row == 0) baseSquare[0] += totals[s];
  }

  void addDiagonal(std::size_t row, std::size_t start, std::size_t count) const {
    switch (lists - row) {
      case 1:
        return addTile<1, 0>(row, row, start, count);
      case 2:
        return addTile<2, 0>(row, row, start, count);
      case 3:
        return addTile<3, 0>(row, row, start, count);
      default:
        return addTile<4, 0>(row, row, start, count);
    }
  }

  /// Block by block: what the first tile read stays in L2 for the others.
  void addBlock(std::size_t start, std::size_t count) const {
    for (std::size_t row = 0; row < lists; row += 4) {
      addDiagonal(row, start, count);
      std::size_t column = row + 4;
      for (; column + 2 <= lists; column += 2) addTile<4, 2>(row, column, start, count);
      if (column < lists) addTile<4, 1>(row, column, start, count);
    }
  }
};

template <typename Stored>
void addDeltaGram(double* gram, double* baseSquare, const typename Stored::Element* const* vectors,
                  const typename Stored::Element* base, std::size_t lists, std::size_t n) {
  for (std::size_t start = 0; start < n; start += kBlock) {
    const std::size_t count = n - start < kBlock ? n - start : kBlock;
    if (base != nullptr)
      Gram<Stored, true>{gram, baseSquare, vectors, base, lists}.addBlock(start, count);
    else
      Gram<Stored, false>{gram, baseSquare, vectors, base, lists}.addBlock(start, count);
  }
}

}  // namespace

void addDeltaGramF32(double* gram, double* baseSquare, const float* const* vectors, const float* base,
                     std::size_t lists, std::size_t n) {
  addDeltaGram<Singles>(gram, baseSquare, vectors, base, lists, n);
}

void addDeltaGramHalf(double* gram, double* baseSquare, const std::uint16_t* const* vectors,
                      const std::uint16_t* base, std::size_t lists, std::size_t n, std::uint32_t format) {
  withHalfFormat(format, [=](auto stored) {
    addDeltaGram<decltype(stored)>(gram, baseSquare, vectors, base, lists, n);
  });
}

}  // namespace heddle::HEDDLE_ISA
