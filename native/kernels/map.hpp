// One pass over flat float32 vectors with an operation that works on scalars and on vectors alike.
#pragma once
#include "lanes.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

/// dst[i] = op(sources[i]...). `dst` may be one of the sources; otherwise large results go past the cache.
template <typename Op, typename... Source>
HEDDLE_INLINE void map(float* dst, std::size_t n, Op op, const Source*... sources) {
  std::size_t i = 0;
  if (shouldStream(dst, n) && !((sources == dst) || ...)) {
    for (; !isAligned(dst + i); ++i) dst[i] = op(sources[i]...);
    for (; i + kFloats <= n; i += kFloats) stream(dst + i, op(load(sources + i)...));
    streamFence();
  } else {
    for (; i + kFloats <= n; i += kFloats) store(dst + i, op(load(sources + i)...));
  }
  for (; i < n; ++i) dst[i] = op(sources[i]...);
}

/// acc[i] = op(acc[i], sources[i]...) in float64.
template <typename Op, typename... Source>
HEDDLE_INLINE void accumulate(double* acc, std::size_t n, Op op, const Source*... sources) {
  std::size_t i = 0;
  for (; i + kDoubles <= n; i += kDoubles) store(acc + i, op(load(acc + i), loadF64(sources + i)...));
  for (; i < n; ++i) acc[i] = op(acc[i], static_cast<double>(sources[i])...);
}

/// Elements that `produce` asks for at a time.
constexpr std::size_t kProduced = 4 * kDoubles;

/// dst[i] = float32 of float64 values: vectors(i, sums) gives the kProduced values from i on, scalar(i) one.
template <typename Vectors, typename Scalar>
HEDDLE_INLINE void produce(float* dst, std::size_t n, Vectors vectors, Scalar scalar) {
  std::size_t i = 0;
  F64 values[4];
  if (shouldStream(dst, n)) {
    for (; !isAligned(dst + i); ++i) dst[i] = static_cast<float>(scalar(i));
    for (; i + kProduced <= n; i += kProduced) {
      vectors(i, values);
      stream(dst + i, narrow(values[0], values[1]));
      stream(dst + i + kFloats, narrow(values[2], values[3]));
    }
    streamFence();
  } else {
    for (; i + kProduced <= n; i += kProduced) {
      vectors(i, values);
      store(dst + i, narrow(values[0], values[1]));
      store(dst + i + kFloats, narrow(values[2], values[3]));
    }
  }
  for (; i < n; ++i) dst[i] = static_cast<float>(scalar(i));
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
