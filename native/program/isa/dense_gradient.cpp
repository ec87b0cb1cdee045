// The data gradient of a dense layer, over weights in panels of 16 outputs: every element is one chain over
// the outputs.
#include "dense_inputs.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::size_t kDataRows = kLanes == 16 ? 14 : kRegisters == 32 ? 16 : 12;

// ---- vectors over the batch, weights splatted from the panels

struct DataTile {
  const float* delta;  // [output][row vectors]
  std::size_t deltaStride;
  const float* panel;  // at the tile's first input
  std::size_t panelStride;
  std::size_t outputs;
  float* product;  // [input][row vectors]
  float alpha;
};

template <std::size_t Rows>
[[gnu::noinline]] void dataTile(const DataTile& t) {
  Vec acc[Rows];
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) acc[r] = Vec{};
  const float* delta = t.delta;
  for (std::size_t n = 0; n < t.outputs; n += kPanel) {
    const float* panel = t.panel + n / kPanel * t.panelStride;
    const std::size_t width = smaller(kPanel, t.outputs - n);
    for (std::size_t j = 0; j < width; ++j, delta += t.deltaStride) {
      const Vec d = load(delta);
      HEDDLE_UNROLL
      for (std::size_t r = 0; r < Rows; ++r) acc[r] = mulAdd(acc[r], splat(panel[r * kPanel + j]), d);
    }
  }
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r)
    store(t.product + r * t.deltaStride, t.alpha == 1 ? acc[r] : splat(t.alpha) * acc[r]);
}

template <std::size_t Rows = kDataRows>
inline void dataRows(std::size_t rows, const DataTile& t) {
  if constexpr (Rows > 0) {
    if (rows == Rows)
      dataTile<Rows>(t);
    else
      dataRows<Rows - 1>(rows, t);
  }
}

// ---- few rows: panels transposed in registers, vectors over the inputs

// Rows of such a tile, and what the transposition costs in rows. Only 32 wide registers have room for both.
#if defined(__AVX512F__)
constexpr std::size_t kTurnedRows = 12;
constexpr std::size_t kTurnCost = 2;
constexpr std::size_t kTurnedStride = 16;

/// Quarters A and B of `a`, then quarters C and D of `b`.
template <int kA, int kB, int kC, int kD>
HEDDLE_INLINE Vec quarters(Vec a, Vec b) {
  constexpr int kI = 4 * kA, kJ = 4 * kB, kK = 16 + 4 * kC, kL = 16 + 4 * kD;
  return __builtin_shufflevector(a, b, kI, kI + 1, kI + 2, kI + 3, kJ, kJ + 1, kJ + 2, kJ + 3, kK, kK + 1,
                                 kK + 2, kK + 3, kL, kL + 1, kL + 2, kL + 3);
}

/// Elements I and J of `a` and of `b`, interleaved, in every quarter.
template <int kI, int kJ>
HEDDLE_INLINE Vec interleave(Vec a, Vec b) {
  return __builtin_shufflevector(a, b, kI, 16 + kI, kJ, 16 + kJ, 4 + kI, 20 + kI, 4 + kJ, 20 + kJ, 8 + kI,
                                 24 + kI, 8 + kJ, 24 + kJ, 12 + kI, 28 + kI, 12 + kJ, 28 + kJ);
}

/// Elements from I on, two of `a` and two of `b`, in every quarter.
template <int kI>
HEDDLE_INLINE Vec pairs(Vec a, Vec b) {
  return __builtin_shufflevector(a, b, kI, kI + 1, 16 + kI, 17 + kI, 4 + kI, 5 + kI, 20 + kI, 21 + kI, 8 + kI,
                                 9 + kI, 24 + kI, 25 + kI, 12 + kI, 13 + kI, 28 + kI, 29 + kI);
}

/// Column j of 16 rows of a panel goes to block[j]. Shuffles by immediates only: the constants of others
/// would take the registers.
HEDDLE_INLINE void turnPanel(Vec (&block)[kPanel], const float* panel) {
  Vec rows[kPanel];
  HEDDLE_UNROLL
  for (std::size_t i = 0; i < kPanel; i += 4) {
    const Vec a = load(panel + i * kPanel);
    const Vec b = load(panel + (i + 1) * kPanel);
    const Vec c = load(panel + (i + 2) * kPanel);
    const Vec d = load(panel + (i + 3) * kPanel);
    const Vec low01 = interleave<0, 1>(a, b);
    const Vec high01 = interleave<2, 3>(a, b);
    const Vec low23 = interleave<0, 1>(c, d);
    const Vec high23 = interleave<2, 3>(c, d);
    rows[i] = pairs<0>(low01, low23);
    rows[i + 1] = pairs<2>(low01, low23);
    rows[i + 2] = pairs<0>(high01, high23);
    rows[i + 3] = pairs<2>(high01, high23);
  }
  // rows[4 g + c] holds columns c, c + 4, c + 8 and c + 12 of rows 4 g to 4 g + 3.
  HEDDLE_UNROLL
  for (std::size_t c = 0; c < 4; ++c) {
    const Vec even01 = quarters<0, 2, 0, 2>(rows[c], rows[4 + c]);
    const Vec odd01 = quarters<1, 3, 1, 3>(rows[c], rows[4 + c]);
    const Vec even23 = quarters<0, 2, 0, 2>(rows[8 + c], rows[12 + c]);
    const Vec odd23 = quarters<1, 3, 1, 3>(rows[8 + c], rows[12 + c]);
    block[c] = quarters<0, 2, 0, 2>(even01, even23);
    block[4 + c] = quarters<0, 2, 0, 2>(odd01, odd23);
    block[8 + c] = quarters<1, 3, 1, 3>(even01, even23);
    block[12 + c] = quarters<1, 3, 1, 3>(odd01, odd23);
  }
}

