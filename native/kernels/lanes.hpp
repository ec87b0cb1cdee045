// Vectors of the instruction set this unit is compiled for, as GCC and Clang vector extensions: arithmetic,
// compares and `mask ? a : b` on them are element by element and rounded after every step.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
// GCC warns of the undefined pass-through operand of its own AVX-512 intrinsics.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
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

template <typename Vector, typename Element>
HEDDLE_INLINE Vector loadAs(const Element* p) {
  Vector v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

HEDDLE_INLINE F32 load(const float* p) { return loadAs<F32>(p); }
HEDDLE_INLINE F64 load(const double* p) { return loadAs<F64>(p); }

template <typename Element, typename Vector>
HEDDLE_INLINE void store(Element* p, Vector v) {
  __builtin_memcpy(p, &v, sizeof v);
}

/// The next kDoubles elements as float64.
HEDDLE_INLINE F64 loadF64(const double* p) { return load(p); }
HEDDLE_INLINE F64 loadF64(const float* p) {
#if defined(HEDDLE_AVX512)
  return _mm512_cvtps_pd(_mm256_loadu_ps(p));
#elif defined(HEDDLE_AVX2)
  return _mm256_cvtps_pd(_mm_loadu_ps(p));
#elif defined(__x86_64__)
  return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#elif defined(__aarch64__)
  return vcvt_f64_f32(vld1_f32(p));
#else
  return F64{p[0], p[1]};
#endif
}

/// A vector of float32 as two of float64, in order.
HEDDLE_INLINE void widen(F32 v, F64& low, F64& high) {
#if defined(HEDDLE_AVX512)
  low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
  high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
#elif defined(HEDDLE_AVX2)
  low = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
  high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
#elif defined(__x86_64__)
  low = _mm_cvtps_pd(v);
  high = _mm_cvtps_pd(_mm_movehl_ps(v, v));
#elif defined(__aarch64__)
  low = vcvt_f64_f32(vget_low_f32(v));
  high = vcvt_high_f64_f32(v);
#else
  low = F64{v[0], v[1]};
  high = F64{v[2], v[3]};
#endif
}

/// Two vectors of float64, in order, rounded to one of float32.
HEDDLE_INLINE F32 narrow(F64 low, F64 high) {
#if defined(HEDDLE_AVX512)
  const __m512 wide = _mm512_castps256_ps512(_mm512_cvtpd_ps(low));
  return _mm512_insertf32x8(wide, _mm512_cvtpd_ps(high), 1);
#elif defined(HEDDLE_AVX2)
  return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
#elif defined(__x86_64__)
  return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
#elif defined(__aarch64__)
  return vcvt_high_f32_f64(vcvt_f32_f64(low), high);
#else
  return F32{static_cast<float>(low[0]), static_cast<float>(low[1]), static_cast<float>(high[0]),
             static_cast<float>(high[1])};
#endif
}

/// `v > m ? v : m`: a NaN in v never wins.
HEDDLE_INLINE F32 larger(F32 v, F32 m) {
#if defined(HEDDLE_AVX512)
  return _mm512_max_ps(v, m);
#elif defined(HEDDLE_AVX2)
  return _mm256_max_ps(v, m);
#elif defined(__x86_64__)
  return _mm_max_ps(v, m);
#else
  return v > m ? v : m;
#endif
}

HEDDLE_INLINE I32 larger(I32 v, I32 m) {
#if defined(HEDDLE_AVX512)
  return (I32)_mm512_max_epi32((__m512i)v, (__m512i)m);
#elif defined(HEDDLE_AVX2)
  return (I32)_mm256_max_epi32((__m256i)v, (__m256i)m);
#elif defined(__x86_64__)
  return (I32)_mm_max_epi32((__m128i)v, (__m128i)m);
#else
  return v > m ? v : m;
#endif
}

HEDDLE_INLINE F32 splat(float value) { return F32{} + value; }
HEDDLE_INLINE F64 splat(double value) { return F64{} + value; }

HEDDLE_INLINE U32 bitsOf(F32 v) { return (U32)v; }
HEDDLE_INLINE std::uint32_t bitsOf(float v) { return __builtin_bit_cast(std::uint32_t, v); }
HEDDLE_INLINE F32 floatOf(U32 bits) { return (F32)bits; }
HEDDLE_INLINE float floatOf(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }
/// Integers below 2^31 as float32.
HEDDLE_INLINE F32 toFloat(U32 v) { return __builtin_convertvector((I32)v, F32); }
HEDDLE_INLINE float toFloat(std::uint32_t v) { return static_cast<float>(static_cast<std::int32_t>(v)); }

HEDDLE_INLINE F32 squareRoot(F32 v) {
#if defined(HEDDLE_AVX512)
  return _mm512_sqrt_ps(v);
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
  return _mm512_sqrt_pd(v);
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

/// Asks for the line 8 KiB after p. The processor's own prefetch stops at page ends; on a pass that only
/// reads, this was worth a fifth to a third in bandwidth. An address beyond the data does no harm.
HEDDLE_INLINE void prefetchAhead(const void* p) {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(p) + 8192));
}

// Stores past the cache. From kStreamBytes on, a destination would throw everything else out of the
// last-level cache and cost a read of each line before its write; below, the caller is likely to read it back
// soon.
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
