// Philox4x32-10 (Salmon et al. 2011) on vectors: one block a 64-bit lane. A 64-bit product of a lane's low
// half is then one instruction, and what stands in the high half of the other words does no harm: nobody
// reads it.
#pragma once
#include "lanes.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::uint32_t kMul0 = 0xd2511f53;
constexpr std::uint32_t kMul1 = 0xcd9e8d57;
constexpr std::uint32_t kWeyl0 = 0x9e3779b9;
constexpr std::uint32_t kWeyl1 = 0xbb67ae85;
constexpr int kRounds = 10;

/// (a mod 2^32) * m in every lane.
HEDDLE_INLINE U64 multiplyLow(U64 a, std::uint32_t m) {
#if defined(HEDDLE_AVX512)
  return (U64)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(m));
#elif defined(HEDDLE_AVX2)
  return (U64)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(m));
#elif defined(__x86_64__)
  return (U64)_mm_mul_epu32((__m128i)a, _mm_set1_epi64x(m));
#elif defined(__aarch64__)
  return (U64)vmull_u32(vmovn_u64((uint64x2_t)a), vdup_n_u32(m));
#else
  return (a & 0xffffffff) * m;
#endif
}

/// Where a stream of blocks lies, with the keys of all rounds.
struct Stream {
  std::uint64_t block;
  std::uint32_t step;
  std::uint32_t site;
  std::uint32_t keys0[kRounds];
  std::uint32_t keys1[kRounds];

  HEDDLE_INLINE Stream(std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow,
                       std::uint32_t blockHigh, std::uint32_t step_, std::uint32_t site_)
      : block(std::uint64_t{blockHigh} << 32 | blockLow), step(step_), site(site_) {
    for (int round = 0; round < kRounds; ++round) {
      keys0[round] = key0 + static_cast<std::uint32_t>(round) * kWeyl0;
      keys1[round] = key1 + static_cast<std::uint32_t>(round) * kWeyl1;
    }
  }
};

/// Four words in the low half of each lane.
struct WideWords {
  U64 w0, w1, w2, w3;
};

/// Blocks at counters (low halves of c0, c1, step, site).
HEDDLE_INLINE WideWords philoxWide(const Stream& stream, U64 c0, U64 c1) {
  U64 x0 = c0;
  U64 x1 = c1;
  U64 x2 = U64{} + stream.step;
  U64 x3 = U64{} + stream.site;
  for (int round = 0; round < kRounds; ++round) {
    const U64 product0 = multiplyLow(x0, kMul0);
    const U64 product1 = multiplyLow(x2, kMul1);
    x0 = (product1 >> 32) ^ x1 ^ std::uint64_t{stream.keys0[round]};
    x1 = product1;
    x2 = (product0 >> 32) ^ x3 ^ std::uint64_t{stream.keys1[round]};
    x3 = product0;
  }
  return {x0, x1, x2, x3};
}

/// One block, word 0 only: for draws that consume a variable number of blocks.
HEDDLE_INLINE std::uint32_t philoxWord0(const Stream& stream, std::uint32_t c0, std::uint32_t c1) {
  std::uint32_t x0 = c0;
  std::uint32_t x1 = c1;
  std::uint32_t x2 = stream.step;
  std::uint32_t x3 = stream.site;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{x0} * kMul0;
    const std::uint64_t product1 = std::uint64_t{x2} * kMul1;
    x0 = static_cast<std::uint32_t>(product1 >> 32) ^ x1 ^ stream.keys0[round];
    x1 = static_cast<std::uint32_t>(product1);
    x2 = static_cast<std::uint32_t>(product0 >> 32) ^ x3 ^ stream.keys1[round];
    x3 = static_cast<std::uint32_t>(product0);
  }
  return x0;
}

