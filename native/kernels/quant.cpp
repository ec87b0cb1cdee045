#include "half.hpp"
#include "lanes.hpp"
#include "philox.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

HEDDLE_INLINE std::int32_t largestLane(I32 v) {
#if defined(HEDDLE_AVX512)
  return _mm512_reduce_max_epi32((__m512i)v);
#elif defined(__x86_64__)
#if defined(HEDDLE_AVX2)
  const __m128i four =
      _mm_max_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
#else
  const __m128i four = (__m128i)v;
#endif
  const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
#else
  std::int32_t result = v[0];
  for (std::size_t lane = 1; lane < kFloats; ++lane) result = v[lane] > result ? v[lane] : result;
  return result;
#endif
}

/// Largest |x[i]| by bits, so that an infinity or a NaN wins over every finite value.
HEDDLE_INLINE std::uint32_t largestMagnitude(const float* x, std::size_t n) {
  constexpr std::int32_t magnitude = kMagnitude;
  I32 first = {};
  I32 second = {};
  std::size_t i = 0;
  for (; i + 2 * kFloats <= n; i += 2 * kFloats) {
    prefetchAhead(x + i);
    prefetchAhead(x + i + kFloats);
    first = larger(loadAs<I32>(x + i) & magnitude, first);
    second = larger(loadAs<I32>(x + i + kFloats) & magnitude, second);
  }
  std::int32_t result = largestLane(larger(first, second));
  for (; i < n; ++i) {
    const std::int32_t v = static_cast<std::int32_t>(bitsOf(x[i])) & magnitude;
    result = v > result ? v : result;
  }
  return static_cast<std::uint32_t>(result);
}

HEDDLE_INLINE std::size_t firstNonFinite(const float* x) {
  std::size_t i = 0;
  while ((bitsOf(x[i]) & kMagnitude) < kInfinity) ++i;
  return i;
}

/// roundHalfEven(v) as the low bits of v + 1.5 * 2^23, after clipping v to [-127, 127]; the same code as
/// clipping after.
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

using I8 = std::int8_t __attribute__((vector_size(kVectorBytes)));

/// Four vectors of integers, clipped to [-127, 127], as one vector of bytes in order. The integers are within
/// 16 bits.
HEDDLE_INLINE I8 packCodes(const I32 (&q)[4]) {
#if defined(HEDDLE_AVX512)
  const __m512i low = _mm512_packs_epi32((__m512i)q[0], (__m512i)q[1]);
  const __m512i high = _mm512_packs_epi32((__m512i)q[2], (__m512i)q[3]);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
  return (I8)_mm512_max_epi8(bytes, _mm512_set1_epi8(-127));
#elif defined(HEDDLE_AVX2)
  const __m256i low = _mm256_packs_epi32((__m256i)q[0], (__m256i)q[1]);
  const __m256i high = _mm256_packs_epi32((__m256i)q[2], (__m256i)q[3]);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
  return (I8)_mm256_max_epi8(bytes, _mm256_set1_epi8(-127));
#elif defined(__x86_64__)
  const __m128i low = _mm_packs_epi32((__m128i)q[0], (__m128i)q[1]);
  const __m128i high = _mm_packs_epi32((__m128i)q[2], (__m128i)q[3]);
  return (I8)_mm_max_epi8(_mm_packs_epi16(low, high), _mm_set1_epi8(-127));
#else
  I8 bytes;
  for (std::size_t i = 0; i < kVectorBytes; ++i) {
    const std::int32_t code = q[i / kFloats][i % kFloats];
    bytes[i] = static_cast<std::int8_t>(code > 127 ? 127 : code < -127 ? -127 : code);
  }
  return bytes;
#endif
}

/// The next kFloats codes as float32.
HEDDLE_INLINE F32 codesAt(const std::int8_t* p) {
#if defined(HEDDLE_AVX512)
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(HEDDLE_AVX2)
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#elif defined(__x86_64__)
  return _mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(loadAs<std::int32_t>(p))));
#else
  return F32{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]),
             static_cast<float>(p[3])};
#endif
}

/// roundHalfEven: what stands below 1.5 * 2^23 after adding it.
HEDDLE_INLINE I32 nearestCodes(F32 v) { return (I32)(v + 12582912.0F) - 0x4b400000; }

