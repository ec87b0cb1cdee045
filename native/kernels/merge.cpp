// Model merging: combinations of models and of their differences to a base, and what they are weighed by.
#include "deltas.hpp"
#include "map.hpp"
#include "sums.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

template <typename T>
HEDDLE_INLINE T absolute(T v) {
  return v < 0.0 ? -v : v;
}

/// Load of element(s) `at` of a source, as the type of the computation.
template <typename T>
HEDDLE_INLINE T loadAt(const float* p) {
  if constexpr (sizeof(T) == sizeof(double))
    return static_cast<double>(*p);
  else
    return loadF64(p);
}

template <typename T>
HEDDLE_INLINE T electAt(std::size_t at, const float* base, const float* const* deltas, const double* votes,
                        const double* scales, const double* weights, std::size_t lists, double lambda,
                        double floor, bool normalize) {
  T vote{};
  for (std::size_t k = 0; k < lists; ++k) vote += votes[k] * loadAt<T>(deltas[k] + at);
  T sum{};
  T weight{};
  const T zero{};
  const T one = zero + 1.0;
  const auto positive = vote >= 0.0;
  for (std::size_t k = 0; k < lists; ++k) {
    const T e = scales[k] * loadAt<T>(deltas[k] + at);
    const auto agrees = positive ? e > 0.0 : e < 0.0;
    sum += agrees ? e : zero;
    weight += agrees ? zero + weights[k] : zero;
  }
  if (normalize) {
    weight = weight < floor ? zero + floor : weight;
    weight = weight == 0.0 ? one : weight;
    sum = sum / weight;
  }
  return loadAt<T>(base + at) + lambda * sum;
}

template <typename T>
HEDDLE_INLINE T varianceAt(std::size_t at, const float* const* sources, const double* weights,
                           std::size_t lists) {
  const T first = loadAt<T>(sources[0] + at);
  T mean{};
  for (std::size_t k = 0; k < lists; ++k) mean += weights[k] * (loadAt<T>(sources[k] + at) - first);
  T variance{};
  for (std::size_t k = 0; k < lists; ++k) {
    const T e = loadAt<T>(sources[k] + at) - first - mean;
    variance += weights[k] * (e * e);
  }
  return variance;
}

template <typename T>
HEDDLE_INLINE T uniqueAt(std::size_t at, const float* base, const float* const* sources,
                         const double* uniqueScales, std::size_t lists, double epsilon) {
  const T b = loadAt<T>(base + at);
  const T zero{};
  const T one = zero + 1.0;
  T count{};
  T sum{};
  T scaled{};
  for (std::size_t k = 0; k < lists; ++k) {
    const T d = loadAt<T>(sources[k] + at) - b;
    const auto holds = absolute(d) > epsilon;
    count += holds ? one : zero;
    sum += holds ? d : zero;
    scaled += holds ? uniqueScales[k] * d : zero;
  }
  const T mean = sum / (count == 0.0 ? one : count);
  return b + (count == 1.0 ? scaled : mean);
}

template <typename T>
HEDDLE_INLINE T nearSwapAt(std::size_t at, const float* base, const float* y, double t) {
  const T b = loadAt<T>(base + at);
  const T v = loadAt<T>(y + at);
  const T zero{};
  const T one = zero + 1.0;
  const T distance = absolute(b - v);
  const T ratio = t / (distance < 1e-6 ? zero + 1e-6 : distance);
  const T w = ratio > 1.0 ? one : ratio;
  return w * v + (1.0 - w) * b;
}

/// dst[i] = at(i), where at takes an index and the type to compute in.
template <typename At>
HEDDLE_INLINE void produceAt(float* dst, std::size_t n, At at) {
  produce(
      dst, n,
      [=](std::size_t i, F64(&values)[4]) {
        for (std::size_t v = 0; v < 4; ++v) values[v] = at(i + v * kDoubles, F64{});
      },
      [=](std::size_t i) { return at(i, double{}); });
}

}  // namespace

void deltaWeightedSumF32(float* dst, const float* base, const float* const* sources, const double* weights,
                         std::size_t n, std::size_t lists) {
  produceAt(dst, n, [=](std::size_t at, auto zero) {
    using T = decltype(zero);
    const T b = loadAt<T>(base + at);
    T sum = zero;
    for (std::size_t k = 0; k < lists; ++k) sum += weights[k] * (loadAt<T>(sources[k] + at) - b);
    return b + sum;
  });
}

