/** One vector type for every instruction set, over GCC vector extensions; only the fused product needs an intrinsic. */
#pragma once

#include <cstddef>
#include <cstdint>
#if defined(__FMA__) || defined(__AVX512F__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace heddle::HEDDLE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t kWidth = 16;
constexpr std::size_t kRegisters = 32;
#elif defined(__AVX2__)
constexpr std::size_t kWidth = 8;
constexpr std::size_t kRegisters = 16;
#elif defined(__aarch64__)
constexpr std::size_t kWidth = 4;
constexpr std::size_t kRegisters = 32;
#else
constexpr std::size_t kWidth = 4;
constexpr std::size_t kRegisters = 16;
#endif

typedef float Vec __attribute__((vector_size(kWidth * 4), aligned(kWidth * 4), may_alias));
typedef float VecU __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));
typedef std::int32_t IntVec __attribute__((vector_size(kWidth * 4)));

inline Vec load(const float* p) { return *reinterpret_cast<const VecU*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<VecU*>(p) = v; }
inline Vec splat(float x) { return x - Vec{}; }
inline Vec zero() { return Vec{}; }

/** a * b + c: one rounding in profile `fma`, two in profile `plain`. */
inline Vec chain(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return c + a * b;
#endif
}

inline float chain(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return c + a * b;
#endif
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
