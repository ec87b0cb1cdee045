#include "clip_factor.hpp"
#include "lanes.hpp"
#include "map.hpp"
#include "sums.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

/// dst[i] = float32 of vector(i), which gives kDoubles float64 at a time; scalar(i) gives one.
template <typename Vector, typename Scalar>
HEDDLE_INLINE void produce(float* dst, std::size_t n, Vector vector, Scalar scalar) {
  std::size_t i = 0;
  const auto whole = [&](std::size_t at) {
    const F32Half halves[2] = {narrow(vector(at)), narrow(vector(at + kDoubles))};
    return __builtin_bit_cast(F32, halves);
  };
  if (shouldStream(dst, n)) {
    for (; !isAligned(dst + i); ++i) dst[i] = static_cast<float>(scalar(i));
    for (; i + kFloats <= n; i += kFloats) stream(dst + i, whole(i));
    streamFence();
  } else {
    for (; i + kFloats <= n; i += kFloats) store(dst + i, whole(i));
  }
  for (; i < n; ++i) dst[i] = static_cast<float>(scalar(i));
}

}  // namespace

double clipInPlaceF32(float* x, std::size_t n, double maxNorm) {
  const double norm = __builtin_sqrt(sumOfSquares(x, n));
  if (!__builtin_isfinite(norm)) return norm;
  const float factor = clipFactor(norm, maxNorm);
  if (factor != 1) map(x, n, [=](auto v) { return v * factor; }, x);
  return norm;
}

double clipAccumulateF64(double* acc, const float* x, std::size_t n, double maxNorm, double weight) {
  const double norm = __builtin_sqrt(sumOfSquares(x, n));
  if (!__builtin_isfinite(norm)) return norm;
  const float factor = clipFactor(norm, maxNorm);
  std::size_t i = 0;
  for (; i + kDoubles <= n; i += kDoubles)
    store(acc + i, load(acc + i) + weight * widen(loadHalf(x + i) * factor));
  for (; i < n; ++i) acc[i] += weight * static_cast<double>(x[i] * factor);
  return norm;
}

void accumulateF64(double* acc, const float* x, std::size_t n, double weight) {
  accumulate(acc, n, [=](auto sum, auto v) { return sum + weight * v; }, x);
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
      dst, n, [=](std::size_t i) { return load(acc + i) / denominator; },
      [=](std::size_t i) { return acc[i] / denominator; });
}

void meanOfHoldersF32(float* dst, const double* acc, const double* counts, std::size_t n, double minCount) {
  for (std::size_t i = 0; i < n; ++i) {
    const float mean = static_cast<float>(acc[i] / counts[i]);
    dst[i] = counts[i] > 0 && counts[i] >= minCount ? mean : 0.0F;
  }
}

void weightedSumF32(float* dst, const float* const* sources, const double* weights, std::size_t n, std::size_t lists) {
  produce(
      dst, n,
      [=](std::size_t i) {
        F64 sum = {};
        for (std::size_t k = 0; k < lists; ++k) sum += weights[k] * loadF64(sources[k] + i);
        return sum;
      },
      [=](std::size_t i) {
        double sum = 0;
        for (std::size_t k = 0; k < lists; ++k) sum += weights[k] * static_cast<double>(sources[k][i]);
        return sum;
      });
}

}  // namespace heddle::HEDDLE_ISA
