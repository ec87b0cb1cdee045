// Products of a dense layer that leave out every single 0 of the inputs: behind a rectifier half of them are
// 0, of a picture of a digit four in five.
#include "dense_inputs.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

// Inputs that are looked at together.
constexpr std::size_t kGroupVecs = 4;
constexpr std::size_t kGroup = kGroupVecs * kLanes;
// Outputs of two rows, or of two inputs, that are summed at once, in vectors.
constexpr std::size_t kPairVecs = (kRegisters == 32 ? 14 : 6) / kPanelVecs * kPanelVecs;
// Weights that the rows of a batch pass over in turn: they stay in the nearest cache.
constexpr std::size_t kNearFloats = 14 * 1024;
// A product takes longer where it is not 0 in one of two rows than in a tile of rows: this much in terms of
// single elements (measured).
constexpr double kSparseCost = 1.5;

/// Vectors of all outputs in tiles of nearly the same size.
struct Tiles {
  std::size_t vecs;
  std::size_t step;

  explicit Tiles(std::size_t count) : vecs(count) {
    const std::size_t tiles = (vecs + kPairVecs - 1) / kPairVecs;
    step = roundUp((vecs + tiles - 1) / tiles, kPanelVecs);
  }
};

inline unsigned lowestBit(std::uint64_t bits) { return static_cast<unsigned>(__builtin_ctzll(bits)); }

// ---- forward: two rows at once, the weights of the inputs where one of them is not 0

struct RowTile {
  std::uint64_t live;  // of the inputs from `x` and `panel` on
  const float* x[2];
  float* sums[2];
  const float* panel;
  std::size_t panelStride;
};

template <std::size_t Vecs>
[[gnu::noinline]] void rowTile(const RowTile& t) {
  Vec acc[2][Vecs];
  HEDDLE_UNROLL
  for (std::size_t v = 0; v < Vecs; ++v) {
    acc[0][v] = load(t.sums[0] + v * kLanes);
    acc[1][v] = load(t.sums[1] + v * kLanes);
  }
  for (std::uint64_t live = t.live; live != 0; live &= live - 1) {
    const unsigned k = lowestBit(live);
    const Vec first = splat(t.x[0][k]);
    const Vec second = splat(t.x[1][k]);
    const float* weights = t.panel + k * kPanel;
    HEDDLE_UNROLL
    for (std::size_t v = 0; v < Vecs; ++v) {
      const Vec w = inRegister(load(weights + vecOffset(v, t.panelStride)));
      acc[0][v] = mulAdd(acc[0][v], first, w);
      acc[1][v] = mulAdd(acc[1][v], second, w);
    }
  }
  HEDDLE_UNROLL
  for (std::size_t v = 0; v < Vecs; ++v) {
    store(t.sums[0] + v * kLanes, acc[0][v]);
    store(t.sums[1] + v * kLanes, acc[1][v]);
  }
}

template <std::size_t Vecs = kPairVecs>
inline void rowVecs(std::size_t vecs, const RowTile& t) {
  if constexpr (Vecs > 0) {
    if (vecs == Vecs)
      rowTile<Vecs>(t);
    else
      rowVecs<Vecs - kPanelVecs>(vecs, t);
  }
}

// ---- update: two inputs at once, the deltas of the rows where one of them is not 0

struct UpdateTile {
  const std::uint32_t* order;
  std::size_t count;
  const std::uint32_t* byInput;
  std::size_t inputStride;
  std::size_t inputWords;
  const float* x;
  std::size_t xStride;
  const float* delta;
  std::size_t deltaStride;
  float* panel;
  std::size_t panelStride;
  float alpha;
  float beta;
};

