// The vectors of one instruction set. Arithmetic is GCC's vector extension, so that one text serves every
// set; intrinsics stand only where the extension has no word: the fused step of a chain, and loads and stores
// of a part of a vector.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__clang__)
#define HEDDLE_NO_CARRIED_DEPENDENCY _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define HEDDLE_NO_CARRIED_DEPENDENCY _Pragma("GCC ivdep")
#endif
#define HEDDLE_INLINE [[gnu::always_inline]] inline
#define HEDDLE_LAMBDA_INLINE __attribute__((always_inline))

namespace heddle::HEDDLE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kWidth = 16;
#elif defined(__AVX2__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif

typedef float Vec __attribute__((vector_size(4 * kWidth)));
typedef std::int32_t Int __attribute__((vector_size(4 * kWidth)));
typedef float LooseVec __attribute__((vector_size(4 * kWidth), aligned(4), may_alias));

HEDDLE_INLINE Vec load(const float* p) { return *reinterpret_cast<const LooseVec*>(p); }
HEDDLE_INLINE void store(float* p, Vec v) { *reinterpret_cast<LooseVec*>(p) = v; }
// x - 0 and not x + 0, which would lose the sign of -0.
HEDDLE_INLINE Vec splat(float x) { return x - Vec{}; }
HEDDLE_INLINE Int splatInt(std::int32_t x) { return x - Int{}; }

// acc + a * b: one rounding in profile `fma`, two in profile `plain`.
HEDDLE_INLINE Vec mulAdd(Vec acc, Vec a, Vec b) {
#if defined(__AVX512F__)
  return reinterpret_cast<Vec>(_mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b),
                                               reinterpret_cast<__m512>(acc)));
#elif defined(__AVX2__)
  return reinterpret_cast<Vec>(_mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b),
                                               reinterpret_cast<__m256>(acc)));
#elif defined(__ARM_NEON)
  return reinterpret_cast<Vec>(vfmaq_f32(reinterpret_cast<float32x4_t>(acc), reinterpret_cast<float32x4_t>(a),
                                         reinterpret_cast<float32x4_t>(b)));
#else
  return acc + a * b;
#endif
}

// The first `count` floats, zeros in the other lanes; 0 <= count <= kWidth. Nothing behind them is touched.
HEDDLE_INLINE Vec loadPart(const float* p, std::size_t count) {
#if defined(__AVX512F__)
  return reinterpret_cast<Vec>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p));
#else
  Vec v{};
  for (std::size_t i = 0; i < count; ++i) v[i] = p[i];
  return v;
#endif
}

HEDDLE_INLINE void storePart(float* p, Vec v, std::size_t count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), reinterpret_cast<__m512>(v));
#else
  for (std::size_t i = 0; i < count; ++i) p[i] = v[i];
#endif
}

template <int... kLane>
struct Lanes {};
#if defined(__AVX512F__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#elif defined(__AVX2__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
#else
using AllLanes = Lanes<0, 1, 2, 3>;
#endif

// One step of a transposition: exchanges bit `kBit` of the row number with that bit of the lane number.
template <int kBit, int... kLane>
HEDDLE_INLINE void exchange(Vec& low, Vec& high, Lanes<kLane...>) {
  const Vec a = low;
  const Vec b = high;
  low = __builtin_shufflevector(a, b, ((kLane & kBit) ? kWidth + kLane - kBit : kLane)...);
  high = __builtin_shufflevector(a, b, ((kLane & kBit) ? kWidth + kLane : kLane + kBit)...);
}

template <int kBit>
HEDDLE_INLINE void exchangeRows(Vec (&rows)[kWidth]) {
#pragma GCC unroll 16
  for (int row = 0; row < kWidth; ++row)
    if ((row & kBit) == 0) exchange<kBit>(rows[row], rows[row + kBit], AllLanes{});
}

// Transposes a square block of kWidth vectors in registers.
HEDDLE_INLINE void transpose(Vec (&rows)[kWidth]) {
  exchangeRows<1>(rows);
  exchangeRows<2>(rows);
  if constexpr (kWidth > 4) exchangeRows<4>(rows);
  if constexpr (kWidth > 8) exchangeRows<8>(rows);
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
