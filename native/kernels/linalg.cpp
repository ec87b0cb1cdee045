// Symmetric positive definite systems in float64: every element is a chain over k that goes on from what
// stands in memory, so that a long k is cut into panels without changing a bit. One register tile does all
// the work; its rows are packed broadcasts, its columns packed vectors, and the triangular parts run on the
// same tile.
#include "lanes.hpp"
#include "scratch.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

// Accumulators, the vectors of b and one broadcast fill the registers: 32 with AVX-512 and NEON, else 16.
#if defined(HEDDLE_AVX512) || defined(__aarch64__)
constexpr std::size_t kTileRows = 8;
constexpr std::size_t kTileVectors = 3;
#elif defined(HEDDLE_AVX2)
constexpr std::size_t kTileRows = 4;
constexpr std::size_t kTileVectors = 3;
#else
constexpr std::size_t kTileRows = 4;
constexpr std::size_t kTileVectors = 2;
#endif
constexpr std::size_t kTileColumns = kTileVectors * kDoubles;
constexpr std::size_t kPanel = 128;      // k of a panel: a strip of b stays in L1
constexpr std::size_t kBlockRows = 128;  // rows packed at a time: they stay in L2
static_assert((kPanel * kBlockRows + kPanel * kTileColumns) * 2 <= kScratchFloats);

using Tile = F64[kTileRows][kTileVectors];

HEDDLE_INLINE F64 fused(F64 acc, F64 a, F64 b) {
#if defined(HEDDLE_AVX512)
  return _mm512_fmadd_pd(a, b, acc);
#elif defined(HEDDLE_AVX2)
  return _mm256_fmadd_pd(a, b, acc);
#elif defined(__aarch64__)
  return vfmaq_f64(acc, a, b);
#else
  return acc + a * b;
#endif
}
HEDDLE_INLINE double fused(double acc, double a, double b) {
#if defined(HEDDLE_AVX512) || defined(HEDDLE_AVX2) || defined(__aarch64__)
  return __builtin_fma(a, b, acc);
#else
  return acc + a * b;
#endif
}

// value - 0 and not value + 0, which would lose the sign of -0.
HEDDLE_INLINE F64 broadcast(double value) { return value - F64{}; }

HEDDLE_INLINE void loadTile(Tile& acc, const double* c, std::size_t step) {
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kTileRows; ++r)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kTileVectors; ++v) acc[r][v] = load(c + r * step + v * kDoubles);
}

HEDDLE_INLINE void storeTile(double* c, std::size_t step, const Tile& acc) {
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kTileRows; ++r)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kTileVectors; ++v) store(c + r * step + v * kDoubles, acc[r][v]);
}

/// acc += a b, with a packed [k][kTileRows] and b [k][kTileColumns].
HEDDLE_INLINE void runTile(Tile& acc, const double* a, const double* b, std::size_t k) {
  for (; k > 0; --k, a += kTileRows, b += kTileColumns) {
    F64 bv[kTileVectors];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kTileVectors; ++v) bv[v] = load(b + v * kDoubles);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const F64 av = broadcast(a[r]);
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kTileVectors; ++v) acc[r][v] = fused(acc[r][v], av, bv[v]);
    }
  }
}

void wholeTile(double* c, std::size_t step, const double* a, const double* b, std::size_t k) {
  Tile acc;
  loadTile(acc, c, step);
  runTile(acc, a, b, k);
  storeTile(c, step, acc);
}

/// Part of a tile: `rows` by `columns`, and of row r only the columns from `diagonal` + r on.
void partOfTile(double* c, std::size_t step, const double* a, const double* b, std::size_t k,
                std::size_t rows, std::size_t columns, std::ptrdiff_t diagonal) {
  const auto firstColumn = [=](std::size_t r) {
    const std::ptrdiff_t at = diagonal + static_cast<std::ptrdiff_t>(r);
    return at > 0 ? static_cast<std::size_t>(at) : 0;
  };
  double buffer[kTileRows * kTileColumns] = {};
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t j = firstColumn(r); j < columns; ++j) buffer[r * kTileColumns + j] = c[r * step + j];
  wholeTile(buffer, kTileColumns, a, b, k);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t j = firstColumn(r); j < columns; ++j) c[r * step + j] = buffer[r * kTileColumns + j];
}

/// a(p, i) for i in [0, rows) as tiles of [k][kTileRows], zeros behind the last row.
template <typename A>
HEDDLE_INLINE void packRows(double* packed, std::size_t rows, std::size_t k, A a) {
  for (std::size_t i = 0; i < rows; i += kTileRows)
    for (std::size_t p = 0; p < k; ++p)
      for (std::size_t r = 0; r < kTileRows; ++r) *packed++ = i + r < rows ? a(p, i + r) : 0;
}

