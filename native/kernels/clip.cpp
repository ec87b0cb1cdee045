#include "clip_factor.hpp"
#include "lanes.hpp"
#include "map.hpp"
#include "sums.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {

double clipInPlaceF32(float* x, std::size_t n, double maxNorm) {
  const double norm = __builtin_sqrt(sumOfSquares(x, n));
  if (!__builtin_isfinite(norm)) return norm;
  const float factor = clipFactor(norm, maxNorm);
  if (factor != 1)
    map(
        x, n, [=](auto v) { return v * factor; }, x);
  return norm;
}

double clipAccumulateF64(double* acc, const float* x, std::size_t n, double maxNorm, double weight) {
  const double norm = __builtin_sqrt(sumOfSquares(x, n));
  if (!__builtin_isfinite(norm)) return norm;
  const float factor = clipFactor(norm, maxNorm);
  std::size_t i = 0;
  for (; i + kFloats <= n; i += kFloats) {
    F64 low;
    F64 high;
    widen(load(x + i) * factor, low, high);
    store(acc + i, load(acc + i) + weight * low);
    store(acc + i + kDoubles, load(acc + i + kDoubles) + weight * high);
  }
  for (; i < n; ++i) acc[i] += weight * static_cast<double>(x[i] * factor);
  return norm;
}

void accumulateF64(double* acc, const float* x, std::size_t n, double weight) {
  accumulate(
      acc, n, [=](auto sum, auto v) { return sum + weight * v; }, x);
}

void maskedAccumulateF64(double* __restrict acc, double* __restrict counts, const float* __restrict x,
                         const std::uint8_t* __restrict mask, std::size_t n, double weight) {
  for (std::size_t i = 0; i < n; ++i) {
    const double sum = acc[i] + weight * static_cast<double>(x[i]);
    const double count = counts[i] + weight;
    acc[i] = mask[i] != 0 ? sum : acc[i];
    counts[i] = mask[i] != 0 ? count : counts[i];
  }
}

void meanF32(float* dst, const double* acc, std::size_t n, double denominator) {
  produce(
      dst, n,
      [=](std::size_t i, F64(&values)[4]) {
        for (std::size_t v = 0; v < 4; ++v) values[v] = load(acc + i + v * kDoubles) / denominator;
      },
      [=](std::size_t i) { return acc[i] / denominator; });
}

void meanOfHoldersF32(float* dst, const double* acc, const double* counts, std::size_t n, double minCount) {
  // The division by a count of 0 is made and dropped.
  produce(
      dst, n,
      [=](std::size_t i, F64(&values)[4]) {
        for (std::size_t v = 0; v < 4; ++v) {
          const F64 count = load(counts + i + v * kDoubles);
          const F64 mean = load(acc + i + v * kDoubles) / count;
          values[v] = (count > 0.0) & (count >= minCount) ? mean : F64{};
        }
      },
      [=](std::size_t i) { return counts[i] > 0 && counts[i] >= minCount ? acc[i] / counts[i] : 0.0; });
}

void weightedSumF32(float* dst, const float* const* sources, const double* weights, std::size_t n,
                    std::size_t lists) {
  if (lists == 0) {
    for (std::size_t i = 0; i < n; ++i) dst[i] = 0;
    return;
  }
  // Source by source over a piece whose sums stay in L1: reading all sources side by side keeps too many
  // streams open.
  constexpr std::size_t kPiece = 512;
  alignas(64) double sums[kPiece];
  const bool past = shouldStream(dst, n) && isAligned(dst);
  for (std::size_t first = 0; first < n; first += kPiece) {
    const std::size_t count = n - first < kPiece ? n - first : kPiece;
    // The sum from +0, written out: GCC makes a call to memset of a loop of zeros, which costs as much as two
    // sources.
    const double w0 = weights[0];
    const float* const source = sources[0] + first;
    std::size_t z = 0;
    for (; z + kDoubles <= count; z += kDoubles) store(sums + z, 0.0 + w0 * loadF64(source + z));
    for (; z < count; ++z) sums[z] = 0.0 + w0 * static_cast<double>(source[z]);
    std::size_t k = 1;
    for (; k + 2 <= lists; k += 2) {
      const double w = weights[k];
      const double v = weights[k + 1];
      accumulate(
          sums, count, [=](auto sum, auto a, auto b) { return sum + w * a + v * b; }, sources[k] + first,
          sources[k + 1] + first);
    }
    if (k < lists) {
      const double w = weights[k];
      accumulate(
          sums, count, [=](auto sum, auto a) { return sum + w * a; }, sources[k] + first);
    }
    float* const out = dst + first;
    std::size_t i = 0;
    for (; i + kFloats <= count; i += kFloats) {
      const F32 rounded = narrow(load(sums + i), load(sums + i + kDoubles));
      past ? stream(out + i, rounded) : store(out + i, rounded);
    }
    for (; i < count; ++i) out[i] = static_cast<float>(sums[i]);
  }
  if (past) streamFence();
}

}  // namespace heddle::HEDDLE_ISA
