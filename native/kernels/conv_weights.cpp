#include "conv.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

// Non-zero deltas of one channel in reading order, with the place in the pixel buffer where their windows
// start.
constexpr std::size_t kMaxDeltas = 1024;
struct Deltas {
  std::uint32_t at[kMaxDeltas];
  float value[kMaxDeltas];
  std::size_t count;
};

// acc[0 .. kVectors) += delta * window for every delta of the list, in order.
template <int kVectors>
void addWindows(float* acc, const float* pixels, const Deltas& list) {
  Vec sum[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) sum[v] = load(acc + v * kWidth);
  for (std::size_t i = 0; i < list.count; ++i) {
    const Vec delta = splat(list.value[i]);
    const float* window = pixels + list.at[i];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[v] = mulAdd(sum[v], delta, load(window + v * kWidth));
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) store(acc + v * kWidth, sum[v]);
}

void addWindowRow(float* acc, const float* pixels, const Deltas& list, std::size_t vectors) {
  for (; vectors >= 8; vectors -= 8, acc += 8 * kWidth, pixels += 8 * kWidth)
    addWindows<8>(acc, pixels, list);
  if (vectors >= 4) addWindows<4>(acc, pixels, list), vectors -= 4, acc += 4 * kWidth, pixels += 4 * kWidth;
  if (vectors >= 2) addWindows<2>(acc, pixels, list), vectors -= 2, acc += 2 * kWidth, pixels += 2 * kWidth;
  if (vectors >= 1) addWindows<1>(acc, pixels, list);
}

// Rows `top` .. `top` + rows of the padded image as [row][x][channel], channels `first` .. `first` + count.
void packImage(const Shape& s, float* to, const float* image, std::size_t top, std::size_t rows,
               std::size_t first, std::size_t count) {
  const std::size_t paddedWidth = s.paddedWidth();
  for (std::size_t row = 0; row < rows; ++row, to += paddedWidth * count) {
    for (std::size_t i = 0; i < paddedWidth * count; ++i) to[i] = 0;
    if (top + row < s.padding || top + row >= s.padding + s.height) continue;
    const float* source = image + (first * s.height + top + row - s.padding) * s.width;
    for (std::size_t channel = 0; channel < count; ++channel, source += s.height * s.width)
      for (std::size_t x = 0; x < s.width; ++x) to[(s.padding + x) * count + channel] = source[x];
  }
}

// Adds the part of one image that a band of output rows gives to the sums [outChannel][ky][kx, channel] of a
// block.
struct WeightBlock {
  std::size_t firstOut, outs, firstIn, ins;
  std::size_t vectors;  // of one row (kx, channel) of sums
  float* sums;
  float* pixels;
};

void addBand(const Shape& s, const WeightBlock& b, const float* dy, std::size_t top, std::size_t rows) {
  const std::size_t rowStep = s.paddedWidth() * b.ins;
  Deltas list;
  for (std::size_t out = 0; out < b.outs; ++out) {
    const float* plane = dy + (b.firstOut + out) * s.outHeight * s.outWidth;
    float* sums = b.sums + out * s.kernelHeight * b.vectors * kWidth;
    const auto flush = [&] {
      for (std::size_t ky = 0; ky < s.kernelHeight; ++ky)
        addWindowRow(sums + ky * b.vectors * kWidth, b.pixels + ky * rowStep, list, b.vectors);
      list.count = 0;
    };
    list.count = 0;
    for (std::size_t y = 0; y < rows; ++y)
      for (std::size_t x = 0; x < s.outWidth;) {
        const std::size_t part = smaller(s.outWidth - x, kMaxDeltas - list.count);
        list.count +=
            listNonZero(list.at + list.count, list.value + list.count, plane + (top + y) * s.outWidth + x,
                        part, y * s.stride * rowStep + x * s.stride * b.ins, s.stride * b.ins);
        x += part;
        if (list.count == kMaxDeltas) flush();
      }
    if (list.count > 0) flush();
  }
}

void storeWeights(const Shape& s, const WeightBlock& b, float* dw, float alpha, float beta) {
  for (std::size_t out = 0; out < b.outs; ++out)
    for (std::size_t in = 0; in < b.ins; ++in)
      for (std::size_t ky = 0; ky < s.kernelHeight; ++ky)
        for (std::size_t kx = 0; kx < s.kernelWidth; ++kx) {
          float* at =
              dw +
              (((b.firstOut + out) * s.inChannels + b.firstIn + in) * s.kernelHeight + ky) * s.kernelWidth +
              kx;
          const float sum = b.sums[(out * s.kernelHeight + ky) * b.vectors * kWidth + kx * b.ins + in];
          const float v = alpha == 1 ? sum : alpha * sum;
          *at = beta == 0 ? v : v + beta * *at;
        }
}