/// kFloats blocks as four vectors of 32-bit words. Lane 4L + j holds block j * kRows + L, so that transposing
/// 4 x 4 inside every 128 bits (`interleave`) leaves vector j with blocks j * kRows, j * kRows + 1, ... in
/// order.
constexpr std::size_t kRows = kFloats / 4;
struct Words {
  U32 w[4];
};

HEDDLE_INLINE Words philoxBlocks(const Stream& stream, std::uint64_t first) {
  U64 even;
  for (std::size_t q = 0; q < kDoubles; ++q) even[q] = 2 * (q & 1) * kRows + (q >> 1);
  even += first;
  const U64 odd = even + kRows;
  const WideWords a = philoxWide(stream, even, even >> 32);
  const WideWords b = philoxWide(stream, odd, odd >> 32);
  const auto merge = [](U64 low, U64 high) { return (U32)((low & 0xffffffff) | (high << 32)); };
  return {{merge(a.w0, b.w0), merge(a.w1, b.w1), merge(a.w2, b.w2), merge(a.w3, b.w3)}};
}

#if defined(HEDDLE_AVX512)
#define HEDDLE_SHUFFLE(a, b, i, j, k, l)                                                                    \
  __builtin_shufflevector(a, b, i, j, k, l, i + 4, j + 4, k + 4, l + 4, i + 8, j + 8, k + 8, l + 8, i + 12, \
                          j + 12, k + 12, l + 12)
#elif defined(HEDDLE_AVX2)
#define HEDDLE_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l, i + 4, j + 4, k + 4, l + 4)
#else
#define HEDDLE_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#endif

/// Transposes 4 x 4 elements inside every 128 bits: v[j] becomes what belongs at element j * kFloats of the
/// batch.
template <typename Vector>
HEDDLE_INLINE void interleave(Vector (&v)[4]) {
  constexpr int n = static_cast<int>(kFloats);
  const Vector low01 = HEDDLE_SHUFFLE(v[0], v[1], 0, n, 1, n + 1);
  const Vector high01 = HEDDLE_SHUFFLE(v[0], v[1], 2, n + 2, 3, n + 3);
  const Vector low23 = HEDDLE_SHUFFLE(v[2], v[3], 0, n, 1, n + 1);
  const Vector high23 = HEDDLE_SHUFFLE(v[2], v[3], 2, n + 2, 3, n + 3);
  v[0] = HEDDLE_SHUFFLE(low01, low23, 0, 1, n, n + 1);
  v[1] = HEDDLE_SHUFFLE(low01, low23, 2, 3, n + 2, n + 3);
  v[2] = HEDDLE_SHUFFLE(high01, high23, 0, 1, n, n + 1);
  v[3] = HEDDLE_SHUFFLE(high01, high23, 2, 3, n + 2, n + 3);
}
#undef HEDDLE_SHUFFLE

/// Elements in one batch of kFloats blocks.
constexpr std::size_t kBatch = 4 * kFloats;

/// Words of elements [from, from + count) of the stream, `from` a multiple of 4; writes whole batches, so
/// `out` has room for count rounded up to a multiple of kBatch.
HEDDLE_INLINE void fillWords(std::uint32_t* out, const Stream& stream, std::size_t from, std::size_t count) {
  for (std::size_t i = 0; i < count; i += kBatch) {
    Words words = philoxBlocks(stream, stream.block + (from + i) / 4);
    interleave(words.w);
    for (std::size_t j = 0; j < 4; ++j) store(out + i + j * kFloats, words.w[j]);
  }
}

/// Calls use(first, count, words) for consecutive pieces of [0, n), with the words of those elements.
template <typename Use>
HEDDLE_INLINE void forEachPiece(const Stream& stream, std::size_t n, Use use) {
  constexpr std::size_t kPiece = 1024;
  std::uint32_t words[kPiece];
  for (std::size_t first = 0; first < n; first += kPiece) {
    const std::size_t count = n - first < kPiece ? n - first : kPiece;
    fillWords(words, stream, first, count);
    use(first, count, static_cast<const std::uint32_t*>(words));
  }
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
