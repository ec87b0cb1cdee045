#include "lanes.hpp"
#include "map.hpp"
#include "sums.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {

void accumulateSquaresF64(double* acc, const float* g, std::size_t n) {
  accumulate(
      acc, n, [](auto sum, auto v) { return sum + v * v; }, g);
}

void movingAverageSquaresF32(float* v, const float* g, std::size_t n, float decay) {
  const float take = 1 - decay;
  map(
      v, n, [=](auto old, auto u) { return decay * old + take * (u * u); }, v, g);
}

void scoreUnitsF64(double* scores, const double* fisher, std::size_t units, std::uint32_t rowLength) {
  for (std::size_t u = 0; u < units; ++u)
    scores[u] += sumTerms(
        rowLength, [](auto v) { return v; }, fisher + u * rowLength);
}

void fisherAverageF32(float* dst, const float* const* models, const float* const* fishers,
                      const double* weights, std::size_t n, std::size_t lists, double floor) {
  produce(
      dst, n,
      [=](std::size_t i, F64(&values)[4]) {
        for (std::size_t v = 0; v < 4; ++v) {
          const std::size_t at = i + v * kDoubles;
          F64 numerator = {};
          F64 denominator = {};
          for (std::size_t k = 0; k < lists; ++k) {
            const F64 information = loadF64(fishers[k] + at);
            const F64 precision = weights[k] * (information > floor ? information : splat(floor));
            numerator += precision * loadF64(models[k] + at);
            denominator += precision;
          }
          values[v] = numerator / denominator;
        }
      },
      [=](std::size_t i) {
        double numerator = 0;
        double denominator = 0;
        for (std::size_t k = 0; k < lists; ++k) {
          const double information = fishers[k][i];
          const double precision = weights[k] * (information > floor ? information : floor);
          numerator += precision * static_cast<double>(models[k][i]);
          denominator += precision;
        }
        return numerator / denominator;
      });
}

}  // namespace heddle::HEDDLE_ISA