struct TurnedTile {
  const float* delta;  // [output][kTurnedStride] of the tile's rows
  const float* panel;  // at the tile's first input
  std::size_t panelStride;
  std::size_t inputs;  // of the layer
  std::size_t outputs;
  float* dx;
  float alpha;
};

template <std::size_t Rows>
[[gnu::noinline]] void turnedTile(const TurnedTile& t) {
  Vec acc[Rows];
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) acc[r] = Vec{};
  const std::size_t outputs = t.outputs;
  const float* delta = t.delta;
  const float* panel = t.panel;
  Vec block[kPanel];
  for (std::size_t n = outputs / kPanel; n > 0;
       --n, delta += kPanel * kTurnedStride, panel += t.panelStride) {
    turnPanel(block, panel);
    HEDDLE_UNROLL
    for (std::size_t j = 0; j < kPanel; ++j) HEDDLE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
      acc[r] = mulAdd(acc[r], splat(delta[j * kTurnedStride + r]), block[j]);
  }
  if (outputs % kPanel != 0) {
    turnPanel(block, panel);
    float columns[kPanel][kPanel];
    HEDDLE_UNROLL
    for (std::size_t j = 0; j < kPanel; ++j) store(columns[j], block[j]);
    for (std::size_t j = 0; j < outputs % kPanel; ++j) HEDDLE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
      acc[r] = mulAdd(acc[r], splat(delta[j * kTurnedStride + r]), load(columns[j]));
  }
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r)
    store(t.dx + r * t.inputs, t.alpha == 1 ? acc[r] : splat(t.alpha) * acc[r]);
}

template <std::size_t Rows = kTurnedRows>
inline void turnedRows(std::size_t rows, const TurnedTile& t) {
  if constexpr (Rows > 0) {
    if (rows == Rows)
      turnedTile<Rows>(t);
    else
      turnedRows<Rows - 1>(rows, t);
  }
}

void turnedDataGrad(float* dx, const float* delta, const float* panels, const DenseShape& s, float alpha,
                    float* turned) {
  const std::size_t tiles = (s.rows + kTurnedRows - 1) / kTurnedRows;
  for (std::size_t tile = 0, row = 0; tile < tiles; ++tile) {
    const std::size_t rows = (s.rows - row + (tiles - tile) - 1) / (tiles - tile);
    transposeBlock(turned, kTurnedStride, delta + row * s.outputs, s.outputs, rows, s.outputs);
    for (std::size_t k = 0; k < s.inputs; k += kLanes) {
      // The last inputs come with some that were there before.
      const std::size_t from = smaller(k, s.inputs - kLanes);
      const TurnedTile t{
          turned, panels + from * kPanel, kPanel * s.inputs, s.inputs, s.outputs, dx + row * s.inputs + from,
          alpha};
      turnedRows(rows, t);
    }
    row += rows;
  }
}

/// Whether lanes over the inputs are fuller than lanes over the rows, the transpositions paid.
bool isTurned(const DenseShape& s) {
  const std::size_t tiles = (s.rows + kTurnedRows - 1) / kTurnedRows;
  return s.inputs >= kLanes && s.rows + kTurnCost * tiles < roundUp(s.rows, kLanes);
}
#endif

}  // namespace

void denseDataGrad(float* dx, const float* delta, const float* panels, const DenseShape& s, float alpha,
                   std::byte* memory) {
#if defined(__AVX512F__)
  if (isTurned(s)) {
    turnedDataGrad(dx, delta, panels, s, alpha, Scratch(memory, s).delta);
    return;
  }
#endif
  const Scratch scratch(memory, s);
  const std::size_t stride = roundUp(s.rows, kLanes);
  if (stride != s.rows) clear(scratch.delta, s.outputs * stride);
  transposeBlock(scratch.delta, stride, delta, s.outputs, s.rows, s.outputs);
  for (std::size_t k = 0; k < s.inputs; k += kDataRows)
    for (std::size_t b = 0; b < stride; b += kLanes) {
      const DataTile t{scratch.delta + b,
                       stride,
                       panels + k * kPanel,
                       kPanel * s.inputs,
                       s.outputs,
                       scratch.product + k * stride + b,
                       alpha};
      dataRows(smaller(kDataRows, s.inputs - k), t);
    }
  transposeBlock(dx, s.inputs, scratch.product, stride, s.inputs, s.rows);
}

}  // namespace heddle::HEDDLE_ISA
