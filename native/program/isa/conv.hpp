#pragma once

#include "blocks.hpp"
#include "fast.hpp"

namespace heddle::HEDDLE_ISA {

std::size_t convScratch(const ConvShape& shape);
void convForward(float* y, const float* x, const float* w, const float* bias, const ConvShape& shape,
                 bool relu, std::byte* scratch);
void maxPool2(float* y, std::uint32_t* argmax, const float* x, std::size_t planes, std::size_t height,
              std::size_t width, std::size_t outHeight, std::size_t outWidth);
void listDelta(const DeltaLists& lists, const float* dy, const ConvShape& shape);
void listPooledDelta(const DeltaLists& lists, const PooledDelta& pooled, const ConvShape& shape);
void convDataGrad(float* dx, const DeltaLists& lists, const float* w, const ConvShape& shape,
                  std::byte* scratch);
void convWeightGrad(float* dw, const float* x, const DeltaLists& lists, const ConvShape& shape, float alpha,
                    float beta, bool rows, std::byte* scratch);
void sumLists(float* db, const DeltaLists& lists, const ConvShape& shape, float alpha, float beta);
void sumListRows(float* out, const DeltaLists& lists, const ConvShape& shape, float beta);

namespace {

/// Sizes of the layouts inside a convolution: images [y][x][channel] with their padding, rows of the kernel
/// as runs of kernelWidth * inChannels.
struct ConvLayout {
  std::size_t run;        // floats of one kernel row that lie side by side in an image
  std::size_t runStride;  // the same, rounded up to vectors
  std::size_t row;        // floats of a padded image row
  std::size_t image;      // floats of a padded image, with slack for the last vector
  std::size_t channels;   // outChannels, rounded up to forward tiles
  std::size_t taps;       // kernelHeight * kernelWidth

  explicit ConvLayout(const ConvShape& s)
      : run(s.kernelWidth * s.inChannels),
        runStride(roundUp(run, 16)),
        row(s.paddedWidth() * s.inChannels),
        image(roundUp(row * s.paddedHeight() + 64, 16)),
        channels(roundUp(s.outChannels, 32)),
        taps(s.kernelHeight * s.kernelWidth) {}
};

/// One image [channel][y][x] as [y][x][channel], zeros around it.
inline void padImage(float* to, const float* from, const ConvShape& s, const ConvLayout& layout) {
  const std::size_t pixels = s.height * s.width;
  if (s.padding == 0) {
    transposeBlock(to, s.inChannels, from, pixels, s.inChannels, pixels);
    return;
  }
  // The border was cleared once; only the inside changes from image to image.
  for (std::size_t y = 0; y < s.height; ++y)
    transposeBlock(to + (y + s.padding) * layout.row + s.padding * s.inChannels, s.inChannels,
                   from + y * s.width, pixels, s.inChannels, s.width);
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
