// Vectors of the instruction set this unit is compiled for, as GCC and Clang vector extensions: arithmetic, compares and
// `mask ? a : b` on them are element by element and rounded after every step.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define HEDDLE_INLINE inline __attribute__((always_inline))

namespace heddle::HEDDLE_ISA {
namespace {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define HEDDLE_AVX512 1
constexpr std::size_t kVectorBytes = 64;
#elif defined(__AVX2__)
#define HEDDLE_AVX2 1
constexpr std::size_t kVectorBytes = 32;
#else
constexpr std::size_t kVectorBytes = 16;
#endif
constexpr std::size_t kFloats = kVectorBytes / 4;
constexpr std::size_t kDoubles = kVectorBytes / 8;

using F32 = float __attribute__((vector_size(kVectorBytes)));
using I32 = std::int32_t __attribute__((vector_size(kVectorBytes)));
using U32 = std::uint32_t __attribute__((vector_size(kVectorBytes)));
using F64 = double __attribute__((vector_size(kVectorBytes)));
using I64 = std::int64_t __attribute__((vector_size(kVectorBytes)));
using U64 = std::uint64_t __attribute__((vector_size(kVectorBytes)));
/// As many float32 as a vector has float64.
using F32Half = float __attribute__((vector_size(kVectorBytes / 2)));

template <typename Vector, typename Element>
HEDDLE_INLINE Vector loadAs(const Element* p) {
  Vector v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

HEDDLE_INLINE F32 load(const float* p) { return loadAs<F32>(p); }
HEDDLE_INLINE F64 load(const double* p) { return loadAs<F64>(p); }
HEDDLE_INLINE F32Half loadHalf(const float* p) { return loadAs<F32Half>(p); }

template <typename Element, typename Vector>
HEDDLE_INLINE void store(Element* p, Vector v) {
  __builtin_memcpy(p, &v, sizeof v);
}

HEDDLE_INLINE F64 widen(F32Half v) { return __builtin_convertvector(v, F64); }
HEDDLE_INLINE F32Half narrow(F64 v) { return __builtin_convertvector(v, F32Half); }
/// The next kDoubles elements as float64.
HEDDLE_INLINE F64 loadF64(const float* p) { return widen(loadHalf(p)); }
HEDDLE_INLINE F64 loadF64(const double* p) { return load(p); }

HEDDLE_INLINE F32 splat(float value) { return F32{} + value; }
HEDDLE_INLINE F64 splat(double value) { return F64{} + value; }

HEDDLE_INLINE U32 bitsOf(F32 v) { return (U32)v; }
HEDDLE_INLINE std::uint32_t bitsOf(float v) { return __builtin_bit_cast(std::uint32_t, v); }
HEDDLE_INLINE float floatOf(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

// The masked forms of AVX-512 intrinsics with a full mask: the plain ones make GCC warn of their undefined pass-through.
HEDDLE_INLINE F32 squareRoot(F32 v) {
#if defined(HEDDLE_AVX512)
  return _mm512_maskz_sqrt_ps(0xffff, v);
#elif defined(HEDDLE_AVX2)
  return _mm256_sqrt_ps(v);
#elif defined(__x86_64__)
  return _mm_sqrt_ps(v);
#elif defined(__aarch64__)
  return vsqrtq_f32(v);
#else
  for (std::size_t i = 0; i < kFloats; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

HEDDLE_INLINE F64 squareRoot(F64 v) {
#if defined(HEDDLE_AVX512)
  return _mm512_maskz_sqrt_pd(0xff, v);
#elif defined(HEDDLE_AVX2)
  return _mm256_sqrt_pd(v);
#elif defined(__x86_64__)
  return _mm_sqrt_pd(v);
#elif defined(__aarch64__)
  return vsqrtq_f64(v);
#else
  for (std::size_t i = 0; i < kDoubles; ++i) v[i] = __builtin_sqrt(v[i]);
  return v;
#endif
}

// Stores past the cache. From kStreamBytes on, a destination would throw everything else out of the last-level cache and
// cost a read of each line before its write; below, the caller is likely to read it back soon.
constexpr std::size_t kStreamBytes = std::size_t{16} << 20;

#if defined(__x86_64__)
constexpr bool kCanStream = true;
template <typename Element, typename Vector>
HEDDLE_INLINE void stream(Element* p, Vector v) {
  static_assert(sizeof(Vector) == kVectorBytes);
#if defined(HEDDLE_AVX512)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(p), (__m512i)v);
#elif defined(HEDDLE_AVX2)
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), (__m256i)v);
#else
  _mm_stream_si128(reinterpret_cast<__m128i*>(p), (__m128i)v);
#endif
}
HEDDLE_INLINE void streamFence() { _mm_sfence(); }
#else
constexpr bool kCanStream = false;
template <typename Element, typename Vector>
HEDDLE_INLINE void stream(Element* p, Vector v) {
  store(p, v);
}
HEDDLE_INLINE void streamFence() {}
#endif

template <typename Element>
HEDDLE_INLINE bool shouldStream(const Element* dst, std::size_t n) {
  // A pointer that is not even aligned to its element never reaches a vector boundary.
  return kCanStream && n * sizeof(Element) >= kStreamBytes &&
         reinterpret_cast<std::uintptr_t>(dst) % sizeof(Element) == 0;
}

template <typename Element>
HEDDLE_INLINE bool isAligned(const Element* p) {
  return reinterpret_cast<std::uintptr_t>(p) % kVectorBytes == 0;
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
