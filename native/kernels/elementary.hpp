// exp, log, tanh and the logistic function on vectors: the float32 steps of
// src/kernels/reference/elementary.ts, which has the sources and the error bounds.
#pragma once
#include "simd.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();

HEDDLE_INLINE Vec expOf(Vec x) {
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  Vec c = x < -104.0f ? splat(-104.0f) : x;
  c = c > 89.0f ? splat(89.0f) : c;
  const Vec shifted = c * 1.44269504088896341f + 12582912.0f;
  const Vec n = shifted - 12582912.0f;
  const Vec r = (c - n * kLn2High) - n * kLn2Low;
  Vec p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * (r * r) + r) + 1.0f;
  const Int exponent = reinterpret_cast<Int>(shifted) - 0x4b400000;
  const Int half = exponent >> 1;
  return (p * reinterpret_cast<Vec>((half + 127) << 23)) *
         reinterpret_cast<Vec>((exponent - half + 127) << 23);
}

HEDDLE_INLINE Vec logOf(Vec x) {
  const Int tiny = x < 1.1754943508222875e-38f;
  const Int pattern = reinterpret_cast<Int>(tiny ? x * 8388608.0f : x);
  const Int exponent = (pattern - 0x3f3504f3) >> 23;
  const Vec e = __builtin_convertvector(tiny ? exponent - 23 : exponent, Vec);
  const Vec m = reinterpret_cast<Vec>(pattern - (exponent << 23)) - 1.0f;
  const Vec z = m * m;
  Vec p = splat(7.0376836292e-2f);
  p = p * m + -1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m + -1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m + -1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m + -2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  Vec y = (p * m) * z;
  y = y + e * -2.12194440e-4f;
  y = y - z * 0.5f;
  y = (m + y) + e * 0.693359375f;
  y = x == kInfinity ? x : y;
  y = x == 0.0f ? splat(-kInfinity) : y;
  return x >= 0.0f ? y : splat(__builtin_nanf(""));
}

HEDDLE_INLINE Vec tanhOf(Vec x) {
  const Int sign = reinterpret_cast<Int>(x) & splatInt(INT32_MIN);
  const Vec a = reinterpret_cast<Vec>(reinterpret_cast<Int>(x) & 0x7fffffff);
  const Vec z = a * a;
  Vec p = splat(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  const Vec small = (p * z) * a + a;
  const Vec large = 1.0f - 2.0f / (expOf(a + a) + 1.0f);
  const Vec y = a < 0.625f ? small : large;
  return reinterpret_cast<Vec>(reinterpret_cast<Int>(y) | sign);
}

HEDDLE_INLINE Vec sigmoidOf(Vec x) {
  const Vec e = expOf(reinterpret_cast<Vec>(reinterpret_cast<Int>(x) | splatInt(INT32_MIN)));
  return (x < 0.0f ? e : splat(1.0f)) / (1.0f + e);
}

HEDDLE_INLINE Vec reluOf(Vec x) { return x < 0.0f ? Vec{} : x; }

// The activation applied in a store: 0 none, 1 relu, 2 tanh, 3 sigmoid.
inline Vec activate(std::uint32_t code, Vec x) {
  if (code == 1) return reluOf(x);
  if (code == 2) return tanhOf(x);
  return code == 3 ? sigmoidOf(x) : x;
}

HEDDLE_INLINE float logScalar(float x) { return logOf(splat(x))[0]; }

}  // namespace
}  // namespace heddle::HEDDLE_ISA
