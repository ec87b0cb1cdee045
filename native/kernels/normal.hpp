// Box-Muller on vectors: the steps of src/kernels/reference/normal.ts, one lane a pair.
#pragma once
#include "lanes.hpp"
#include "philox.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

template <typename Vector, typename Element, std::size_t count>
HEDDLE_INLINE Vector horner(Vector x, const Element (&coefficients)[count]) {
  Vector sum = Vector{} + coefficients[count - 1];
  for (std::size_t i = count - 1; i-- > 0;) sum = sum * x + coefficients[i];
  return sum;
}

constexpr float kLog[] = {-2.0F,
                          1.0F,
                          -0.6666781902313232F,
                          0.5000267624855042F,
                          -0.3992612957954407F,
                          0.33155184984207153F,
                          -0.29829543828964233F,
                          0.2853485345840454F,
                          -0.17400690913200378F};
constexpr float kSine[] = {0.7853981852531433F, -0.08074543625116348F, 0.00249000103212893F,
                           -3.59504520019982e-5F};
constexpr float kCosine[] = {0.9999999403953552F, -0.308424174785614F, 0.015849683433771133F,
                             -0.00031872783438302577F};
constexpr float kMinusTwoLn2 = -1.3862943611198906F;
constexpr std::int32_t kSqrtHalfBits = 0x3f3504f3;

/// Normals from two vectors of words: `cosines` are elements 0, `sines` elements 1 of each pair.
HEDDLE_INLINE void normalPairs(U32 w0, U32 w1, float stddev, F32& cosines, F32& sines) {
  const F32 count = __builtin_convertvector((I32)((w0 >> 8) + 1), F32);
  const I32 shifted = (I32)count - (kSqrtHalfBits + (24 << 23));
  const F32 x = (F32)((shifted & 0x7fffff) + kSqrtHalfBits) - 1.0F;
  const F32 exponent = __builtin_convertvector(shifted >> 23, F32);
  const F32 minusTwoLog = horner(x, kLog) * x + exponent * kMinusTwoLn2;
  const F32 radius = squareRoot(minusTwoLog) * stddev;

  const F32 s = __builtin_convertvector(((I32)(w1 << 2) >> 9) | 1, F32) * 0x1p-22F;
  const F32 square = s * s;
  const F32 sine = horner(square, kSine) * s;
  const F32 cosine = horner(square, kCosine);
  // Quadrant 1 is (-sine, cosine), 2 is (-cosine, -sine), 3 is (sine, -cosine).
  const I32 odd = (I32)(w1 << 1) < 0;
  const U32 cosineSign = (w1 ^ (w1 << 1)) & 0x80000000U;
  const U32 sineSign = w1 & 0x80000000U;
  const F32 c = odd ? sine : cosine;
  const F32 d = odd ? cosine : sine;
  cosines = radius * (F32)((U32)c ^ cosineSign);
  sines = radius * (F32)((U32)d ^ sineSign);
}

/// The next kBatch normals of the stream, in order of elements.
HEDDLE_INLINE void normalBatch(F32 (&z)[4], const Stream& stream, std::size_t from, float stddev) {
  const Words words = philoxBlocks(stream, stream.block + from / 4);
  normalPairs(words.w[0], words.w[1], stddev, z[0], z[1]);
  normalPairs(words.w[2], words.w[3], stddev, z[2], z[3]);
  interleave(z);
}

constexpr double kLogSeries[] = {0.6666666666666735,  0.3999999999940942, 0.2857142874366239,
                                 0.22222198432149784, 0.1818357216161805, 0.15313837699209373,
                                 0.14798198605116586};
constexpr double kSineSeries[] = {-0.16666666666666632,  0.00833333333332249,    -0.0001984126982985795,
                                  2.7557313707070068e-6, -2.5050760253406863e-8, 1.58969099521155e-10};
constexpr double kCosineSeries[] = {0.0416666666666666,     -0.001388888888887411, 2.480158728947673e-5,
                                    -2.7557314351390663e-7, 2.087572321298175e-9,  -1.1359647557788195e-11};
constexpr double kLn2High = 0.6931471803691238;
constexpr double kLn2Low = 1.9082149292705877e-10;
constexpr double kTwoPi = 6.283185307179586;

/// A 32-bit integer in the low half of each lane as float64: put below the exponent of 2^52.
HEDDLE_INLINE F64 toF64(U64 v) { return (F64)(v | 0x4330000000000000U) - 0x1p52; }

/// ((high >>> 5) 2^26 + (low >>> 6) + 0.5) / 2^53.
HEDDLE_INLINE F64 uniform53(U64 high, U64 low) {
  const F64 top = toF64((high & 0xffffffff) >> 5);
  const F64 bottom = toF64((low & 0xffffffff) >> 6);
  return (top * 0x1p26 + bottom + 0.5) * 0x1p-53;
}

HEDDLE_INLINE F64 logF64(F64 x) {
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  constexpr std::uint64_t kBias = std::uint64_t{1023} << 52;
  constexpr std::uint64_t kFraction = 0xfffffffffffff;
  const U64 shifted = (U64)x - kSqrtHalf;
  const F64 exponent = toF64((shifted + kBias) >> 52) - 1023.0;
  const F64 f = (F64)((shifted & kFraction) + kSqrtHalf) - 1.0;
  const F64 s = f / (f + 2.0);
  const F64 z = s * s;
  const F64 series = horner(z, kLogSeries) * z;
  const F64 half = 0.5 * f * f;
  return exponent * kLn2High - (half - (s * (half + series) + exponent * kLn2Low) - f);
}

/// kDoubles blocks give two normals each: the cosine and the sine.
HEDDLE_INLINE void normalPairsF64(const WideWords& words, F64& cosines, F64& sines) {
  constexpr double kRound = 6755399441055744;
  const F64 u1 = uniform53(words.w0, words.w1);
  const F64 u2 = uniform53(words.w2, words.w3);
  const F64 radius = squareRoot(-2.0 * logF64(u1));
  const F64 shifted = u2 * 4.0 + kRound;
  const F64 quarter = shifted - kRound;
  const F64 x = (u2 - quarter * 0.25) * kTwoPi;
  const F64 z = x * x;
  const F64 sine = x + x * z * horner(z, kSineSeries);
  const F64 cosine = 1.0 - (0.5 * z - z * z * horner(z, kCosineSeries));
  const U64 quadrant = (U64)shifted;  // the low bits of the sum with 1.5 * 2^52 are the integer
  const I64 odd = (quadrant & 1) != 0;
  const U64 cosineSign = ((quadrant >> 1) ^ quadrant) << 63;
  const U64 sineSign = (quadrant >> 1) << 63;
  const F64 c = odd ? sine : cosine;
  const F64 d = odd ? cosine : sine;
  cosines = radius * (F64)((U64)c ^ cosineSign);
  sines = radius * (F64)((U64)d ^ sineSign);
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
