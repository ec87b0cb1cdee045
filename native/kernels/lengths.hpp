// Element counts that follow from lengths and scalars, for the generated checks of calls and tapes.
#pragma once
#include <cstddef>

namespace heddle {

/// A count whose sums and products stay at the greatest value instead of wrapping around: no operand is that
/// long, so that the check which follows fails.
struct Extent {
  std::size_t value;
};
constexpr Extent kGreatestExtent{static_cast<std::size_t>(-1)};

constexpr Extent operator+(Extent a, Extent b) {
  Extent sum{};
  return __builtin_add_overflow(a.value, b.value, &sum.value) ? kGreatestExtent : sum;
}
constexpr Extent operator*(Extent a, Extent b) {
  Extent product{};
  return __builtin_mul_overflow(a.value, b.value, &product.value) ? kGreatestExtent : product;
}
constexpr bool operator==(std::size_t length, Extent extent) { return length == extent.value; }
constexpr bool operator<=(Extent a, Extent b) { return a.value <= b.value; }
constexpr bool divides(Extent a, Extent b) { return a.value != 0 && b.value % a.value == 0; }

constexpr Extent ceilDivide(Extent a, Extent b) {
  return {b.value == 0 ? 0 : a.value / b.value + (a.value % b.value != 0)};
}
/// The other factor of a length; one that does not divide is caught by the length check that follows.
constexpr std::size_t divideLength(std::size_t length, Extent factor) {
  return factor.value == 0 ? 0 : length / factor.value;
}

}  // namespace heddle