/// Columns [0, columns) of k rows as [k][kTileColumns], zeros behind the last column.
template <typename Row>
HEDDLE_INLINE void packColumns(double* packed, std::size_t columns, std::size_t k, Row row) {
  for (std::size_t p = 0; p < k; ++p, packed += kTileColumns) {
    const auto* const from = row(p);
    if (columns == kTileColumns) {
      for (std::size_t v = 0; v < kTileVectors; ++v)
        store(packed + v * kDoubles, loadF64(from + v * kDoubles));
    } else {
      for (std::size_t j = 0; j < kTileColumns; ++j)
        packed[j] = j < columns ? static_cast<double>(from[j]) : 0;
    }
  }
}

constexpr std::size_t lesser(std::size_t a, std::size_t b) { return a < b ? a : b; }

/// Where a panel lands, and whether only its upper triangle does.
struct Target {
  double* c;
  std::size_t step;
  std::size_t rows;
  std::size_t columns;
  bool upper;
};

/// c[i, j] += sum over p < k of a(p, i) * row(p)[j], k at most kPanel.
template <typename A, typename Row>
void addPanel(const Target& to, std::size_t k, A a, Row row) {
  double* const packedRows = reinterpret_cast<double*>(kernelScratch());
  double* const packedColumns = packedRows + kPanel * kBlockRows;
  for (std::size_t first = 0; first < to.rows; first += kBlockRows) {
    const std::size_t rows = lesser(to.rows - first, kBlockRows);
    packRows(packedRows, rows, k, [=](std::size_t p, std::size_t i) { return a(p, first + i); });
    for (std::size_t j = to.upper ? first : 0; j < to.columns; j += kTileColumns) {
      const std::size_t columns = lesser(to.columns - j, kTileColumns);
      packColumns(packedColumns, columns, k, [=](std::size_t p) { return row(p) + j; });
      for (std::size_t r = 0; r < rows; r += kTileRows) {
        const std::size_t i = first + r;
        const std::ptrdiff_t diagonal = to.upper
                                            ? static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(j)
                                            : -static_cast<std::ptrdiff_t>(kTileRows);
        if (diagonal >= static_cast<std::ptrdiff_t>(columns)) break;
        double* const c = to.c + i * to.step + j;
        const double* const tile = packedRows + r * k;
        if (rows - r >= kTileRows && columns == kTileColumns &&
            diagonal + static_cast<std::ptrdiff_t>(kTileRows) <= 1)
          wholeTile(c, to.step, tile, packedColumns, k);
        else
          partOfTile(c, to.step, tile, packedColumns, k, lesser(rows - r, kTileRows), columns, diagonal);
      }
    }
  }
}

/// Substitution in k rows of right sides, k at most kPanel: row t becomes
/// (row(t) + sum over s < t of a(s, t) * row(s)) / pivot(t); a is negated already.
template <typename A, typename Pivot, typename Row>
void substitute(std::size_t columns, std::size_t k, A a, Pivot pivot, Row row) {
  double* const packedRows = reinterpret_cast<double*>(kernelScratch());
  double* const strip = packedRows + kPanel * kBlockRows;
  packRows(packedRows, k, k, a);
  for (std::size_t j = 0; j < columns; j += kTileColumns) {
    const std::size_t count = lesser(columns - j, kTileColumns);
    packColumns(strip, count, k, [=](std::size_t p) { return row(p) + j; });
    for (std::size_t t = 0; t < k; t += kTileRows) {
      const std::size_t rows = lesser(k - t, kTileRows);
      const double* const tile = packedRows + t * k;
      const double* const corner = tile + t * kTileRows;
      Tile acc{};
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t v = 0; v < kTileVectors; ++v)
          acc[r][v] = load(strip + (t + r) * kTileColumns + v * kDoubles);
      runTile(acc, tile, strip, t);
      for (std::size_t r = 0; r < rows; ++r) {
        const F64 divisor = broadcast(pivot(t + r));
        for (std::size_t v = 0; v < kTileVectors; ++v) {
          F64 sum = acc[r][v];
          for (std::size_t s = 0; s < r; ++s)
            sum = fused(sum, broadcast(corner[s * kTileRows + r]), acc[s][v]);
          acc[r][v] = sum / divisor;
          store(strip + (t + r) * kTileColumns + v * kDoubles, acc[r][v]);
        }
      }
    }
    for (std::size_t t = 0; t < k; ++t) {
      double* const to = row(t) + j;
      for (std::size_t i = 0; i < count; ++i) to[i] = strip[t * kTileColumns + i];
    }
  }
}

