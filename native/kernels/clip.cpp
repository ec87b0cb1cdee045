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
  produce(
      dst, n,
      [=](std::size_t i, F64(&sums)[4]) {
        for (F64& sum : sums) sum = F64{};
        for (std::size_t k = 0; k < lists; ++k)
          for (std::size_t v = 0; v < 4; ++v) sums[v] += weights[k] * loadF64(sources[k] + i + v * kDoubles);
      },
      [=](std::size_t i) {
        double sum = 0;
        for (std::size_t k = 0; k < lists; ++k) sum += weights[k] * static_cast<double>(sources[k][i]);
        return sum;
      });
}

}  // namespace heddle::HEDDLE_ISA