void dotDeltasF64(double* dots, const float* const* sources, const float* x, const float* base,
                  std::size_t lists, std::size_t n) {
  // Block by block: what the first dot product read stays in L2 for the others.
  for (std::size_t start = 0; start < n; start += kBlock) {
    const std::size_t count = n - start < kBlock ? n - start : kBlock;
    for (std::size_t k = 0; k < lists; ++k) {
      if (base != nullptr)
        dots[k] += sumTerms(
            count, [](auto u, auto v, auto b) { return (u - b) * (v - b); }, sources[k] + start, x + start,
            base + start);
      else
        dots[k] += sumTerms(
            count, [](auto u, auto v) { return u * v; }, sources[k] + start, x + start);
    }
  }
}

void sumAbsDeltaF64(double* sum, const float* x, const float* base, std::size_t n) {
  for (std::size_t start = 0; start < n; start += kBlock) {
    const std::size_t count = n - start < kBlock ? n - start : kBlock;
    // The difference rounded to float32, as the kernels that hand deltas on have it.
    if (base == nullptr) {
      sum[0] += sumTerms(
          count, [](auto u) { return absolute(u); }, x + start);
      continue;
    }
    Lanes lanes;
    constexpr std::size_t kPiece = 1024;
    float piece[kPiece];
    for (std::size_t first = 0; first < count; first += kPiece) {
      const std::size_t left = count - first < kPiece ? count - first : kPiece;
      const WithBase deltas{x + start + first, base + start + first};
      std::size_t i = 0;
      for (; i + kFloats <= left; i += kFloats) store(piece + i, deltas.vector(i));
      for (; i < left; ++i) piece[i] = deltas.scalar(i);
      lanes.add(
          0, left, [](auto u) { return absolute(u); }, static_cast<const float*>(piece));
    }
    sum[0] += lanes.total();
  }
}

void electMeanF32(float* dst, const float* base, const float* const* deltas, const double* votes,
                  const double* scales, const double* weights, std::size_t n, std::size_t lists,
                  double lambda, double floor, std::uint32_t normalize) {
  produceAt(dst, n, [=](std::size_t at, auto zero) {
    return electAt<decltype(zero)>(at, base, deltas, votes, scales, weights, lists, lambda, floor,
                                   normalize != 0);
  });
}

void varianceF32(float* dst, const float* const* sources, const double* weights, std::size_t n,
                 std::size_t lists) {
  produceAt(dst, n, [=](std::size_t at, auto zero) {
    return varianceAt<decltype(zero)>(at, sources, weights, lists);
  });
}

void addUniqueDeltasF32(float* dst, const float* base, const float* const* sources,
                        const double* uniqueScales, std::size_t n, std::size_t lists, double epsilon) {
  produceAt(dst, n, [=](std::size_t at, auto zero) {
    return uniqueAt<decltype(zero)>(at, base, sources, uniqueScales, lists, epsilon);
  });
}

void countUniqueF64(double* shared, double* unique, const float* base, const float* const* sources,
                    std::size_t lists, std::size_t n, double epsilon) {
  constexpr std::size_t kPiece = 1024;
  std::uint8_t counts[kPiece];
  for (std::size_t first = 0; first < n; first += kPiece) {
    const std::size_t count = n - first < kPiece ? n - first : kPiece;
    const float* const b = base + first;
    for (std::size_t i = 0; i < count; ++i) counts[i] = 0;
    const auto holds = [=](const float* x, std::size_t i) {
      return absolute(static_cast<double>(x[i]) - static_cast<double>(b[i])) > epsilon;
    };
    for (std::size_t k = 0; k < lists; ++k) {
      const float* const x = sources[k] + first;
      // 1 or more is all that matters; it must not wrap at 256.
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint8_t next = static_cast<std::uint8_t>(counts[i] + (holds(x, i) ? 1 : 0));
        counts[i] = next > 2 ? 2 : next;
      }
    }
    for (std::size_t k = 0; k < lists; ++k) {
      const float* const x = sources[k] + first;
      std::uint32_t both = 0;
      std::uint32_t alone = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const bool held = holds(x, i);
        both += held && counts[i] > 1 ? 1 : 0;
        alone += held && counts[i] == 1 ? 1 : 0;
      }
      shared[k] += both;
      unique[k] += alone;
    }
  }
}

void nearSwapF32(float* dst, const float* base, const float* y, std::size_t n, double t) {
  produceAt(dst, n, [=](std::size_t at, auto zero) { return nearSwapAt<decltype(zero)>(at, base, y, t); });
}

}  // namespace heddle::HEDDLE_ISA
