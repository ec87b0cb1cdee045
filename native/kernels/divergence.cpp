// Divergence between rows seen as logits, and scores by it: the steps of src/kernels/reference/divergence.ts.
#include "lanes.hpp"
#include "normal.hpp"
#include "sums.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr double kExpSeries[] = {1.0,
                                 1.0,
                                 0.5,
                                 0.16666666666666666,
                                 0.041666666666666664,
                                 0.008333333333333333,
                                 0.001388888888888889,
                                 0.0001984126984126984,
                                 2.48015873015873e-05,
                                 2.7557319223985893e-06,
                                 2.755731922398589e-07,
                                 2.505210838544172e-08,
                                 2.08767569878681e-09,
                                 1.6059043836821613e-10};
constexpr double kLog2E = 1.4426950408889634;
constexpr double kLeastExp = -708.0;

HEDDLE_INLINE F64 expNegative(F64 x) {
  constexpr double kRound = 6755399441055744;
  const F64 c = x < kLeastExp ? splat(kLeastExp) : x;
  const F64 shifted = c * kLog2E + kRound;
  const F64 n = shifted - kRound;
  const F64 r = c - n * kLn2High - n * kLn2Low;
  const F64 scale = (F64)(((U64)shifted << 52) + (std::uint64_t{1023} << 52));
  const F64 power = horner(r, kExpSeries) * scale;
  return x < kLeastExp ? F64{} : power;
}
HEDDLE_INLINE double expNegative(double x) { return expNegative(splat(x))[0]; }

/// ln x, a NaN where x is one.
HEDDLE_INLINE F64 logOrNan(F64 x) { return x == x ? logF64(x) : x; }
HEDDLE_INLINE double logOrNan(double x) { return logOrNan(splat(x))[0]; }

double greatest(const float* x, std::size_t n) {
  F32 most = splat(-__builtin_inff());
  std::size_t i = 0;
  for (; i + kFloats <= n; i += kFloats) most = larger(load(x + i), most);
  float result = -__builtin_inff();
  for (std::size_t lane = 0; lane < kFloats; ++lane) result = most[lane] > result ? most[lane] : result;
  for (; i < n; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

double inverseOfSum(const float* x, std::size_t n, double most) {
  return 1.0 / sumTerms(
                   n, [most](auto v) { return expNegative(v - most); }, x);
}

template <typename T>
HEDDLE_INLINE T scoreOf(T x, T base, double factor) {
  const T d = x - base;
  return ((d < 0.0 ? -d : d) + 0.0) * factor;  // + 0 turns -0 into +0
}

/// Calls use(i, scores, count) for consecutive vectors of a row, the scores as float32.
template <typename Use>
HEDDLE_INLINE void forEachScores(const float* x, const float* base, double factor, std::size_t n, Use use) {
  std::size_t i = 0;
  for (; i + kFloats <= n; i += kFloats)
    use(i, narrow(scoreOf(loadF64(x + i), loadF64(base + i), factor),
                  scoreOf(loadF64(x + i + kDoubles), loadF64(base + i + kDoubles), factor)));
  for (; i < n; ++i)
    use(i, static_cast<float>(scoreOf(static_cast<double>(x[i]), static_cast<double>(base[i]), factor)));
}

}  // namespace

void divergenceRowsF64(double* dst, const float* x, const float* base, std::size_t rows, std::uint32_t cols,
                       double floor) {
  for (std::size_t row = 0; row < rows; ++row, x += cols, base += cols) {
    const double mostX = greatest(x, cols);
    const double mostBase = greatest(base, cols);
    const double inverseX = inverseOfSum(x, cols, mostX);
    const double inverseBase = inverseOfSum(base, cols, mostBase);
    const double sum = sumTerms(
        cols,
        [=](auto u, auto v) {
          const auto p = expNegative(u - mostX) * inverseX + floor;
          const auto q = expNegative(v - mostBase) * inverseBase + floor;
          return p * logOrNan(p / q);
        },
        x, base);
    dst[row] = sum < 0 ? 0 : sum;
  }
}

void scoreDeltaRowsF32(float* dst, const float* x, const float* base, const double* factors, std::size_t rows,
                       std::uint32_t cols) {
  for (std::size_t row = 0; row < rows; ++row, dst += cols, x += cols, base += cols)
    forEachScores(x, base, factors[row], cols, [=](std::size_t i, auto scores) { store(dst + i, scores); });
}

void takeScoredRowsF32(float* dst, const float* x, const float* base, const double* factors, std::size_t rows,
                       std::uint32_t cols, float least) {
  for (std::size_t row = 0; row < rows; ++row, dst += cols, x += cols, base += cols)
    forEachScores(x, base, factors[row], cols, [=](std::size_t i, auto scores) {
      using Scores = decltype(scores);
      store(dst + i, scores >= least ? loadAs<Scores>(x + i) : loadAs<Scores>(base + i));
    });
}

}  // namespace heddle::HEDDLE_ISA