// For images so wide that not even one window row of one channel fits into the scratch: every chain by
// itself.
void weightGradientOfWideImages(const Shape& s, float* dw, const float* x, const float* dy, float alpha,
                                float beta) {
  const std::size_t taps = s.kernelHeight * s.kernelWidth;
  for (std::size_t at = 0; at < s.outChannels * s.inChannels * taps; ++at) {
    const std::size_t out = at / (s.inChannels * taps);
    const std::size_t in = at / taps % s.inChannels;
    const std::size_t ky = at % taps / s.kernelWidth;
    const std::size_t kx = at % s.kernelWidth;
    Vec acc{};
    for (std::size_t image = 0; image < s.batch; ++image)
      for (std::size_t y = 0; y < s.outHeight; ++y)
        for (std::size_t column = 0; column < s.outWidth; ++column) {
          const std::size_t iy =
              y * s.stride + ky - s.padding;  // wraps to a large number where it is negative
          const std::size_t ix = column * s.stride + kx - s.padding;
          if (iy >= s.height || ix >= s.width) continue;
          acc =
              mulAdd(acc, splat(dy[((image * s.outChannels + out) * s.outHeight + y) * s.outWidth + column]),
                     splat(x[((image * s.inChannels + in) * s.height + iy) * s.width + ix]));
        }
    const float v = alpha == 1 ? acc[0] : alpha * acc[0];
    dw[at] = beta == 0 ? v : v + beta * dw[at];
  }
}

void weightGradient(const Shape& s, float* dw, const float* x, const float* dy, float alpha, float beta) {
  constexpr std::size_t kHalf = kScratchFloats / 2;
  // A window row is read in whole vectors, so the pixels need room for one vector more.
  constexpr std::size_t kPixels = kHalf - kWidth;
  const std::size_t paddedWidth = s.paddedWidth();
  const std::size_t ins = smaller(s.inChannels, kPixels / (s.kernelHeight * paddedWidth));
  if (ins == 0 || s.kernelHeight * ceilDiv(s.kernelWidth * ins, kWidth) * kWidth > kHalf) {
    weightGradientOfWideImages(s, dw, x, dy, alpha, beta);
    return;
  }
  const std::size_t rowsThatFit = kPixels / (paddedWidth * ins);
  const std::size_t bandRows = smaller(s.outHeight, (rowsThatFit - s.kernelHeight) / s.stride + 1);
  WeightBlock block{0, 0, 0, 0, 0, kernelScratch(), kernelScratch() + kHalf};
  for (std::size_t in = 0; in < s.inChannels; in += ins) {
    block.firstIn = in;
    block.ins = smaller(ins, s.inChannels - in);
    block.vectors = ceilDiv(s.kernelWidth * block.ins, kWidth);
    const std::size_t sumsOfOne = s.kernelHeight * block.vectors * kWidth;
    for (std::size_t out = 0; out < s.outChannels; out += block.outs) {
      block.firstOut = out;
      block.outs = smaller(s.outChannels - out, kHalf / sumsOfOne);
      for (std::size_t i = 0; i < block.outs * sumsOfOne; ++i) block.sums[i] = 0;
      for (std::size_t image = 0; image < s.batch; ++image)
        for (std::size_t top = 0; top < s.outHeight; top += bandRows) {
          const std::size_t rows = smaller(bandRows, s.outHeight - top);
          packImage(s, block.pixels, x + image * s.inImage(), top * s.stride,
                    (rows - 1) * s.stride + s.kernelHeight, block.firstIn, block.ins);
          addBand(s, block, dy + image * s.outImage(), top, rows);
        }
      storeWeights(s, block, dw, alpha, beta);
    }
  }
}

}  // namespace

void conv2dWeightGradF32(float* dw, const float* x, const float* dy, std::uint32_t batch,
                         std::uint32_t inChannels, std::uint32_t height, std::uint32_t width,
                         std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth,
                         std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight,
                         std::uint32_t outWidth, float alpha, float beta) {
  const Shape s{batch,       inChannels, height,  width,     outChannels, kernelHeight,
                kernelWidth, stride,     padding, outHeight, outWidth};
  weightGradient(s, dw, x, dy, alpha, beta);
}

void conv2dWeightGradRowsF32(float* out, const float* x, const float* dy, std::uint32_t batch,
                             std::uint32_t inChannels, std::uint32_t height, std::uint32_t width,
                             std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth,
                             std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight,
                             std::uint32_t outWidth, float beta) {
  const Shape s{1,           inChannels, height,  width,     outChannels, kernelHeight,
                kernelWidth, stride,     padding, outHeight, outWidth};
  const std::size_t weights = s.outChannels * s.inChannels * s.kernelHeight * s.kernelWidth;
  for (std::size_t image = 0; image < batch; ++image)
    weightGradient(s, out + image * weights, x + image * s.inImage(), dy + image * s.outImage(), 1, beta);
}

}  // namespace heddle::HEDDLE_ISA
