#include "lanes.hpp"
#include "map.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

template <typename Element>
HEDDLE_INLINE void fill(Element* dst, std::size_t n, Element value) {
  constexpr std::size_t kStep = kVectorBytes / sizeof(Element);
  const auto vector = splat(value);
  std::size_t i = 0;
  if (shouldStream(dst, n)) {
    for (; !isAligned(dst + i); ++i) dst[i] = value;
    for (; i + kStep <= n; i += kStep) stream(dst + i, vector);
    streamFence();
  } else {
    for (; i + kStep <= n; i += kStep) store(dst + i, vector);
  }
  for (; i < n; ++i) dst[i] = value;
}

}  // namespace

void fillF32(float* dst, std::size_t n, float value) { fill(dst, n, value); }

void copyF32(float* dst, const float* src, std::size_t n) {
  if (n > 0) __builtin_memmove(dst, src, n * sizeof(float));
}

void scaleF32(float* x, std::size_t n, float factor) {
  map(
      x, n, [=](auto v) { return v * factor; }, x);
}

void axpyF32(float* y, const float* x, std::size_t n, float a) {
  map(
      y, n, [=](auto u, auto v) { return u + a * v; }, y, x);
}

void addF32(float* dst, const float* a, const float* b, std::size_t n) {
  map(
      dst, n, [](auto u, auto v) { return u + v; }, a, b);
}

void subtractF32(float* dst, const float* a, const float* b, std::size_t n) {
  map(
      dst, n, [](auto u, auto v) { return u - v; }, a, b);
}

void multiplyF32(float* dst, const float* a, const float* b, std::size_t n) {
  map(
      dst, n, [](auto u, auto v) { return u * v; }, a, b);
}

void lerpF32(float* dst, const float* a, const float* b, std::size_t n, float t) {
  map(
      dst, n, [=](auto u, auto v) { return u + t * (v - u); }, a, b);
}

void applyMaskF32(float* x, const std::uint8_t* mask, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = mask[i] != 0 ? x[i] : 0.0F;
}

void addF64(double* dst, const double* src, std::size_t n) {
  accumulate(
      dst, n, [](auto u, auto v) { return u + v; }, src);
}

void copyF64(double* dst, const double* src, std::size_t n) {
  if (n > 0) __builtin_memmove(dst, src, n * sizeof(double));
}

void fillF64(double* dst, std::size_t n, double value) { fill(dst, n, value); }

}  // namespace heddle::HEDDLE_ISA
