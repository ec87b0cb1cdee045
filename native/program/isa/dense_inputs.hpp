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
  float* product;          // [input][row]: a transposed result
  std::uint32_t* columns;  // numbers of the inputs that are used
  std::byte* nonZeros;

  Scratch(std::byte* memory, const DenseShape& s) {
    const std::size_t block = roundUp(s.inputs, 16) * roundUp(s.rows, 16);
    packed = reinterpret_cast<float*>(memory);
    delta = packed + block;
    product = delta + roundUp(s.outputs, 16) * roundUp(s.rows, 16);
    columns = reinterpret_cast<std::uint32_t*>(product + block + kLanes);
    nonZeros = reinterpret_cast<std::byte*>(columns + roundUp(s.inputs, 16));
  }
  static std::size_t bytes(const DenseShape& s) {
    const std::size_t rows = roundUp(s.rows, 16);
    return 4 * (2 * roundUp(s.inputs, 16) * rows + roundUp(s.outputs, 16) * rows + kLanes +
                roundUp(s.inputs, 16)) +
           NonZeros::bytes(s);
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
[[maybe_unused]] void packColumns(float* packed, std::size_t stride, const float* x, std::size_t rows,
                                  std::size_t inputs) {
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

/// What stays from a forward product to the update on the same inputs: where they are not 0 and, if few are
/// 0 and one tile takes all rows, the inputs by column.
struct KeptInputs {
  struct Counts {
    std::size_t elements;
    std::size_t inputs;
    /// Columns; their count is 0 where they were not kept.
    std::size_t columns;
  };
  Counts* counts;
  std::byte* nonZeros;
  std::uint32_t* columns;
  float* packed;

  KeptInputs(std::byte* memory, const DenseShape& s)
      : counts(reinterpret_cast<Counts*>(memory)),
        nonZeros(memory + 64),
        columns(reinterpret_cast<std::uint32_t*>(nonZeros + roundUp(NonZeros::bytes(s), 64))),
        packed(reinterpret_cast<float*>(columns + roundUp(s.inputs, 16))) {}
  static std::size_t bytes(const DenseShape& s) {
    const std::size_t columns = roundUp(s.inputs, 16) * (1 + roundUp(s.rows, kLanes));
    return 64 + roundUp(NonZeros::bytes(s), 64) + (s.rows <= kTileRows ? 4 * columns : 0);
  }
};

/// Keeps the columns that are not 0 in all rows, in order; or all of them. Returns how many.
[[maybe_unused]] std::size_t keepColumns(const Scratch& scratch, std::size_t stride, std::size_t inputs,
                                         bool skipDead) {
  std::size_t count = 0;
  for (std::size_t k = 0; k < inputs; ++k) {
    unsigned live = 0;
    for (std::size_t r = 0; r < stride; r += kLanes) {
      const Vec v = load(scratch.packed + k * stride + r);
      live |= liveLanes(v);
      store(scratch.packed + count * stride + r, v);
    }
    scratch.columns[count] = static_cast<std::uint32_t>(k);
    count += live != 0 || !skipDead;
  }
  return count;
}

/// What a finished chain makes of the old value.
HEDDLE_INLINE Vec updated(Vec chain, const float* old, float alpha, float beta) {
  const Vec value = alpha == 1 ? chain : splat(alpha) * chain;
  if (beta == 0) return value;
  return beta == 1 ? value + load(old) : value + splat(beta) * load(old);
}

/// Where the vectors of a tile of panels lie, counted from input 0 of its first panel.
inline std::size_t vecOffset(std::size_t v, std::size_t panelStride) {
  return v / kPanelVecs * panelStride + v % kPanelVecs * kLanes;
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
