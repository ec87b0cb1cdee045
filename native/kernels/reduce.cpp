#include "lanes.hpp"
#include "sums.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::int32_t kMagnitude = 0x7fffffff;
constexpr std::int32_t kInfinity = 0x7f800000;

/// a*b, a*a and b*b of [begin, end) to the three sets of lanes, in one pass.
HEDDLE_INLINE void addProducts(Lanes (&lanes)[3], const float* a, const float* b, std::size_t begin,
                               std::size_t end) {
  constexpr std::size_t count = kLanes / kDoubles;
  Lanes ab = lanes[0];
  Lanes aa = lanes[1];
  Lanes bb = lanes[2];
  std::size_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    prefetchAhead(a + i);
    prefetchAhead(b + i);
    for (std::size_t v = 0; v < count; ++v) {
      const F64 u = loadF64(a + i + v * kDoubles);
      const F64 w = loadF64(b + i + v * kDoubles);
      ab.vectors[v] += u * w;
      aa.vectors[v] += u * u;
      bb.vectors[v] += w * w;
    }
  }
  ab.add(
      i, end, [](auto u, auto w) { return u * w; }, a, b);
  aa.add(
      i, end, [](auto u) { return u * u; }, a);
  bb.add(
      i, end, [](auto u) { return u * u; }, b);
  lanes[0] = ab;
  lanes[1] = aa;
  lanes[2] = bb;
}

}  // namespace

double dotF32(const float* a, const float* b, std::size_t n) {
  return sumTerms(
      n, [](auto u, auto v) { return u * v; }, a, b);
}

double sumSquaresF32(const float* x, std::size_t n) { return sumOfSquares(x, n); }

float maxAbsF32(const float* x, std::size_t n) {
  constexpr std::size_t kChains = 4;
  const auto magnitude = [](F32 v) { return (F32)(bitsOf(v) & std::uint32_t{kMagnitude}); };
  F32 largest[kChains] = {};
  std::size_t i = 0;
  for (; i + kChains * kFloats <= n; i += kChains * kFloats)
    for (std::size_t c = 0; c < kChains; ++c) {
      prefetchAhead(x + i + c * kFloats);
      const F32 v = magnitude(load(x + i + c * kFloats));
      largest[c] = larger(v, largest[c]);
    }
  float result = 0;
  for (const F32& chain : largest)
    for (std::size_t lane = 0; lane < kFloats; ++lane) result = chain[lane] > result ? chain[lane] : result;
  for (; i < n; ++i) {
    const float v = floatOf(bitsOf(x[i]) & std::uint32_t{kMagnitude});
    result = v > result ? v : result;
  }
  return result;
}

std::uint32_t allFiniteF32(const float* x, std::size_t n) {
  // The largest magnitude as an integer tells; looked at once in a while, so that a bad vector is left early.
  constexpr std::size_t kChains = 4;
  constexpr std::size_t kStep = kChains * kFloats;
  constexpr std::size_t kChunk = 4096;
  std::size_t i = 0;
  while (i + kStep <= n) {
    const std::size_t end = n - i < kChunk ? n : i + kChunk;
    I32 largest[kChains] = {};
    for (; i + kStep <= end; i += kStep)
      for (std::size_t c = 0; c < kChains; ++c) {
        prefetchAhead(x + i + c * kFloats);
        const I32 v = loadAs<I32>(x + i + c * kFloats) & kMagnitude;
        largest[c] = larger(v, largest[c]);
      }
    for (const I32& chain : largest)
      for (std::size_t lane = 0; lane < kFloats; ++lane)
        if (chain[lane] >= kInfinity) return 0;
  }
  for (; i < n; ++i)
    if ((bitsOf(x[i]) & std::uint32_t{kMagnitude}) >= std::uint32_t{kInfinity}) return 0;
  return 1;
}

void dotAndNormsF32(double* out, const float* a, const float* b, std::size_t n) {
  // Three sets of lanes do not fit the 16 registers of 128 bits: there each sum passes over a chunk that
  // stays in L1.
  constexpr std::size_t kChunk = kVectorBytes == 16 ? 2048 : kBlock;
  double totals[3] = {};
  for (std::size_t start = 0; start < n; start += kBlock) {
    Lanes lanes[3];
    const std::size_t blockEnd = n - start < kBlock ? n : start + kBlock;
    for (std::size_t i = start; i < blockEnd; i += kChunk) {
      const std::size_t end = blockEnd - i < kChunk ? blockEnd : i + kChunk;
      if constexpr (kVectorBytes == 16) {
        lanes[0].add(
            i, end, [](auto u, auto v) { return u * v; }, a, b);
        lanes[1].add(
            i, end, [](auto u) { return u * u; }, a);
        lanes[2].add(
            i, end, [](auto u) { return u * u; }, b);
      } else {
        addProducts(lanes, a, b, i, end);
      }
    }
    for (std::size_t sum = 0; sum < 3; ++sum) totals[sum] += lanes[sum].total();
  }
  for (std::size_t sum = 0; sum < 3; ++sum) out[sum] = totals[sum];
}

void sumSegmentsF32(double* out, const float* x, const std::uint32_t* offsets, std::size_t segments,
                    std::size_t) {
  for (std::size_t s = 0; s < segments; ++s)
    out[s] = sumTerms(
        offsets[s + 1] - offsets[s], [](auto v) { return v; }, x + offsets[s]);
}

void sumSquaresRowsF32(double* out, const float* x, std::size_t rows, std::uint32_t cols) {
  for (std::size_t r = 0; r < rows; ++r) out[r] += sumOfSquares(x + r * cols, cols);
}

}  // namespace heddle::HEDDLE_ISA
