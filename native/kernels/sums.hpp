// The sum rule (docs/kernels.md): blocks of 65,536 terms, 16 float64 lanes, halving lane tree.
#pragma once
#include "lanes.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::size_t kBlock = 65'536;
constexpr std::size_t kLanes = 16;

/// The 16 running sums of one block.
struct Lanes {
  F64 vectors[kLanes / kDoubles] = {};

  /// Adds op(sources[i]...) for i in [begin, end) to the lanes; `begin` is a multiple of 16 from the start of
  /// the block.
  template <typename Op, typename... Source>
  HEDDLE_INLINE void add(std::size_t begin, std::size_t end, Op op, const Source*... sources) {
    constexpr std::size_t count = kLanes / kDoubles;
    F64 sums[count];
    for (std::size_t v = 0; v < count; ++v) sums[v] = vectors[v];
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      (prefetchAhead(sources + i), ...);
      for (std::size_t v = 0; v < count; ++v) sums[v] += op(loadF64(sources + i + v * kDoubles)...);
    }
    for (std::size_t v = 0; v < count; ++v) vectors[v] = sums[v];
    if (i == end) return;
    double lanes[kLanes];
    __builtin_memcpy(lanes, vectors, sizeof lanes);
    for (std::size_t lane = 0; i < end; ++i, ++lane) lanes[lane] += op(static_cast<double>(sources[i])...);
    __builtin_memcpy(vectors, lanes, sizeof lanes);
  }

  HEDDLE_INLINE double total() const {
    double lanes[kLanes];
    __builtin_memcpy(lanes, vectors, sizeof lanes);
    for (std::size_t half = kLanes / 2; half > 0; half /= 2)
      for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    return lanes[0];
  }
};

/// Sum of op(sources[i]...) over n elements; op takes float64 scalars and vectors.
template <typename Op, typename... Source>
HEDDLE_INLINE double sumTerms(std::size_t n, Op op, const Source*... sources) {
  double total = 0;
  for (std::size_t start = 0; start < n; start += kBlock) {
    Lanes lanes;
    lanes.add(start, n - start < kBlock ? n : start + kBlock, op, sources...);
    total += lanes.total();
  }
  return total;
}

HEDDLE_INLINE double sumOfSquares(const float* x, std::size_t n) {
  return sumTerms(
      n, [](auto v) { return v * v; }, x);
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
