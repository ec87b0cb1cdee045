#include "clip_factor.hpp"
#include "simd.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {

void sgdStepF32(float* w, float* velocity, const float* g, std::size_t n, float lr, float momentum,
                std::uint32_t nesterov, float weightDecay) {
  // Decay 0 must not touch w: 0 times an infinity would make a NaN, and -0 + 0 a +0.
  const bool decays = weightDecay != 0;
  if (velocity == nullptr) {
    HEDDLE_NO_CARRIED_DEPENDENCY
    for (std::size_t i = 0; i < n; ++i) {
      const float d = decays ? g[i] + weightDecay * w[i] : g[i];
      w[i] -= lr * d;
    }
    return;
  }
  HEDDLE_NO_CARRIED_DEPENDENCY
  for (std::size_t i = 0; i < n; ++i) {
    const float d = decays ? g[i] + weightDecay * w[i] : g[i];
    const float v = momentum * velocity[i] + d;
    velocity[i] = v;
    w[i] -= lr * (nesterov ? d + momentum * v : v);
  }
}

void adamStepF32(float* w, float* m, float* v, const float* g, std::size_t n, float lr, float beta1,
                 float beta2, float epsilon, float weightDecay, double beta1Power, double beta2Power) {
  const bool decays = weightDecay != 0;
  const float rest1 = 1.0f - beta1;
  const float rest2 = 1.0f - beta2;
  const float rate = static_cast<float>(static_cast<double>(lr) / (1.0 - beta1Power));
  const float root = static_cast<float>(__builtin_sqrt(1.0 - beta2Power));
  HEDDLE_NO_CARRIED_DEPENDENCY
  for (std::size_t i = 0; i < n; ++i) {
    const float d = decays ? g[i] + weightDecay * w[i] : g[i];
    const float first = beta1 * m[i] + rest1 * d;
    const float second = beta2 * v[i] + rest2 * (d * d);
    m[i] = first;
    v[i] = second;
    w[i] -= rate * (first / (__builtin_sqrtf(second) / root + epsilon));
  }
}

void addAffineTermF32(float* g, const float* w, const float* center, const float* v, std::size_t n, float a) {
  const bool centered = center != nullptr;
  const bool shifted = v != nullptr;
  HEDDLE_NO_CARRIED_DEPENDENCY
  for (std::size_t i = 0; i < n; ++i) {
    float term = a * (centered ? w[i] - center[i] : w[i]);
    if (shifted) term += v[i];
    g[i] += term;
  }
}

void addAffineVectorF32(float* g, const float* a, const float* w, const float* center, std::size_t n) {
  HEDDLE_NO_CARRIED_DEPENDENCY
  for (std::size_t i = 0; i < n; ++i) g[i] += a[i] * (w[i] - center[i]);
}

void clipByNormF32(float* x, const double* norm2, std::size_t n, double maxNorm) {
  const double norm = __builtin_sqrt(norm2[0]);
  const float factor = clipFactor(norm < 1e-6 ? 1e-6 : norm, maxNorm);
  for (std::size_t i = 0; i < n; ++i) x[i] *= factor;
}

}  // namespace heddle::HEDDLE_ISA