/// floor(v) + [u < v - floor(v)].
HEDDLE_INLINE I32 stochasticCodes(F32 v, U32 words) {
  const I32 cut = __builtin_convertvector(v, I32);
  const I32 lower = cut + (I32)(__builtin_convertvector(cut, F32) > v);  // a true compare is -1
  const F32 u = __builtin_convertvector((I32)(words >> 8), F32) * 0x1p-24F;
  return lower - (I32)(u < v - __builtin_convertvector(lower, F32));
}

/// Quantizes block by block with `encode(first, count, scale)`; scale 0 gives zeros.
template <typename Encode>
HEDDLE_INLINE std::int32_t quantizeBlocks(std::int8_t* codes, float* scales, const float* x, std::size_t n,
                                          std::size_t block, Encode encode) {
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

/// An 8-bit float of the OCP formats: what takes its exponent to float32's bias, and where its specials
/// begin.
struct Float8 {
  std::uint32_t fractionBits;
  /// Bits of the smallest normal value and of the least magnitude that is no finite code any more.
  std::uint32_t smallestNormal;
  std::uint32_t overflow;
  std::uint32_t rebias;
  /// Adding it rounds to steps of the smallest subnormal.
  float subnormalStep;
  /// 2 to the power of 127 minus the bias.
  float scale;
  std::uint32_t overflowCode;
  std::uint32_t nanCode;
};
constexpr Float8 kE4m3 = {3, 0x3c800000, 0x43e80001, 120U << 23, 16384.0F, 0x1p120F, 0x7f, 0x7f};
constexpr Float8 kE5m2 = {2, 0x38800000, 0x47700000, 112U << 23, 128.0F, 0x1p112F, 0x7c, 0x7e};

HEDDLE_INLINE void encodeF8(std::uint8_t* __restrict codes, const float* __restrict x, std::size_t n,
                            const Float8& f) {
  const std::uint32_t drop = 23 - f.fractionBits;
  const std::uint32_t half = (1U << (drop - 1)) - 1;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t u = bitsOf(x[i]);
    const std::uint32_t m = u & kMagnitude;
    const std::uint32_t normal = (m + half + (m >> drop & 1) - f.rebias) >> drop;
    const std::uint32_t subnormal = bitsOf(floatOf(m) + f.subnormalStep) - bitsOf(f.subnormalStep);
    std::uint32_t code = m < f.smallestNormal ? subnormal : normal;
    code = m >= f.overflow ? f.overflowCode : code;
    code = m > kInfinity ? f.nanCode : code;
    codes[i] = static_cast<std::uint8_t>((u >> 24 & 0x80) | code);
  }
}

/// The code's bits at float32's place, multiplied: that also makes subnormals right.
HEDDLE_INLINE void decodeF8(float* __restrict x, const std::uint8_t* __restrict codes, std::size_t n,
                            const Float8& f) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t code = codes[i];
    const std::uint32_t m = code & 0x7f;
    std::uint32_t bits = bitsOf(floatOf(m << (23 - f.fractionBits)) * f.scale);
    bits = m >= f.overflowCode ? (m == f.overflowCode && f.overflowCode != f.nanCode ? kInfinity : 0x7fc00000)
                               : bits;
    x[i] = floatOf(bits | (code & 0x80) << 24);
  }
}

}  // namespace

void encodeF16(std::uint16_t* codes, const float* x, std::size_t n) {
  encodeWords(codes, x, n, halvesOf, halfOf<std::uint32_t>);
}

void decodeF16(float* x, const std::uint16_t* codes, std::size_t n) {
  decodeWords(x, codes, n, halvesAt, floatBitsOfHalf<std::uint32_t>);
}

void encodeBf16(std::uint16_t* codes, const float* x, std::size_t n) {
  encodeWords(
      codes, x, n, [](F32 low, F32 high) { return packWords(brainOf(bitsOf(low)), brainOf(bitsOf(high))); },
      brainOf<std::uint32_t>);
}

void decodeBf16(float* x, const std::uint16_t* codes, std::size_t n) {
  decodeWords(
      x, codes, n, [](const std::uint16_t* p) { return floatOf(loadWords(p) << 16); },
      [](std::uint32_t code) { return code << 16; });
}

