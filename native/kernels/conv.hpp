// What the files of the convolution family share.
#pragma once
#include "tile.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

struct Shape {
  std::size_t batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding,
      outHeight, outWidth;
  std::size_t paddedHeight() const { return height + 2 * padding; }
  std::size_t paddedWidth() const { return width + 2 * padding; }
  std::size_t inImage() const { return inChannels * height * width; }
  std::size_t outImage() const { return outChannels * outHeight * outWidth; }
};

// Keeps the non-zero numbers of `values`, in order, and where their windows start: element i stands at i *
// step + first. Returns how many there are. The arrays must have room for `count`.
HEDDLE_INLINE std::size_t listNonZero(std::uint32_t* at, float* kept, const float* values, std::size_t count,
                                      std::size_t first, std::size_t step) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    at[found] = static_cast<std::uint32_t>(first + i * step);
    kept[found] = values[i];
    found += values[i] != 0;  // no branch: where the zeros stand cannot be predicted
  }
  return found;
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
