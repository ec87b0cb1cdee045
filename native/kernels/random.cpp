#include "lanes.hpp"
#include "normal.hpp"
#include "philox.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

/// Stores batch vectors of `make(i, batch)` to out[0 .. n).
template <typename Element, typename Make>
HEDDLE_INLINE void fillBatches(Element* out, std::size_t n, Make make) {
  std::size_t i = 0;
  const std::size_t body = n - n % kBatch;
  if (shouldStream(out, n) && isAligned(out)) {
    for (; i < body; i += kBatch) {
      const auto batch = make(i);
      for (std::size_t j = 0; j < 4; ++j) stream(out + i + j * kFloats, batch.v[j]);
    }
    streamFence();
  } else {
    for (; i < body; i += kBatch) {
      const auto batch = make(i);
      for (std::size_t j = 0; j < 4; ++j) store(out + i + j * kFloats, batch.v[j]);
    }
  }
  if (i == n) return;
  Element rest[kBatch];
  const auto batch = make(i);
  for (std::size_t j = 0; j < 4; ++j) store(rest + j * kFloats, batch.v[j]);
  for (std::size_t j = 0; i < n; ++i, ++j) out[i] = rest[j];
}

template <typename Vector>
struct Batch {
  Vector v[4];
};

}  // namespace

void randomBitsU32(std::uint32_t* out, std::size_t n, std::uint32_t key0, std::uint32_t key1,
                   std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  fillBatches(out, n, [&](std::size_t i) {
    Words words = philoxBlocks(stream, stream.block + i / 4);
    interleave(words.w);
    return Batch<U32>{{words.w[0], words.w[1], words.w[2], words.w[3]}};
  });
}

void uniformF32(float* out, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow,
                std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  fillBatches(out, n, [&](std::size_t i) {
    Words words = philoxBlocks(stream, stream.block + i / 4);
    interleave(words.w);
    Batch<F32> batch;
    for (std::size_t j = 0; j < 4; ++j)
      batch.v[j] = __builtin_convertvector((I32)(words.w[j] >> 8), F32) * 0x1p-24F;
    return batch;
  });
}

void normalF32(float* out, std::size_t n, float stddev, std::uint32_t key0, std::uint32_t key1,
               std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  fillBatches(out, n, [&](std::size_t i) {
    Batch<F32> batch;
    normalBatch(batch.v, stream, i, stddev);
    return batch;
  });
}

void addNormalF32(float* x, std::size_t n, float stddev, std::uint32_t key0, std::uint32_t key1,
                  std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  F32 z[4];
  std::size_t i = 0;
  for (; i + kBatch <= n; i += kBatch) {
    normalBatch(z, stream, i, stddev);
    for (std::size_t j = 0; j < 4; ++j) store(x + i + j * kFloats, load(x + i + j * kFloats) + z[j]);
  }
  if (i == n) return;
  float rest[kBatch];
  normalBatch(z, stream, i, stddev);
  __builtin_memcpy(rest, z, sizeof rest);
  for (std::size_t j = 0; i < n; ++i, ++j) x[i] += rest[j];
}

void normalF64(double* out, std::size_t n, double stddev, std::uint32_t key0, std::uint32_t key1,
               std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  // Lane 2L + j holds block j * kDoubles / 2 + L: pairing the low and the high lanes of every 128 bits then
  // gives order.
  U64 offsets;
  for (std::size_t q = 0; q < kDoubles; ++q) offsets[q] = (q & 1) * (kDoubles / 2) + (q >> 1);
  constexpr std::size_t kStep = 2 * kDoubles;
  for (std::size_t i = 0; i < n; i += kStep) {
    const U64 block = offsets + (stream.block + i / 2);
    F64 cosines;
    F64 sines;
    normalPairsF64(philoxWide(stream, block, block >> 32), cosines, sines);
    cosines *= stddev;
    sines *= stddev;
    double rest[kStep];
    for (std::size_t q = 0; q < kDoubles; ++q) {
      const std::size_t at = 2 * ((q & 1) * (kDoubles / 2) + (q >> 1));
      rest[at] = cosines[q];
      rest[at + 1] = sines[q];
    }
    if (i + kStep <= n)
      __builtin_memcpy(out + i, rest, sizeof rest);
    else
      for (std::size_t j = 0; i + j < n; ++j) out[i + j] = rest[j];
  }
}

void bernoulliU8(std::uint8_t* __restrict out, std::size_t n, double probability, std::uint32_t key0,
                 std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step,
                 std::uint32_t site) {
  if (!(probability > 0) || probability >= 1) {
    for (std::size_t i = 0; i < n; ++i) out[i] = probability >= 1;
    return;
  }
  const std::uint32_t threshold = static_cast<std::uint32_t>(probability * 0x1p32);
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  forEachPiece(stream, n, [=](std::size_t first, std::size_t count, const std::uint32_t* words) {
    for (std::size_t i = 0; i < count; ++i) out[first + i] = words[i] < threshold;
  });
}

// Fisher-Yates from the last index down with Lemire's bounded integers: docs in
// src/kernels/reference/permutation.ts.
void permutationU32(std::uint32_t* out, std::size_t n, std::uint32_t key0, std::uint32_t key1,
                    std::uint32_t step, std::uint32_t site) {
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::uint32_t>(i);
  const Stream stream(key0, key1, 0, 0, step, site);
  constexpr std::size_t kDraws = 64;
  std::uint64_t firstWords[kDraws];
  std::uint32_t targets[kDraws];
  for (std::size_t top = n; top > 1;) {
    // Draws i = top - 1 down to top - kDraws; their targets do not depend on the swaps, so they are fetched
    // ahead.
    const std::size_t count = top - 1 < kDraws ? top - 1 : kDraws;
    U64 index;
    for (std::size_t q = 0; q < kDoubles; ++q) index[q] = top - 1 - q;
    for (std::size_t d = 0; d < count; d += kDoubles, index -= kDoubles)
      store(firstWords + d, philoxWide(stream, U64{}, index).w0);
    for (std::size_t d = 0; d < count; ++d) {
      const std::uint32_t i = static_cast<std::uint32_t>(top - 1 - d);
      const std::uint32_t bound = i + 1;
      std::uint64_t product = std::uint64_t{static_cast<std::uint32_t>(firstWords[d])} * bound;
      if (static_cast<std::uint32_t>(product) < bound) {
        const std::uint32_t threshold = -bound % bound;
        for (std::uint32_t attempt = 1; static_cast<std::uint32_t>(product) < threshold; ++attempt)
          product = std::uint64_t{philoxWord0(stream, attempt, i)} * bound;
      }
      targets[d] = static_cast<std::uint32_t>(product >> 32);
      __builtin_prefetch(out + targets[d], 1);
    }
    for (std::size_t d = 0; d < count; ++d) {
      const std::size_t i = top - 1 - d;
      const std::uint32_t held = out[i];
      out[i] = out[targets[d]];
      out[targets[d]] = held;
    }
    top -= count;
  }
}

}  // namespace heddle::HEDDLE_ISA