void encodeF16Stochastic(std::uint16_t* __restrict codes, const float* __restrict x, std::size_t n,
                         std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow,
                         std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
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

void encodeBf16Stochastic(std::uint16_t* __restrict codes, const float* __restrict x, std::size_t n,
                          std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow,
                          std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
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

std::int32_t quantizeInt8(std::int8_t* __restrict codes, float* __restrict scales, const float* __restrict x,
                          std::size_t n, std::uint32_t block) {
  const bool past = shouldStream(codes, n) && isAligned(codes) && block % kVectorBytes == 0;
  const std::int32_t bad =
      quantizeBlocks(codes, scales, x, n, block, [=](std::size_t first, std::size_t count, float scale) {
        std::int8_t* const out = codes + first;
        const float* const in = x + first;
        const auto codesAt = [=](std::size_t i) {
          I32 q[4];
          for (std::size_t v = 0; v < 4; ++v) q[v] = nearestCodes(load(in + i + v * kFloats) / scale);
          return packCodes(q);
        };
        std::size_t i = 0;
        if (past)
          for (; i + kVectorBytes <= count; i += kVectorBytes) stream(out + i, codesAt(i));
        else
          for (; i + kVectorBytes <= count; i += kVectorBytes) store(out + i, codesAt(i));
        for (; i < count; ++i) out[i] = nearestCode(in[i] / scale);
      });
  if (past) streamFence();
  return bad;
}

std::int32_t quantizeInt8Stochastic(std::int8_t* __restrict codes, float* __restrict scales,
                                    const float* __restrict x, std::size_t n, std::uint32_t block,
                                    std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow,
                                    std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
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
      std::size_t j = 0;
      for (; j + kVectorBytes <= size; j += kVectorBytes) {
        I32 q[4];
        for (std::size_t v = 0; v < 4; ++v) {
          const std::size_t at = j + v * kFloats;
          q[v] = stochasticCodes(load(x + i + at) / scale, loadAs<U32>(words + skip + at));
        }
        store(codes + i + j, packCodes(q));
      }
      for (; j < size; ++j) codes[i + j] = stochasticCode(x[i + j] / scale, words[skip + j]);
      i += size;
    }
  });
}

void dequantizeInt8(float* x, const std::int8_t* codes, const float* scales, std::size_t n,
                    std::uint32_t block) {
  const bool past = shouldStream(x, n) && isAligned(x) && block % kFloats == 0;
  for (std::size_t first = 0, b = 0; first < n; first += block, ++b) {
    const std::size_t end = n - first < block ? n : first + block;
    const float scale = scales[b];
    std::size_t i = first;
    if (past)
      for (; i + kFloats <= end; i += kFloats) stream(x + i, codesAt(codes + i) * scale);
    else
      for (; i + kFloats <= end; i += kFloats) store(x + i, codesAt(codes + i) * scale);
    for (; i < end; ++i) x[i] = static_cast<float>(codes[i]) * scale;
  }
  if (past) streamFence();
}

void dequantizeAccumulateInt8(double* __restrict acc, const std::int8_t* __restrict codes,
                              const float* __restrict scales, std::size_t n, std::uint32_t block,
                              double weight) {
  for (std::size_t first = 0, b = 0; first < n; first += block, ++b) {
    const std::size_t count = n - first < block ? n - first : block;
    double* __restrict out = acc + first;
    const std::int8_t* __restrict in = codes + first;
    const float scale = scales[b];
    for (std::size_t i = 0; i < count; ++i)
      out[i] += weight * static_cast<double>(static_cast<float>(in[i]) * scale);
  }
}

void encodeF8E4m3(std::uint8_t* codes, const float* x, std::size_t n) { encodeF8(codes, x, n, kE4m3); }

void decodeF8E4m3(float* x, const std::uint8_t* codes, std::size_t n) { decodeF8(x, codes, n, kE4m3); }

void encodeF8E5m2(std::uint8_t* codes, const float* x, std::size_t n) { encodeF8(codes, x, n, kE5m2); }

void decodeF8E5m2(float* x, const std::uint8_t* codes, std::size_t n) { decodeF8(x, codes, n, kE5m2); }

}  // namespace heddle::HEDDLE_ISA
