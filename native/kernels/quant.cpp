#include "lanes.hpp"
#include "philox.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::uint32_t kMagnitude = 0x7fffffff;
constexpr std::uint32_t kInfinity = 0x7f800000;
/// Bits of 2^-14, the smallest normal binary16, and what takes its exponent from float32's bias to binary16's.
constexpr std::uint32_t kSmallestNormal = 0x38800000;
constexpr std::uint32_t kRebias = 112U << 23;

/// binary16 of |x| given as bits, nearest even, by integers: for a subnormal result, adding 0.5 rounds to steps of 2^-24.
HEDDLE_INLINE std::uint32_t halfMagnitude(std::uint32_t m) {
  const std::uint32_t normal = (m + 0xfff + ((m >> 13) & 1) - kRebias) >> 13;
  const std::uint32_t subnormal = bitsOf(floatOf(m) + 0.5F) - 0x3f000000;
  const std::uint32_t code = m < kSmallestNormal ? subnormal : normal;
  const std::uint32_t special = m > kInfinity ? 0x7e00 : 0x7c00;
  return m >= 0x477ff000 ? special : code;
}

HEDDLE_INLINE std::uint32_t floatBitsOfHalf(std::uint32_t code) {
  const std::uint32_t m = code & 0x7fff;
  const std::uint32_t normal = (m << 13) + kRebias;
  const std::uint32_t subnormal = bitsOf(static_cast<float>(static_cast<std::int32_t>(m)) * 0x1p-24F);
  const std::uint32_t finite = m < 0x400 ? subnormal : normal;
  return (code & 0x8000) << 16 | (m >= 0x7c00 ? kInfinity | m << 13 : finite);
}

HEDDLE_INLINE std::uint32_t brainOf(std::uint32_t u) {
  const std::uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  return (u & kMagnitude) > kInfinity ? u >> 16 | 0x40 : rounded;
}

#if defined(HEDDLE_AVX512) || defined(HEDDLE_AVX2)
using U16 = std::uint16_t __attribute__((vector_size(kVectorBytes / 2)));

/// The hardware keeps the payload of a NaN; the format here is sign | 0x7E00.
HEDDLE_INLINE U16 encodeHalves(F32 v) {
#if defined(HEDDLE_AVX512)
  const U16 codes = (U16)_mm512_maskz_cvtps_ph(0xffff, v, _MM_FROUND_TO_NEAREST_INT);
#else
  const U16 codes = (U16)_mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
#endif
  return (codes & 0x7fff) > 0x7c00 ? codes & 0xfe00 : codes;
}

HEDDLE_INLINE F32 decodeHalves(U16 codes) {
#if defined(HEDDLE_AVX512)
  return _mm512_maskz_cvtph_ps(0xffff, (__m256i)codes);
#else
  return _mm256_cvtph_ps((__m128i)codes);
#endif
}
#endif

/// Largest |x[i]| by bits, so that an infinity or a NaN wins over every finite value.
HEDDLE_INLINE std::uint32_t largestMagnitude(const float* x, std::size_t n) {
  I32 largest = {};
  std::size_t i = 0;
  for (; i + kFloats <= n; i += kFloats) {
    const I32 v = loadAs<I32>(x + i) & static_cast<std::int32_t>(kMagnitude);
    largest = v > largest ? v : largest;
  }
  std::int32_t result = 0;
  for (std::size_t lane = 0; lane < kFloats; ++lane) result = largest[lane] > result ? largest[lane] : result;
  for (; i < n; ++i) {
    const std::int32_t v = static_cast<std::int32_t>(bitsOf(x[i]) & kMagnitude);
    result = v > result ? v : result;
  }
  return static_cast<std::uint32_t>(result);
}

HEDDLE_INLINE std::size_t firstNonFinite(const float* x) {
  std::size_t i = 0;
  while ((bitsOf(x[i]) & kMagnitude) < kInfinity) ++i;
  return i;
}