/// Factors the square of k rows at `a`, row by row. Returns k, or the row whose pivot is too small.
std::size_t factorCorner(double* a, std::size_t n, std::size_t k, double leastPivot) {
  for (std::size_t p = 0; p < k; ++p) {
    double* const u = a + p * n;
    if (!(u[p] > leastPivot)) return p;
    const double pivot = __builtin_sqrt(u[p]);
    u[p] = pivot;
    for (std::size_t j = p + 1; j < k; ++j) u[j] = u[j] / pivot;
    for (std::size_t i = p + 1; i < k; ++i) {
      double* const c = a + i * n;
      const double factor = -u[i];
      const F64 factors = broadcast(factor);
      std::size_t j = i;
      for (; j + kDoubles <= k; j += kDoubles) store(c + j, fused(load(c + j), factors, load(u + j)));
      for (; j < k; ++j) c[j] = fused(c[j], factor, u[j]);
    }
  }
  return k;
}

}  // namespace

void accumulateGramF64(double* gram, const float* x, std::size_t rows, std::uint32_t width) {
  // Products of two float32 are exact in float64: fused or not, the bits are the same.
  for (std::size_t row = 0; row < rows; row += kPanel) {
    const float* const from = x + row * width;
    addPanel(
        {gram, width, width, width, true}, lesser(rows - row, kPanel),
        [=](std::size_t p, std::size_t i) { return static_cast<double>(from[p * width + i]); },
        [=](std::size_t p) { return from + p * width; });
  }
}

void addProductF64(double* c, const double* a, const float* b, std::uint32_t m, std::uint32_t n,
                   std::uint32_t k) {
  for (std::size_t first = 0; first < k; first += kPanel)
    addPanel(
        {c, n, m, n, false}, lesser(k - first, kPanel),
        [=](std::size_t p, std::size_t i) { return a[i * k + first + p]; },
        [=](std::size_t p) { return b + (first + p) * n; });
}

std::uint32_t factorCholeskyF64(double* a, std::uint32_t n, double leastPivot) {
  const std::size_t size = n;
  for (std::size_t first = 0; first < size; first += kPanel) {
    const std::size_t k = lesser(size - first, kPanel);
    double* const corner = a + first * size + first;
    const std::size_t done = factorCorner(corner, size, k, leastPivot);
    if (done < k) return static_cast<std::uint32_t>(first + done);
    const std::size_t rest = size - first - k;
    if (rest == 0) break;
    double* const right = corner + k;
    substitute(
        rest, k, [=](std::size_t p, std::size_t t) { return -corner[p * size + t]; },
        [=](std::size_t t) { return corner[t * size + t]; }, [=](std::size_t t) { return right + t * size; });
    addPanel(
        {right + k * size, size, rest, rest, true}, k,
        [=](std::size_t p, std::size_t i) { return -right[p * size + i]; },
        [=](std::size_t p) { return right + p * size; });
  }
  return n;
}

void solveCholeskyF64(double* x, const double* factor, std::size_t m, std::uint32_t n) {
  const std::size_t size = n;
  const auto pivot = [=](std::size_t i) { return factor[i * size + i]; };
  for (std::size_t first = 0; first < size; first += kPanel) {
    const std::size_t k = lesser(size - first, kPanel);
    double* const rows = x + first * m;
    substitute(
        m, k, [=](std::size_t p, std::size_t t) { return -factor[(first + p) * size + first + t]; },
        [=](std::size_t t) { return pivot(first + t); }, [=](std::size_t t) { return rows + t * m; });
    addPanel(
        {rows + k * m, m, size - first - k, m, false}, k,
        [=](std::size_t p, std::size_t i) { return -factor[(first + p) * size + first + k + i]; },
        [=](std::size_t p) { return rows + p * m; });
  }
  for (std::size_t end = size; end > 0;) {
    const std::size_t k = lesser(end, kPanel);
    const std::size_t last = end - 1;
    substitute(
        m, k, [=](std::size_t p, std::size_t t) { return -factor[(last - t) * size + last - p]; },
        [=](std::size_t t) { return pivot(last - t); }, [=](std::size_t t) { return x + (last - t) * m; });
    end -= k;
    addPanel(
        {x, m, end, m, false}, k, [=](std::size_t p, std::size_t i) { return -factor[i * size + last - p]; },
        [=](std::size_t p) { return x + (last - p) * m; });
  }
}

}  // namespace heddle::HEDDLE_ISA