template <std::size_t Vecs>
[[gnu::noinline]] void updateTile(const UpdateTile& t) {
  const float alpha = t.alpha;
  const float beta = t.beta;
  const bool plain = alpha == 1 && beta == 1;
  for (std::size_t j = 0; j < t.count; j += 2) {
    // An odd input out goes with itself.
    const std::size_t inputs[2] = {t.order[j], t.order[j + 1 < t.count ? j + 1 : j]};
    Vec acc[2][Vecs];
    HEDDLE_UNROLL
    for (std::size_t v = 0; v < Vecs; ++v) acc[0][v] = acc[1][v] = Vec{};
    for (std::size_t word = 0; word < t.inputWords; ++word) {
      const std::uint32_t* bits = t.byInput + word * t.inputStride;
      const float* x = t.x + 32 * word * t.xStride;
      const float* deltas = t.delta + 32 * word * t.deltaStride;
      for (std::uint32_t live = bits[inputs[0]] | bits[inputs[1]]; live != 0; live &= live - 1) {
        const unsigned row = lowestBit(live);
        const Vec first = splat(x[row * t.xStride + inputs[0]]);
        const Vec second = splat(x[row * t.xStride + inputs[1]]);
        const float* delta = deltas + row * t.deltaStride;
        HEDDLE_UNROLL
        for (std::size_t v = 0; v < Vecs; ++v) {
          const Vec d = inRegister(load(delta + v * kLanes));
          acc[0][v] = mulAdd(acc[0][v], first, d);
          acc[1][v] = mulAdd(acc[1][v], second, d);
        }
      }
    }
    HEDDLE_UNROLL
    for (std::size_t i = 0; i < 2; ++i) {
      if (i == 1 && j + 1 == t.count) break;
      float* w = t.panel + inputs[i] * kPanel;
      HEDDLE_UNROLL
      for (std::size_t v = 0; v < Vecs; ++v) {
        float* at = w + vecOffset(v, t.panelStride);
        store(at, plain ? acc[i][v] + load(at) : updated(acc[i][v], at, alpha, beta));
      }
    }
  }
}

template <std::size_t Vecs = kPairVecs>
inline void updateVecs(std::size_t vecs, const UpdateTile& t) {
  if constexpr (Vecs > 0) {
    if (vecs == Vecs)
      updateTile<Vecs>(t);
    else
      updateVecs<Vecs - kPanelVecs>(vecs, t);
  }
}

/// The inputs that are not 0 in all rows, in order; or all of them. Returns how many.
std::size_t liveInputs(std::uint32_t* order, const NonZeros& nonZeros, std::size_t inputs, bool skipDead) {
  std::size_t count = 0;
  for (std::size_t k = 0; k < inputs; ++k) {
    std::uint32_t live = 0;
    for (std::size_t word = 0; word < nonZeros.inputWords; ++word)
      live |= nonZeros.byInput[word * nonZeros.inputStride + k];
    order[count] = static_cast<std::uint32_t>(k);
    count += live != 0 || !skipDead;
  }
  return count;
}

}  // namespace

NonZeros::NonZeros(std::byte* memory, const DenseShape& s)
    : elements(0),
      inputs(0),
      byRow(reinterpret_cast<std::uint64_t*>(memory)),
      rowWords((s.inputs + 63) / 64),
      byInput(reinterpret_cast<std::uint32_t*>(byRow + s.rows * rowWords)),
      inputStride(roundUp(s.inputs, 64)),
      inputWords((s.rows + 31) / 32) {}

std::size_t NonZeros::bytes(const DenseShape& s) {
  return 8 * s.rows * ((s.inputs + 63) / 64) + 4 * roundUp(s.inputs, 64) * ((s.rows + 31) / 32);
}

void findNonZeros(NonZeros& nonZeros, const float* x, const DenseShape& s) {
  nonZeros.elements = 0;
  nonZeros.inputs = 0;
  for (std::size_t i = 0; i < s.rows * nonZeros.rowWords; ++i) nonZeros.byRow[i] = 0;
  for (std::size_t k = 0; k < s.inputs; k += kGroup) {
    std::uint64_t any = 0;
    for (std::size_t base = 0; base < s.rows; base += 32) {
      Int rows[kGroupVecs];
      HEDDLE_UNROLL
      for (std::size_t v = 0; v < kGroupVecs; ++v) rows[v] = Int{};
      for (std::size_t row = base; row < smaller(base + 32, s.rows); ++row) {
        const Int bit = splatInt(static_cast<std::int32_t>(1u << (row - base)));
        std::uint64_t live = 0;
        const auto look = [&](std::size_t v, Vec value) HEDDLE_LAMBDA_INLINE {
          const std::uint64_t lanes = liveLanes(value);
#if defined(__AVX512F__)
          rows[v] = reinterpret_cast<Int>(
              _mm512_mask_or_epi32(reinterpret_cast<__m512i>(rows[v]), static_cast<__mmask16>(lanes),
                                   reinterpret_cast<__m512i>(rows[v]), reinterpret_cast<__m512i>(bit)));
#else
          rows[v] |= (value != Vec{}) & bit;
#endif
          live |= lanes << (v * kLanes);
        };
        const float* from = x + row * s.inputs + k;
        if (k + kGroup <= s.inputs) {
          HEDDLE_UNROLL
          for (std::size_t v = 0; v < kGroupVecs; ++v) look(v, load(from + v * kLanes));
        } else {
          HEDDLE_UNROLL
          for (std::size_t v = 0; v < kGroupVecs; ++v) {
            const std::size_t at = smaller(v * kLanes, s.inputs - k);
            look(v, loadPart(from + at, smaller(kLanes, s.inputs - k - at)));
          }
        }
        nonZeros.byRow[row * nonZeros.rowWords + k / 64] |= live << (k % 64);
        nonZeros.elements += static_cast<std::size_t>(__builtin_popcountll(live));
        any |= live;
      }
      auto* to = reinterpret_cast<float*>(nonZeros.byInput + base / 32 * nonZeros.inputStride + k);
      HEDDLE_UNROLL
      for (std::size_t v = 0; v < kGroupVecs; ++v) store(to + v * kLanes, reinterpret_cast<Vec>(rows[v]));
    }
    nonZeros.inputs += static_cast<std::size_t>(__builtin_popcountll(any));
  }
}