/// roundHalfEven(v) as the low bits of v + 1.5 * 2^23, after clipping v to [-127, 127]; the same code as clipping after.
HEDDLE_INLINE std::int8_t nearestCode(float v) {
  v = v > 127.0F ? 127.0F : v;
  v = v < -127.0F ? -127.0F : v;
  return static_cast<std::int8_t>(bitsOf(v + 12582912.0F));
}

HEDDLE_INLINE std::int8_t stochasticCode(float v, std::uint32_t word) {
  const std::int32_t cut = static_cast<std::int32_t>(v);
  const std::int32_t lower = cut - (static_cast<float>(cut) > v);
  const float u = static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1p-24F;
  std::int32_t q = lower + (u < v - static_cast<float>(lower));
  q = q > 127 ? 127 : q;
  return static_cast<std::int8_t>(q < -127 ? -127 : q);
}

/// Quantizes block by block with `encode(first, count, scale)`; scale 0 gives zeros.
template <typename Encode>
HEDDLE_INLINE std::int32_t quantizeBlocks(std::int8_t* codes, float* scales, const float* x, std::size_t n, std::size_t block,
                                          Encode encode) {
  for (std::size_t first = 0, b = 0; first < n; first += block, ++b) {
    const std::size_t count = n - first < block ? n - first : block;
    const std::uint32_t largest = largestMagnitude(x + first, count);
    if (largest >= kInfinity) return static_cast<std::int32_t>(first + firstNonFinite(x + first));
    const float scale = floatOf(largest) / 127.0F;
    scales[b] = scale;
    if (scale == 0)
      for (std::size_t i = first; i < first + count; ++i) codes[i] = 0;
    else
      encode(first, count, scale);
  }
  return -1;
}

}  // namespace

void encodeF16(std::uint16_t* __restrict codes, const float* __restrict x, std::size_t n) {
  std::size_t i = 0;
#if defined(HEDDLE_AVX512) || defined(HEDDLE_AVX2)
  for (; i + kFloats <= n; i += kFloats) store(codes + i, encodeHalves(load(x + i)));
#endif
  for (; i < n; ++i) {
    const std::uint32_t u = bitsOf(x[i]);
    codes[i] = static_cast<std::uint16_t>((u >> 16 & 0x8000) | halfMagnitude(u & kMagnitude));
  }
}

void decodeF16(float* __restrict x, const std::uint16_t* __restrict codes, std::size_t n) {
  std::size_t i = 0;
#if defined(HEDDLE_AVX512) || defined(HEDDLE_AVX2)
  if (shouldStream(x, n)) {
    for (; !isAligned(x + i); ++i) x[i] = floatOf(floatBitsOfHalf(codes[i]));
    for (; i + kFloats <= n; i += kFloats) stream(x + i, decodeHalves(loadAs<U16>(codes + i)));
    streamFence();
  }
  for (; i + kFloats <= n; i += kFloats) store(x + i, decodeHalves(loadAs<U16>(codes + i)));
#endif
  for (; i < n; ++i) x[i] = floatOf(floatBitsOfHalf(codes[i]));
}

void encodeBf16(std::uint16_t* __restrict codes, const float* __restrict x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) codes[i] = static_cast<std::uint16_t>(brainOf(bitsOf(x[i])));
}

void decodeBf16(float* __restrict x, const std::uint16_t* __restrict codes, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = floatOf(std::uint32_t{codes[i]} << 16);
}

