#include "elementary.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

template <class Function>
HEDDLE_INLINE void map(float* y, const float* x, std::size_t n, Function function) {
  std::size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(y + i, function(load(x + i)));
  if (i < n) storePart(y + i, function(loadPart(x + i, n - i)), n - i);
}

}  // namespace

void reluF32(float* y, const float* x, std::size_t n) { map(y, x, n, reluOf); }
void tanhF32(float* y, const float* x, std::size_t n) { map(y, x, n, tanhOf); }
void sigmoidF32(float* y, const float* x, std::size_t n) { map(y, x, n, sigmoidOf); }
void expF32(float* y, const float* x, std::size_t n) { map(y, x, n, expOf); }
void logF32(float* y, const float* x, std::size_t n) { map(y, x, n, logOf); }

void reluGradF32(float* dx, const float* dy, const float* y, std::size_t n) {
  HEDDLE_NO_CARRIED_DEPENDENCY
  for (std::size_t i = 0; i < n; ++i) dx[i] = y[i] > 0 ? dy[i] : 0.0f;
}

void tanhGradF32(float* dx, const float* dy, const float* y, std::size_t n) {
  HEDDLE_NO_CARRIED_DEPENDENCY
  for (std::size_t i = 0; i < n; ++i) dx[i] = dy[i] * (1.0f - y[i] * y[i]);
}

void sigmoidGradF32(float* dx, const float* dy, const float* y, std::size_t n) {
  HEDDLE_NO_CARRIED_DEPENDENCY
  for (std::size_t i = 0; i < n; ++i) dx[i] = dy[i] * (y[i] * (1.0f - y[i]));
}

// The uniforms of a few blocks at a time, which stay in the first-level cache.
void dropoutF32(float* y, const float* x, std::size_t n, float rate, std::uint32_t key0, std::uint32_t key1,
                std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site) {
  constexpr std::size_t kChunk = 1024;
  float uniforms[kChunk];
  const float scale = static_cast<float>(1.0 / (1.0 - static_cast<double>(rate)));
  std::uint64_t block = (static_cast<std::uint64_t>(blockHigh) << 32) | blockLow;
  for (std::size_t start = 0; start < n; start += kChunk, block += kChunk / 4) {
    const std::size_t count = n - start < kChunk ? n - start : kChunk;
    uniformF32(uniforms, count, key0, key1, static_cast<std::uint32_t>(block),
               static_cast<std::uint32_t>(block >> 32), step, site);
    HEDDLE_NO_CARRIED_DEPENDENCY
    for (std::size_t i = 0; i < count; ++i) {
      const float kept = x[start + i] * scale;
      y[start + i] = uniforms[i] >= rate ? kept : 0.0f;
    }
  }
}

}  // namespace heddle::HEDDLE_ISA
