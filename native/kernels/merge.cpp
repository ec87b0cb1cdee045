// Model merging: combinations of models and of their differences to a base, and what they are weighed by.
#include "deltas.hpp"
#include "map.hpp"
#include "stored.hpp"
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

/// Sums of squares of one block: of what changed, and of what it is measured against.
struct ChangeSums {
  Lanes changes;
  Lanes squares;

  /// Two vectors of results with those that they are measured against, `v` vectors of float64 into a row of
  /// lanes.
  HEDDLE_INLINE void add(F32 x, const F64* b, std::size_t v) {
    F64 values[2];
    widen(x, values[0], values[1]);
    for (std::size_t half = 0; half < 2; ++half) {
      const F64 d = values[half] - b[half];
      changes.vectors[v + half] += d * d;
      squares.vectors[v + half] += b[half] * b[half];
    }
  }
  HEDDLE_INLINE void addOne(float x, double b, std::size_t lane) {
    const double d = static_cast<double>(x) - b;
    changes.vectors[lane / kDoubles][lane % kDoubles] += d * d;
    squares.vectors[lane / kDoubles][lane % kDoubles] += b * b;
  }
  HEDDLE_INLINE void addTo(double* sums) const {
    sums[0] += changes.total();
    sums[1] += squares.total();
  }
};

/// Codes of sum_k weights[k] * (sources[k] - reference) + reference, or without kDelta of the weighted sum
/// alone, and how far the sums lie from the reference.
template <typename Stored, bool kDelta>
HEDDLE_INLINE void weightedSumHalfOf(std::uint16_t* dst, double* sums, const std::uint16_t* reference,
                                     const std::uint16_t* const* sources, const double* weights,
                                     std::size_t n, std::size_t lists) {
  constexpr std::size_t kGroup = 4 * kDoubles;
  for (std::size_t start = 0; start < n; start += kBlock) {
    const std::size_t end = n - start < kBlock ? n : start + kBlock;
    ChangeSums change;
    std::size_t i = start;
    // A row of lanes, or two, so that a group always begins at the same lane.
    constexpr std::size_t kStep = kGroup < kLanes ? kLanes : kGroup;
    for (; i + kStep <= end; i += kStep)
      for (std::size_t group = 0; group < kStep; group += kGroup) {
        const std::size_t at = i + group;
        F64 b[4];
        F64 values[4] = {};
        for (std::size_t v = 0; v < 4; ++v) b[v] = Stored::vector(reference + at + v * kDoubles);
        for (std::size_t k = 0; k < lists; ++k) {
          const std::uint16_t* const source = sources[k] + at;
          const double weight = weights[k];
          for (std::size_t v = 0; v < 4; ++v) {
            F64 x = Stored::vector(source + v * kDoubles);
            if constexpr (kDelta) x -= b[v];
            values[v] += weight * x;
          }
        }
        if constexpr (kDelta)
          for (std::size_t v = 0; v < 4; ++v) values[v] = b[v] + values[v];
        const F32 low = narrow(values[0], values[1]);
        const F32 high = narrow(values[2], values[3]);
        change.add(low, b, group / kDoubles % (kLanes / kDoubles));
        change.add(high, b + 2, (group / kDoubles + 2) % (kLanes / kDoubles));
        store(dst + at, Stored::codes(low, high));
      }
    for (; i < end; ++i) {
      const double b = Stored::one(reference + i);
      double sum = 0;
      for (std::size_t k = 0; k < lists; ++k) {
        double x = Stored::one(sources[k] + i);
        if constexpr (kDelta) x -= b;
        sum += weights[k] * x;
      }
      const float value = static_cast<float>(kDelta ? b + sum : sum);
      change.addOne(value, b, (i - start) % kLanes);
      dst[i] = Stored::code(value);
    }
    change.addTo(sums);
  }
}

}  // namespace

void deltaWeightedSumF32(float* dst, const float* base, const float* const* sources, const double* weights,
                         std::size_t n, std::size_t lists) {
  produce(
      dst, n,
      [=](std::size_t i, F64(&values)[4]) {
        F64 b[4];
        F64 sums[4] = {};
        for (std::size_t v = 0; v < 4; ++v) b[v] = loadF64(base + i + v * kDoubles);
        for (std::size_t k = 0; k < lists; ++k) {
          const float* const source = sources[k] + i;
          const double weight = weights[k];
          for (std::size_t v = 0; v < 4; ++v) sums[v] += weight * (loadF64(source + v * kDoubles) - b[v]);
        }
        for (std::size_t v = 0; v < 4; ++v) values[v] = b[v] + sums[v];
      },
      [=](std::size_t i) {
        const double b = base[i];
        double sum = 0;
        for (std::size_t k = 0; k < lists; ++k) sum += weights[k] * (static_cast<double>(sources[k][i]) - b);
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

void measureChangeF64(double* sums, const float* x, const float* base, std::size_t n) {
  for (std::size_t start = 0; start < n; start += kBlock) {
    const std::size_t end = n - start < kBlock ? n : start + kBlock;
    ChangeSums change;
    std::size_t i = start;
    for (; i + kLanes <= end; i += kLanes)
      for (std::size_t v = 0; v < kLanes / kDoubles; v += 2) {
        const float* const from = base + i + v * kDoubles;
        const F64 b[2] = {loadF64(from), loadF64(from + kDoubles)};
        change.add(load(x + i + v * kDoubles), b, v);
      }
    for (; i < end; ++i) change.addOne(x[i], base[i], (i - start) % kLanes);
    change.addTo(sums);
  }
}

void deltaWeightedSumHalf(std::uint16_t* dst, double* sums, const std::uint16_t* base,
                          const std::uint16_t* const* sources, const double* weights, std::size_t n,
                          std::size_t lists, std::uint32_t format) {
  withHalfFormat(format, [=](auto stored) {
    weightedSumHalfOf<decltype(stored), true>(dst, sums, base, sources, weights, n, lists);
  });
}

void weightedSumHalf(std::uint16_t* dst, double* sums, const std::uint16_t* reference,
                     const std::uint16_t* const* sources, const double* weights, std::size_t n,
                     std::size_t lists, std::uint32_t format) {
  withHalfFormat(format, [=](auto stored) {
    weightedSumHalfOf<decltype(stored), false>(dst, sums, reference, sources, weights, n, lists);
  });
}

}  // namespace heddle::HEDDLE_ISA
