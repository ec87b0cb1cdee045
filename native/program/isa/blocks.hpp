// What the fast paths share: sizes, padding and transposition.
#pragma once

#include "simd.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Loops over the registers of a tile: a loop that is left rolled would put the tile into memory.
#if defined(__clang__)
#define HEDDLE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HEDDLE_UNROLL _Pragma("GCC unroll 32")
#endif

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::size_t kLanes = kWidth;
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr std::size_t kRegisters = 32;
#else
constexpr std::size_t kRegisters = 16;
#endif

constexpr std::size_t roundUp(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }
constexpr std::size_t smaller(std::size_t a, std::size_t b) { return a < b ? a : b; }

/// -0 and NaN stay, as in reluF32.
HEDDLE_INLINE Vec relu(Vec v) { return v < Vec{} ? Vec{} : v; }

/// Keeps a value that is used twice in a register, where the compiler would load it twice.
HEDDLE_INLINE Vec inRegister(Vec v) {
#if defined(__SSE2__) && defined(__GNUC__)
  asm("" : "+v"(v));
#endif
  return v;
}

inline void clear(float* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = 0;
}

typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

/// Column j of a 4 x 4 corner of src goes to dst[j].
HEDDLE_INLINE void transposeFour(float* const (&dst)[4], const float* src, std::size_t srcStride) {
  const Four a = *reinterpret_cast<const Four*>(src);
  const Four b = *reinterpret_cast<const Four*>(src + srcStride);
  const Four c = *reinterpret_cast<const Four*>(src + 2 * srcStride);
  const Four d = *reinterpret_cast<const Four*>(src + 3 * srcStride);
  const Four ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Four ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Four cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Four cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *reinterpret_cast<Four*>(dst[0]) = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
  *reinterpret_cast<Four*>(dst[1]) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
  *reinterpret_cast<Four*>(dst[2]) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
  *reinterpret_cast<Four*>(dst[3]) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
}

/// Row j of dst = column j of src[rows, cols]; `dstRow(j)` is where row j begins.
template <typename DstRow>
HEDDLE_INLINE void transposeRows(DstRow dstRow, const float* src, std::size_t srcStride, std::size_t rows,
                                 std::size_t cols) {
  const std::size_t bodyRows = rows - rows % 4;
  const std::size_t bodyCols = cols - cols % 4;
  for (std::size_t j = 0; j < bodyCols; j += 4) {
    float* const to[4] = {dstRow(j), dstRow(j + 1), dstRow(j + 2), dstRow(j + 3)};
    for (std::size_t i = 0; i < bodyRows; i += 4) {
      float* const at[4] = {to[0] + i, to[1] + i, to[2] + i, to[3] + i};
      transposeFour(at, src + i * srcStride + j, srcStride);
    }
    for (std::size_t i = bodyRows; i < rows; ++i)
      for (std::size_t v = 0; v < 4; ++v) to[v][i] = src[i * srcStride + j + v];
  }
  for (std::size_t j = bodyCols; j < cols; ++j) {
    float* to = dstRow(j);
    for (std::size_t i = 0; i < rows; ++i) to[i] = src[i * srcStride + j];
  }
}

/// dst[cols, rows] = transpose of src[rows, cols], the strides being floats from row to row.
inline void transposeBlock(float* dst, std::size_t dstStride, const float* src, std::size_t srcStride,
                           std::size_t rows, std::size_t cols) {
  transposeRows([=](std::size_t j) { return dst + j * dstStride; }, src, srcStride, rows, cols);
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
