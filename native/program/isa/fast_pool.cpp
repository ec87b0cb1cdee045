// Max pooling by windows of 2 x 2 that lie side by side: the bits and places of maxPoolF32.
#include "conv.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

/// Every second element of 2 * kLanes floats: the even ones, then the odd ones.
template <int... kLane>
HEDDLE_INLINE void separate(Vec& even, Vec& odd, Lanes<kLane...>) {
  const Vec a = even;
  const Vec b = odd;
  even = __builtin_shufflevector(a, b, (2 * kLane)...);
  odd = __builtin_shufflevector(a, b, (2 * kLane + 1)...);
}

template <int... kLane>
HEDDLE_INLINE Int laneNumbers(Lanes<kLane...>) {
  return Int{kLane...};
}

struct Pair {
  Vec even;
  Vec odd;

  Pair(const float* row, std::size_t count) {
    if (count >= 2 * kLanes) {
      even = load(row);
      odd = load(row + kLanes);
    } else {
      even = loadPart(row, smaller(count, kLanes));
      odd = count > kLanes ? loadPart(row + kLanes, count - kLanes) : Vec{};
    }
    separate(even, odd, AllLanes{});
  }
};

}  // namespace

void maxPool2(float* y, std::uint32_t* argmax, const float* x, std::size_t planes, std::size_t height,
              std::size_t width, std::size_t outHeight, std::size_t outWidth) {
  const Int step = laneNumbers(AllLanes{}) * 2;
  for (std::size_t plane = 0; plane < planes; ++plane)
    for (std::size_t oy = 0; oy < outHeight; ++oy, y += outWidth, argmax += outWidth)
      for (std::size_t ox = 0; ox < outWidth; ox += kLanes) {
        const std::size_t count = smaller(kLanes, outWidth - ox);
        const std::size_t corner = (plane * height + 2 * oy) * width + 2 * ox;
        const Pair top(x + corner, 2 * count);
        const Pair bottom(x + corner + width, 2 * count);
        const Int at = step + static_cast<std::int32_t>(corner);
        const Int below = at + static_cast<std::int32_t>(width);
        Vec best = top.even;
        Int place = at;
        // A later element wins only if it is greater.
        place = top.odd > best ? at + 1 : place;
        best = top.odd > best ? top.odd : best;
        place = bottom.even > best ? below : place;
        best = bottom.even > best ? bottom.even : best;
        place = bottom.odd > best ? below + 1 : place;
        best = bottom.odd > best ? bottom.odd : best;
        auto* places = reinterpret_cast<float*>(argmax + ox);
        if (count == kLanes) {
          store(y + ox, best);
          store(places, reinterpret_cast<Vec>(place));
        } else {
          storePart(y + ox, best, count);
          storePart(places, reinterpret_cast<Vec>(place), count);
        }
      }
}

}  // namespace heddle::HEDDLE_ISA
