// Values as they are stored, read as float64: kDoubles of them at a time, or one.
#pragma once
#include "half.hpp"
#include "lanes.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

struct Singles {
  using Element = float;
  HEDDLE_INLINE static F64 vector(const float* p) { return loadF64(p); }
  HEDDLE_INLINE static double one(const float* p) { return static_cast<double>(*p); }
};

/// Every NaN the quiet one without a sign: what an instruction set makes of a NaN differs.
HEDDLE_INLINE F32 quietNan(F32 v) { return v == v ? v : floatOf(U32{} + 0x7fc00000); }
HEDDLE_INLINE float quietNan(float v) { return v == v ? v : floatOf(std::uint32_t{0x7fc00000}); }

/// bfloat16, nearest even, of a float32 or a vector of them: rounding leaves the quiet NaN alone.
template <typename Float>
HEDDLE_INLINE auto nearestBrain(Float v) {
  const auto u = bitsOf(quietNan(v));
  return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

/// kDoubles bfloat16 codes, and the nearest codes of float32.
struct Brains {
  using Element = std::uint16_t;
  HEDDLE_INLINE static F64 vector(const std::uint16_t* p) {
#if defined(HEDDLE_AVX512)
    const __m256i eight = _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m256i order = _mm256_setr_epi16(0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7);
    return _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_maskz_permutexvar_epi16(0xaaaa, order, eight)));
#elif defined(HEDDLE_AVX2)
    const __m128i four = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm256_cvtps_pd(_mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), four)));
#elif defined(__x86_64__)
    const __m128i two = _mm_cvtsi32_si128(loadAs<std::int32_t>(p));
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), two)));
#else
    return F64{one(p), one(p + 1)};
#endif
  }
  HEDDLE_INLINE static double one(const std::uint16_t* p) {
    return static_cast<double>(floatOf(std::uint32_t{*p} << 16));
  }
  HEDDLE_INLINE static U16 codes(F32 low, F32 high) {
    return packWords(nearestBrain(low), nearestBrain(high));
  }
  HEDDLE_INLINE static std::uint16_t code(float v) { return static_cast<std::uint16_t>(nearestBrain(v)); }
};

/// The same of binary16.
struct Halves {
  using Element = std::uint16_t;
  HEDDLE_INLINE static F64 vector(const std::uint16_t* p) {
#if defined(HEDDLE_AVX512)
    return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(HEDDLE_AVX2)
    return _mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#else
    return F64{one(p), one(p + 1)};
#endif
  }
  HEDDLE_INLINE static double one(const std::uint16_t* p) {
    return static_cast<double>(floatOf(floatBitsOfHalf(std::uint32_t{*p})));
  }
  HEDDLE_INLINE static U16 codes(F32 low, F32 high) { return halvesOf(quietNan(low), quietNan(high)); }
  HEDDLE_INLINE static std::uint16_t code(float v) {
    return static_cast<std::uint16_t>(halfOf(bitsOf(quietNan(v))));
  }
};

/// Element(s) at p of a source, as the type of the computation.
template <typename Stored, typename T>
HEDDLE_INLINE T loadAs64(const typename Stored::Element* p) {
  if constexpr (sizeof(T) == sizeof(double))
    return Stored::one(p);
  else
    return Stored::vector(p);
}

/// Calls use(stored) with the 16-bit format that a scalar names: 0 bfloat16, 1 binary16.
template <typename Use>
HEDDLE_INLINE void withHalfFormat(std::uint32_t format, Use use) {
  if (format == 0)
    use(Brains{});
  else
    use(Halves{});
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
