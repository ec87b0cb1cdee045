#include "elementary.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::size_t kSumLanes = 16;

// Largest logit; a NaN never wins. + 0 turns -0 into +0, so that the order of two zeros does not show.
float rowMax(const float* z, std::size_t cols) {
  float max = -kInfinity;
  std::size_t j = 0;
  if (cols >= kWidth) {
    Vec lanes = splat(-kInfinity);
    for (; j + kWidth <= cols; j += kWidth) {
      const Vec v = load(z + j);
      lanes = v > lanes ? v : lanes;
    }
    for (int lane = 0; lane < kWidth; ++lane) max = lanes[lane] > max ? lanes[lane] : max;
  }
  for (; j < cols; ++j) max = z[j] > max ? z[j] : max;
  return max + 0.0f;
}

// Sum of exp(z - max) in 16 float64 lanes and a halving tree. Where `e` is not null, the exponentials are
// kept.
double sumOfExp(float* e, const float* z, std::size_t cols, float max) {
  double lanes[kSumLanes] = {};
  for (std::size_t start = 0; start < cols; start += kSumLanes) {
    const std::size_t count = cols - start < kSumLanes ? cols - start : kSumLanes;
    alignas(64) float group[kSumLanes] = {};
    for (std::size_t i = 0; i < count; i += kWidth) {
      const std::size_t part = count - i < kWidth ? count - i : kWidth;
      storePart(group + i, expOf(loadPart(z + start + i, part) - max), part);
    }
    for (std::size_t lane = 0; lane < kSumLanes; ++lane) lanes[lane] += static_cast<double>(group[lane]);
    if (e != nullptr)
      for (std::size_t i = 0; i < count; ++i) e[start + i] = group[i];
  }
  for (std::size_t half = kSumLanes / 2; half > 0; half /= 2)
    for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

}  // namespace

void softmaxF32(float* p, const float* z, std::size_t rows, std::uint32_t cols) {
  for (std::size_t r = 0; r < rows; ++r, p += cols, z += cols) {
    const float inverse = static_cast<float>(1.0 / sumOfExp(p, z, cols, rowMax(z, cols)));
    for (std::size_t j = 0; j < cols; ++j) p[j] *= inverse;
  }
}

void logSoftmaxF32(float* logp, const float* z, std::size_t rows, std::uint32_t cols) {
  for (std::size_t r = 0; r < rows; ++r, logp += cols, z += cols) {
    const float max = rowMax(z, cols);
    const float logSum = logScalar(static_cast<float>(sumOfExp(nullptr, z, cols, max)));
    for (std::size_t j = 0; j < cols; ++j) logp[j] = (z[j] - max) - logSum;
  }
}

void softmaxCrossEntropyF32(float* loss, float* delta, const float* z, const std::int32_t* labels,
                            std::size_t rows, std::uint32_t cols, float scale) {
  for (std::size_t r = 0; r < rows; ++r, z += cols) {
    const float max = rowMax(z, cols);
    const double sum = sumOfExp(delta, z, cols, max);
    const std::int32_t label = labels[r];
    loss[r] = logScalar(static_cast<float>(sum)) - (z[label] - max);
    if (delta == nullptr) continue;
    const float inverse = static_cast<float>(1.0 / sum);
    const float hit = (delta[label] * inverse - 1.0f) * scale;
    for (std::size_t j = 0; j < cols; ++j) delta[j] = delta[j] * inverse * scale;
    delta[label] = hit;
    delta += cols;
  }
}

void countCorrectF32(double* totals, const float* loss, const float* z, const std::int32_t* labels,
                     std::size_t rows, std::uint32_t cols) {
  double sum = 0;
  double correct = 0;
  for (std::size_t r = 0; r < rows; ++r, z += cols) {
    std::int32_t best = -1;
    float max = -kInfinity;
    for (std::size_t j = 0; j < cols; ++j) {
      const bool wins = z[j] > max;
      best = wins ? static_cast<std::int32_t>(j) : best;
      max = wins ? z[j] : max;
    }
    sum += static_cast<double>(loss[r]);
    correct += best == labels[r];
  }
  totals[0] += sum;
  totals[1] += correct;
  totals[2] += static_cast<double>(rows);
}

}  // namespace heddle::HEDDLE_ISA