bool isSparse(const NonZeros& nonZeros, const DenseShape& s) {
  // Few outputs are not worth a branch for every input, and leave the multipliers waiting for each other.
  const bool wide = roundUp(s.outputs, kPanel) / kLanes >= kPairVecs / 2;
  return wide &&
         kSparseCost * static_cast<double>(nonZeros.elements) < static_cast<double>(nonZeros.inputs * s.rows);
}

void sparseForward(float* y, const float* x, const NonZeros& nonZeros, const float* panels, const float* bias,
                   const DenseShape& s, float alpha, bool relu, float* sums) {
  const std::size_t stride = roundUp(s.outputs, kPanel);
  const std::size_t panelStride = kPanel * s.inputs;
  // An odd row out goes with itself, and its second sums behind the others.
  clear(sums, roundUp(s.rows, 2) * stride);
  const Tiles tiles(stride / kLanes);
  for (std::size_t v = 0; v < tiles.vecs; v += tiles.step) {
    const std::size_t now = smaller(tiles.step, tiles.vecs - v);
    const std::size_t block = now * kLanes * 64 > kNearFloats ? 32 : 64;
    for (std::size_t k = 0; k < s.inputs; k += block)
      for (std::size_t row = 0; row < s.rows; row += 2) {
        const std::size_t other = smaller(row + 1, s.rows - 1);
        const std::uint64_t* words = nonZeros.byRow + k / 64;
        std::uint64_t live = (words[row * nonZeros.rowWords] | words[other * nonZeros.rowWords]) >> (k % 64);
        if (block == 32) live &= 0xffffffffu;
        if (live == 0) continue;
        float* at = sums + row * stride + v * kLanes;
        const RowTile t{live,
                        {x + row * s.inputs + k, x + other * s.inputs + k},
                        {at, at + stride},
                        panels + v * kLanes * s.inputs + k * kPanel,
                        panelStride};
        rowVecs(now, t);
      }
  }
  for (std::size_t row = 0; row < s.rows; ++row, sums += stride, y += s.outputs)
    for (std::size_t n = 0; n < s.outputs; n += kLanes) {
      const std::size_t count = smaller(kLanes, s.outputs - n);
      Vec value = load(sums + n);
      if (alpha != 1) value = splat(alpha) * value;
      if (bias != nullptr) value = value + (count == kLanes ? load(bias + n) : loadPart(bias + n, count));
      if (relu) value = HEDDLE_ISA::relu(value);
      if (count == kLanes)
        store(y + n, value);
      else
        storePart(y + n, value, count);
    }
}

void sparseUpdate(float* panels, const float* delta, const float* x, const NonZeros& nonZeros,
                  const DenseShape& s, float alpha, float beta, bool skipDead, std::uint32_t* order) {
  const std::size_t stride = roundUp(s.outputs, kPanel);
  const std::size_t count = liveInputs(order, nonZeros, s.inputs, skipDead);
  const Tiles tiles(stride / kLanes);
  for (std::size_t v = 0; v < tiles.vecs; v += tiles.step) {
    const UpdateTile t{order,
                       count,
                       nonZeros.byInput,
                       nonZeros.inputStride,
                       nonZeros.inputWords,
                       x,
                       s.inputs,
                       delta + v * kLanes,
                       stride,
                       panels + v * kLanes * s.inputs,
                       kPanel * s.inputs,
                       alpha,
                       beta};
    updateVecs(smaller(tiles.step, tiles.vecs - v), t);
  }
}

}  // namespace heddle::HEDDLE_ISA
