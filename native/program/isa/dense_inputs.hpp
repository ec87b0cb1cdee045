// Inputs of a dense layer by column, and the scratch of its products; shared by the units of the dense
// layers.
#pragma once

#include "blocks.hpp"
#include "dense.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::size_t kPanelVecs = kPanel / kLanes;
// Panels side by side in a tile, and the rows of a tile, so that accumulators, one row of weights and a splat
// fill the registers.
constexpr std::size_t kTilePanels = kLanes == 16 ? 2 : 1;
constexpr std::size_t kTileVecs = kPanelVecs * kTilePanels;
constexpr std::size_t kTileRows = kLanes == 16 ? 14 : kRegisters == 32 ? 6 : kLanes == 8 ? 6 : 2;

/// Scratch of one product, cut from the bytes that the plan reserved.
struct Scratch {
  float* packed;           // [input][row]: the inputs by column
  float* delta;            // delta, padded to panels or transposed
  float* product;          // [input][row]: a transposed result; or the values of the lists
  std::uint32_t* columns;  // numbers of the inputs that are used
  std::uint32_t* start;    // where the list of each of them begins
  std::uint32_t* rows;     // where the delta of each list entry lies

  Scratch(std::byte* memory, const DenseShape& s) {
    const std::size_t block = roundUp(s.inputs, 16) * roundUp(s.rows, 16);
    packed = reinterpret_cast<float*>(memory);
    delta = packed + block;
    product = delta + roundUp(s.outputs, 16) * roundUp(s.rows, 16);
    columns = reinterpret_cast<std::uint32_t*>(product + block + kLanes);
    start = columns + roundUp(s.inputs, 16);
    rows = start + roundUp(s.inputs + 1, 16);
  }
  static std::size_t bytes(const DenseShape& s) {
    const std::size_t rows = roundUp(s.rows, 16);
    return 4 * (3 * roundUp(s.inputs, 16) * rows + roundUp(s.outputs, 16) * rows +
                2 * roundUp(s.inputs + 1, 16) + 3 * 16);
  }
};

/// Which lanes are not 0, as bits; a NaN is not 0.
HEDDLE_INLINE unsigned liveLanes(Vec v) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(v), _mm512_setzero_ps(), _CMP_NEQ_UQ);
#elif defined(__AVX2__)
  return static_cast<unsigned>(
      _mm256_movemask_ps(_mm256_cmp_ps(reinterpret_cast<__m256>(v), _mm256_setzero_ps(), _CMP_NEQ_UQ)));
#elif defined(__SSE2__)
  return static_cast<unsigned>(_mm_movemask_ps(_mm_cmpneq_ps(reinterpret_cast<__m128>(v), _mm_setzero_ps())));
#else
  unsigned live = 0;
  for (int i = 0; i < kWidth; ++i) live |= static_cast<unsigned>(!(v[i] == 0)) << i;
  return live;
#endif
}

/// packed[input][row], `stride` floats from input to input (a multiple of the vector), zeros behind the last
/// row.
void packColumns(float* packed, std::size_t stride, const float* x, std::size_t rows, std::size_t inputs) {
  for (std::size_t r = 0; r < stride; r += kLanes)
    for (std::size_t k = 0; k < inputs; k += kLanes) {
      Vec block[kLanes];
      const std::size_t width = smaller(kLanes, inputs - k);
      HEDDLE_UNROLL
      for (std::size_t i = 0; i < kLanes; ++i) {
        const float* from = x + (r + i) * inputs + k;
        block[i] = r + i >= rows ? Vec{} : width == kLanes ? load(from) : loadPart(from, width);
      }
      transpose(block);
      // Behind the last input the scratch has room for a whole block.
      HEDDLE_UNROLL
      for (std::size_t i = 0; i < kLanes; ++i) store(packed + (k + i) * stride + r, block[i]);
    }
}

struct Columns {
  /// Columns that are used, and their elements that are not 0.
  std::size_t count;
  std::size_t live;
};

/// Inputs by column that stay from a forward product to the update: [counts][columns][packed].
struct KeptInputs {
  Columns* counts;
  std::uint32_t* columns;
  float* packed;

  KeptInputs(std::byte* memory, const DenseShape& s)
      : counts(reinterpret_cast<Columns*>(memory)),
        columns(reinterpret_cast<std::uint32_t*>(memory + 64)),
        packed(reinterpret_cast<float*>(columns + roundUp(s.inputs, 16))) {}
};

/// Keeps the columns that are not 0 in all rows, in order; or all of them.
Columns keepColumns(const Scratch& scratch, std::size_t stride, std::size_t inputs, bool skipDead) {
  Columns columns{0, 0};
  for (std::size_t k = 0; k < inputs; ++k) {
    std::size_t live = 0;
    for (std::size_t r = 0; r < stride; r += kLanes) {
      const Vec v = load(scratch.packed + k * stride + r);
      live += static_cast<std::size_t>(__builtin_popcount(liveLanes(v)));
      store(scratch.packed + columns.count * stride + r, v);
    }
    scratch.columns[columns.count] = static_cast<std::uint32_t>(k);
    columns.count += live != 0 || !skipDead;
    columns.live += live;
  }
  return columns;
}

/// Where the vectors of a tile of panels lie, counted from input 0 of its first panel.
inline std::size_t vecOffset(std::size_t v, std::size_t panelStride) {
  return v / kPanelVecs * panelStride + v % kPanelVecs * kLanes;
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