void encodeF16Stochastic(std::uint16_t* __restrict codes, const float* __restrict x, std::size_t n, std::uint32_t key0,
                         std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step,
                         std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  forEachPiece(stream, n, [=](std::size_t first, std::size_t count, const std::uint32_t* words) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = bitsOf(x[first + i]);
      const std::uint32_t m = bits & kMagnitude;
      const std::uint32_t u = words[i] >> 8;
      // Normal: 13 dropped bits. Subnormal: |x| in steps of 2^-24, whose fraction float32 holds exactly.
      const std::uint32_t normal = ((m - kRebias) >> 13) + (u < (m & 0x1fff) << 11);
      const float tiny = m < kSmallestNormal ? floatOf(m) : 0.0F;
      const float steps = tiny * 0x1p24F;
      const std::int32_t below = static_cast<std::int32_t>(steps);
      const float fraction = (steps - static_cast<float>(below)) * 0x1p24F;
      const std::uint32_t subnormal =
          static_cast<std::uint32_t>(below) + (static_cast<float>(static_cast<std::int32_t>(u)) < fraction);
      std::uint32_t code = m < kSmallestNormal ? subnormal : normal;
      code = m >= 0x477fe000 ? 0x7bff : code;
      code = m == kInfinity ? 0x7c00 : code;
      code = m > kInfinity ? 0x7e00 : code;
      codes[first + i] = static_cast<std::uint16_t>((bits >> 16 & 0x8000) | code);
    }
  });
}

void encodeBf16Stochastic(std::uint16_t* __restrict codes, const float* __restrict x, std::size_t n, std::uint32_t key0,
                          std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step,
                          std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  forEachPiece(stream, n, [=](std::size_t first, std::size_t count, const std::uint32_t* words) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = bitsOf(x[first + i]);
      const std::uint32_t m = bits & kMagnitude;
      const std::uint32_t up = (words[i] >> 8) < (m & 0xffff) << 8;
      const std::uint32_t code = (m >> 16) + ((m >> 16) < 0x7f7f ? up : 0);
      codes[first + i] =
          static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (m > kInfinity ? m >> 16 | 0x40 : code));
    }
  });
}

std::int32_t quantizeInt8(std::int8_t* __restrict codes, float* __restrict scales, const float* __restrict x, std::size_t n,
                          std::uint32_t block) {
  return quantizeBlocks(codes, scales, x, n, block, [=](std::size_t first, std::size_t count, float scale) {
    std::int8_t* __restrict out = codes + first;
    const float* __restrict in = x + first;
    for (std::size_t i = 0; i < count; ++i) out[i] = nearestCode(in[i] / scale);
  });
}

std::int32_t quantizeInt8Stochastic(std::int8_t* __restrict codes, float* __restrict scales, const float* __restrict x,
                                    std::size_t n, std::uint32_t block, std::uint32_t key0, std::uint32_t key1,
                                    std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  constexpr std::size_t kPiece = 256;
  return quantizeBlocks(codes, scales, x, n, block, [&](std::size_t first, std::size_t count, float scale) {
    // A piece starts at a multiple of 4 elements of the stream, at or below the element wanted.
    std::uint32_t words[kPiece + kBatch];
    for (std::size_t i = first; i < first + count;) {
      const std::size_t skip = i % 4;
      const std::size_t left = first + count - i;
      const std::size_t size = left < kPiece - skip ? left : kPiece - skip;
      fillWords(words, stream, i - skip, skip + size);
      for (std::size_t j = 0; j < size; ++j) codes[i + j] = stochasticCode(x[i + j] / scale, words[skip + j]);
      i += size;
    }
  });
}

void dequantizeInt8(float* __restrict x, const std::int8_t* __restrict codes, const float* __restrict scales, std::size_t n,
                    std::uint32_t block) {
  for (std::size_t first = 0, b = 0; first < n; first += block, ++b) {
    const std::size_t count = n - first < block ? n - first : block;
    float* __restrict out = x + first;
    const std::int8_t* __restrict in = codes + first;
    const float scale = scales[b];
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]) * scale;
  }
}

void dequantizeAccumulateInt8(double* __restrict acc, const std::int8_t* __restrict codes, const float* __restrict scales,
                              std::size_t n, std::uint32_t block, double weight) {
  for (std::size_t first = 0, b = 0; first < n; first += block, ++b) {
    const std::size_t count = n - first < block ? n - first : block;
    double* __restrict out = acc + first;
    const std::int8_t* __restrict in = codes + first;
    const float scale = scales[b];
    for (std::size_t i = 0; i < count; ++i) out[i] += weight * static_cast<double>(static_cast<float>(in[i]) * scale);
  }
}

}  // namespace heddle::HEDDLE_ISA
