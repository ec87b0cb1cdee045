// float16 and bfloat16 codes of float32 values, one element or a vector at a time.
#pragma once
#include "lanes.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::uint32_t kMagnitude = 0x7fffffff;
constexpr std::uint32_t kInfinity = 0x7f800000;
/// Bits of 2^-14, the smallest normal binary16, and what takes its exponent from float32's bias to
/// binary16's.
constexpr std::uint32_t kSmallestNormal = 0x38800000;
constexpr std::uint32_t kRebias = 112U << 23;

// The conversions below take one element as std::uint32_t, or a vector of them as U32.

/// binary16 of the float32 with bits u, nearest even, by integers: for a subnormal result, adding 0.5 rounds
/// to steps of 2^-24.
template <typename Bits>
HEDDLE_INLINE Bits halfOf(Bits u) {
  const Bits zero = {};
  const Bits m = u & kMagnitude;
  const Bits normal = (m + 0xfff + ((m >> 13) & 1) - kRebias) >> 13;
  const Bits subnormal = bitsOf(floatOf(m) + 0.5F) - 0x3f000000;
  const Bits code = m < kSmallestNormal ? subnormal : normal;
  const Bits special = m > kInfinity ? zero + 0x7e00 : zero + 0x7c00;
  return (u >> 16 & 0x8000) | (m >= 0x477ff000 ? special : code);
}

/// float32 bits of a binary16 code.
template <typename Bits>
HEDDLE_INLINE Bits floatBitsOfHalf(Bits code) {
  const Bits m = code & 0x7fff;
  const Bits normal = (m << 13) + kRebias;
  const Bits subnormal = bitsOf(toFloat(m) * 0x1p-24F);
  const Bits finite = m < 0x400 ? subnormal : normal;
  return (code & 0x8000) << 16 | (m >= 0x7c00 ? kInfinity | m << 13 : finite);
}

/// bfloat16 of the float32 with bits u, nearest even.
template <typename Bits>
HEDDLE_INLINE Bits brainOf(Bits u) {
  const Bits rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  return (u & kMagnitude) > kInfinity ? u >> 16 | 0x40 : rounded;
}

using U16 = std::uint16_t __attribute__((vector_size(kVectorBytes)));

/// Two vectors of integers below 2^16 as one vector of 16-bit integers in order.
HEDDLE_INLINE U16 packWords(U32 low, U32 high) {
#if defined(HEDDLE_AVX512)
  const __m512i wide = _mm512_castsi256_si512(_mm512_cvtepi32_epi16((__m512i)low));
  return (U16)_mm512_inserti64x4(wide, _mm512_cvtepi32_epi16((__m512i)high), 1);
#elif defined(HEDDLE_AVX2)
  return (U16)_mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)low, (__m256i)high), 0xd8);
#elif defined(__x86_64__)
  return (U16)_mm_packus_epi32((__m128i)low, (__m128i)high);
#elif defined(__aarch64__)
  return (U16)vcombine_u16(vmovn_u32((uint32x4_t)low), vmovn_u32((uint32x4_t)high));
#else
  U16 words;
  for (std::size_t i = 0; i < 2 * kFloats; ++i)
    words[i] = static_cast<std::uint16_t>(i < kFloats ? low[i] : high[i - kFloats]);
  return words;
#endif
}

/// The next kFloats 16-bit integers.
HEDDLE_INLINE U32 loadWords(const std::uint16_t* p) {
#if defined(HEDDLE_AVX512)
  return (U32)_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(HEDDLE_AVX2)
  return (U32)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(__x86_64__)
  return (U32)_mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
  return U32{p[0], p[1], p[2], p[3]};
#endif
}

#if defined(HEDDLE_AVX512) || defined(HEDDLE_AVX2)
/// Two vectors to binary16. The hardware keeps the payload of a NaN; the format here is sign | 0x7E00.
HEDDLE_INLINE U16 halvesOf(F32 low, F32 high) {
#if defined(HEDDLE_AVX512)
  const __m512i wide = _mm512_castsi256_si512(_mm512_cvtps_ph(low, _MM_FROUND_TO_NEAREST_INT));
  const U16 codes = (U16)_mm512_inserti64x4(wide, _mm512_cvtps_ph(high, _MM_FROUND_TO_NEAREST_INT), 1);
#else
  const U16 codes = (U16)_mm256_set_m128i(_mm256_cvtps_ph(high, _MM_FROUND_TO_NEAREST_INT),
                                          _mm256_cvtps_ph(low, _MM_FROUND_TO_NEAREST_INT));
#endif
  return (codes & 0x7fff) > 0x7c00 ? codes & 0xfe00 : codes;
}

HEDDLE_INLINE F32 halvesAt(const std::uint16_t* p) {
#if defined(HEDDLE_AVX512)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#else
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#endif
}
#else
HEDDLE_INLINE U16 halvesOf(F32 low, F32 high) { return packWords(halfOf(bitsOf(low)), halfOf(bitsOf(high))); }
HEDDLE_INLINE F32 halvesAt(const std::uint16_t* p) { return floatOf(floatBitsOfHalf(loadWords(p))); }
#endif

/// codes[i] = 16-bit code of x[i]: `vectors` codes two vectors, `scalar` the bits of one element.
template <typename Vectors, typename Scalar>
HEDDLE_INLINE void encodeWords(std::uint16_t* codes, const float* x, std::size_t n, Vectors vectors,
                               Scalar scalar) {
  constexpr std::size_t kStep = 2 * kFloats;
  const auto next = [=](std::size_t i) { return vectors(load(x + i), load(x + i + kFloats)); };
  const auto one = [=](std::size_t i) { codes[i] = static_cast<std::uint16_t>(scalar(bitsOf(x[i]))); };
  std::size_t i = 0;
  if (shouldStream(codes, n)) {
    for (; !isAligned(codes + i); ++i) one(i);
    for (; i + kStep <= n; i += kStep) stream(codes + i, next(i));
    streamFence();
  } else {
    for (; i + kStep <= n; i += kStep) store(codes + i, next(i));
  }
  for (; i < n; ++i) one(i);
}

/// x[i] = float32 of codes[i]: `vector` decodes the kFloats codes at a place, `scalar` gives the bits of one
/// element.
template <typename Vector, typename Scalar>
HEDDLE_INLINE void decodeWords(float* x, const std::uint16_t* codes, std::size_t n, Vector vector,
                               Scalar scalar) {
  std::size_t i = 0;
  if (shouldStream(x, n)) {
    for (; !isAligned(x + i); ++i) x[i] = floatOf(scalar(codes[i]));
    for (; i + kFloats <= n; i += kFloats) stream(x + i, vector(codes + i));
    streamFence();
  } else {
    for (; i + kFloats <= n; i += kFloats) store(x + i, vector(codes + i));
  }
  for (; i < n; ++i) x[i] = floatOf(scalar(codes[i]));
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
