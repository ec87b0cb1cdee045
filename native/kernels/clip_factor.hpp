// The factor that brings a vector of a given norm into a ball, shared by everything that clips.
#pragma once
#include <cstdint>

namespace heddle::HEDDLE_ISA {
namespace {

/// 1 if norm <= maxNorm, else the largest float32 not above (maxNorm / norm) (1 - 2^-23).
inline float clipFactor(double norm, double maxNorm) {
  if (norm <= maxNorm) return 1;
  const double exact = maxNorm / norm * (1 - 0x1p-23);
  const float factor = static_cast<float>(exact);
  if (!(static_cast<double>(factor) > exact)) return factor;
  return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, factor) - 1);
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
