#include "table.hpp"
#include "tile.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

struct Shape {
  std::size_t batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding, outHeight,
      outWidth;
};

// Longest piece of a chain that is packed at once: kMaxRows floats a step on the stack.
constexpr std::size_t kMaxChain = 1024;

// A convolution or its adjoint as products of pixels (rows, broadcast) and weights (output channels in lanes). Chains run over
// (ky, kx, channel); `channels` is the number in a chain, `lanes` that of the results.
struct Correlation {
  const Shape& s;
  bool adjoint;
  std::size_t channels, lanes;
  std::size_t inHeight, inWidth, outHeight, outWidth;
  float* out;
  const float* in;
  const float* w;
  const float* bias;
  std::uint32_t activation;
};

std::size_t weightAt(const Correlation& c, std::size_t lane, std::size_t channel, std::size_t tap) {
  const std::size_t taps = c.s.kernelHeight * c.s.kernelWidth;
  return c.adjoint ? (channel * c.s.inChannels + lane) * taps + tap : (lane * c.s.inChannels + channel) * taps + tap;
}

// Weights of chain steps from .. from+count for the lanes from `lane` on, as rows of `vectors` vectors.
void packWeights(const Correlation& c, float* panel, std::size_t lane, std::size_t vectors, std::size_t from,
                 std::size_t count) {
  const std::size_t width = vectors * kWidth;
  for (std::size_t p = 0; p < count; ++p) {
    const std::size_t tap = (from + p) / c.channels;
    const std::size_t channel = (from + p) % c.channels;
    for (std::size_t i = 0; i < width; ++i)
      panel[p * width + i] = lane + i < c.lanes ? c.w[weightAt(c, lane + i, channel, tap)] : 0.0f;
  }
}

// One tap of `rows` neighbouring pixels: to[r] = from[r] for low <= r < high, else 0.
HEDDLE_INLINE void copyRun(float* to, const float* from, std::size_t low, std::size_t high, std::size_t rows) {
#if defined(__AVX512F__)
  const unsigned inside = ((1u << high) - 1) & ~((1u << low) - 1);
  storePart(to, reinterpret_cast<Vec>(_mm512_maskz_loadu_ps(static_cast<__mmask16>(inside), from)), rows);
#else
  for (std::size_t r = 0; r < rows; ++r) to[r] = r >= low && r < high ? from[r] : 0.0f;
#endif
}

// Pixels (y, x) .. (y, x + rows - 1) of the result: panel[p * kMaxRows + r] is what chain step from + p of pixel r multiplies.
void packPixels(const Correlation& c, float* panel, const float* image, std::size_t y, std::size_t x, std::size_t rows,
                std::size_t from, std::size_t count) {
  using Signed = std::ptrdiff_t;
  const Signed stride = static_cast<Signed>(c.s.stride);
  const Signed padding = static_cast<Signed>(c.s.padding);
  const Signed inHeight = static_cast<Signed>(c.inHeight);
  const Signed inWidth = static_cast<Signed>(c.inWidth);
  const std::size_t plane = c.inHeight * c.inWidth;
  for (std::size_t p = 0; p < count;) {
    const std::size_t tap = (from + p) / c.channels;
    const std::size_t channel = (from + p) % c.channels;
    const std::size_t run = smaller(c.channels - channel, count - p);
    const Signed ky = static_cast<Signed>(tap / c.s.kernelWidth);
    const Signed kx = static_cast<Signed>(tap % c.s.kernelWidth);
    const float* source = image + channel * plane;
    float* to = panel + p * kMaxRows;
    p += run;
    const Signed top = c.adjoint ? static_cast<Signed>(y) + padding - ky : static_cast<Signed>(y) * stride + ky - padding;
    const Signed sy = c.adjoint ? top / stride : top;
    if (top < 0 || sy >= inHeight || (c.adjoint && top % stride != 0)) {
      for (std::size_t i = 0; i < run; ++i) copyRun(to + i * kMaxRows, source, 0, 0, rows);
      continue;
    }
    if (stride == 1) {
      const Signed left = static_cast<Signed>(x) + (c.adjoint ? padding - kx : kx - padding);
      const Signed low = left < 0 ? -left : 0;
      const Signed high = inWidth - left;
      const std::size_t lower = smaller(static_cast<std::size_t>(low), rows);
      const std::size_t upper = high <= low ? lower : smaller(static_cast<std::size_t>(high), rows);
      const float* first = source + sy * inWidth + left;
      for (std::size_t i = 0; i < run; ++i, first += plane) copyRun(to + i * kMaxRows, first, lower, upper, rows);
      continue;
    }
    for (std::size_t r = 0; r < rows; ++r) {
      const Signed column = static_cast<Signed>(x + r);
      const Signed at = c.adjoint ? column + padding - kx : column * stride + kx - padding;
      const Signed sx = c.adjoint ? at / stride : at;
      const bool inside = at >= 0 && sx < inWidth && !(c.adjoint && at % stride != 0);
      const float* pixel = source + sy * inWidth + sx;
      for (std::size_t i = 0; i < run; ++i) to[i * kMaxRows + r] = inside ? pixel[i * plane] : 0.0f;
    }
  }
}

// Strips of lanes from `lane` on, their weights packed one after the other, over a tile of pixels.
void pixelTile(const Correlation& c, const float* weights, const float* pixels, float* out, std::size_t rows,
               std::size_t lane, std::size_t vectors, std::size_t count, bool starts, bool ends) {
  const std::size_t plane = c.outHeight * c.outWidth;
  alignas(64) float buffer[kMaxRows * kPitch];
  while (vectors > 0) {
    const std::size_t strip = evenPart(vectors, kMaxVectors);
    const std::size_t lanes = smaller(c.lanes - lane, strip * kWidth);
    float* to = out + lane * plane;
    for (std::size_t row = 0; row < rows;) {
      const std::size_t part = evenPart(rows - row, maxRows(strip));
      const TileInput in{pixels + row, 1, kMaxRows, weights, strip * kWidth, count};
      if (!starts)
        for (std::size_t r = 0; r < part; ++r)
          for (std::size_t i = 0; i < lanes; ++i) buffer[r * kPitch + i] = to[i * plane + row + r];
      withTile(part, strip, [&]<int kRows, int kVectors>() { bufferTile<kRows, kVectors>(in, buffer, starts); });
      if (ends)
        for (std::size_t r = 0; r < part; ++r)
          for (std::size_t i = 0; i < lanes; i += kWidth) {
            Vec x = load(buffer + r * kPitch + i);
            if (c.bias != nullptr) x = x + loadPart(c.bias + lane + i, smaller(lanes - i, kWidth));
            store(buffer + r * kPitch + i, activate(c.activation, x));
          }
      storeTransposed(to + row, plane, buffer, part, lanes, 0);
      row += part;
    }
    weights += count * strip * kWidth;
    lane += strip * kWidth;
    vectors -= strip;
  }
}

void correlate(const Correlation& c) {
  float* weights = kernelScratch();
  alignas(64) float pixels[kMaxChain * kMaxRows + 4];
  const std::size_t chain = c.s.kernelHeight * c.s.kernelWidth * c.channels;
  const std::size_t vectors = ceilDiv(c.lanes, kWidth);
  const std::size_t inImage = c.channels * c.inHeight * c.inWidth;
  const std::size_t outPlane = c.outHeight * c.outWidth;
  std::size_t from = 0;
  do {
    const std::size_t count = smaller(chain - from, kMaxChain);
    // As many strips as fit are packed together, so that a tile of pixels is packed once for all of them.
    const std::size_t fits = count == 0 ? vectors : kScratchFloats / (count * kWidth);
    for (std::size_t first = 0; first < vectors;) {
      const std::size_t group = smaller(vectors - first, fits);
      float* panel = weights;
      for (std::size_t v = 0; v < group;) {
        const std::size_t strip = evenPart(group - v, kMaxVectors);
        packWeights(c, panel, (first + v) * kWidth, strip, from, count);
        panel += count * strip * kWidth;
        v += strip;
      }
      for (std::size_t image = 0; image < c.s.batch; ++image)
        for (std::size_t y = 0; y < c.outHeight; ++y)
          for (std::size_t x = 0; x < c.outWidth;) {
            const std::size_t rows = evenPart(c.outWidth - x, kMaxRows);
            packPixels(c, pixels, c.in + image * inImage, y, x, rows, from, count);
            pixelTile(c, weights, pixels, c.out + image * c.lanes * outPlane + y * c.outWidth + x, rows, first * kWidth,
                      group, count, from == 0, from + count == chain);
            x += rows;
          }
      first += group;
    }
    from += count;
  } while (from < chain);
}

// Non-zero deltas of one channel in reading order, with the place in the pixel buffer where their windows start.
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
  for (; vectors >= 8; vectors -= 8, acc += 8 * kWidth, pixels += 8 * kWidth) addWindows<8>(acc, pixels, list);
  if (vectors >= 4) addWindows<4>(acc, pixels, list), vectors -= 4, acc += 4 * kWidth, pixels += 4 * kWidth;
  if (vectors >= 2) addWindows<2>(acc, pixels, list), vectors -= 2, acc += 2 * kWidth, pixels += 2 * kWidth;
  if (vectors >= 1) addWindows<1>(acc, pixels, list);
}

// Rows `top` .. `top` + rows of the padded image as [row][x][channel], channels `first` .. `first` + count.
void packImage(const Shape& s, float* to, const float* image, std::size_t top, std::size_t rows, std::size_t first,
               std::size_t count) {
  const std::size_t paddedWidth = s.width + 2 * s.padding;
  for (std::size_t row = 0; row < rows; ++row, to += paddedWidth * count) {
    for (std::size_t i = 0; i < paddedWidth * count; ++i) to[i] = 0;
    if (top + row < s.padding || top + row >= s.padding + s.height) continue;
    const float* source = image + (first * s.height + top + row - s.padding) * s.width;
    for (std::size_t channel = 0; channel < count; ++channel, source += s.height * s.width)
      for (std::size_t x = 0; x < s.width; ++x) to[(s.padding + x) * count + channel] = source[x];
  }
}

// Adds the part of one image that a band of output rows gives to the sums [outChannel][ky][kx, channel] of a block.
struct WeightBlock {
  std::size_t firstOut, outs, firstIn, ins;
  std::size_t vectors;  // of one row (kx, channel) of sums
  float* sums;
  float* pixels;
};

void addBand(const Shape& s, const WeightBlock& b, const float* dy, std::size_t top, std::size_t rows) {
  const std::size_t rowStep = (s.width + 2 * s.padding) * b.ins;
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
      for (std::size_t x = 0; x < s.outWidth; ++x) {
        const float delta = plane[(top + y) * s.outWidth + x];
        list.at[list.count] = static_cast<std::uint32_t>(y * s.stride * rowStep + x * s.stride * b.ins);
        list.value[list.count] = delta;
        list.count += delta != 0;  // no branch: where the zeros stand cannot be predicted
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
          float* at = dw + (((b.firstOut + out) * s.inChannels + b.firstIn + in) * s.kernelHeight + ky) * s.kernelWidth + kx;
          const float sum = b.sums[(out * s.kernelHeight + ky) * b.vectors * kWidth + kx * b.ins + in];
          const float v = alpha == 1 ? sum : alpha * sum;
          *at = beta == 0 ? v : v + beta * *at;
        }
}

// For images so wide that not even one window row of one channel fits into the scratch: every chain by itself.
void weightGradientOfWideImages(const Shape& s, float* dw, const float* x, const float* dy, float alpha, float beta) {
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
          const std::size_t iy = y * s.stride + ky - s.padding;  // wraps to a large number where it is negative
          const std::size_t ix = column * s.stride + kx - s.padding;
          if (iy >= s.height || ix >= s.width) continue;
          acc = mulAdd(acc, splat(dy[((image * s.outChannels + out) * s.outHeight + y) * s.outWidth + column]),
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
  const std::size_t paddedWidth = s.width + 2 * s.padding;
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
          packImage(s, block.pixels, x + image * s.inChannels * s.height * s.width, top * s.stride,
                    (rows - 1) * s.stride + s.kernelHeight, block.firstIn, block.ins);
          addBand(s, block, dy + image * s.outChannels * s.outHeight * s.outWidth, top, rows);
        }
      storeWeights(s, block, dw, alpha, beta);
    }
  }
}

}  // namespace

void conv2dF32(float* y, const float* x, const float* w, const float* bias, std::uint32_t batch,
               std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels,
               std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride, std::uint32_t padding,
               std::uint32_t outHeight, std::uint32_t outWidth, std::uint32_t activation) {
  const Shape s{batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding, outHeight, outWidth};
  correlate({s, false, inChannels, outChannels, height, width, outHeight, outWidth, y, x, w, bias, activation});
}

void conv2dDataGradF32(float* dx, const float* dy, const float* w, std::uint32_t batch, std::uint32_t inChannels,
                       std::uint32_t height, std::uint32_t width, std::uint32_t outChannels,
                       std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride,
                       std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth) {
  const Shape s{batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding, outHeight, outWidth};
  correlate({s, true, outChannels, inChannels, outHeight, outWidth, height, width, dx, dy, w, nullptr, 0});
}

void conv2dWeightGradF32(float* dw, const float* x, const float* dy, std::uint32_t batch, std::uint32_t inChannels,
                         std::uint32_t height, std::uint32_t width, std::uint32_t outChannels,
                         std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride,
                         std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth, float alpha,
                         float beta) {
  const Shape s{batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding, outHeight, outWidth};
  weightGradient(s, dw, x, dy, alpha, beta);
}

void conv2dWeightGradRowsF32(float* out, const float* x, const float* dy, std::uint32_t batch,
                             std::uint32_t inChannels, std::uint32_t height, std::uint32_t width,
                             std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth,
                             std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight,
                             std::uint32_t outWidth, float beta) {
  const Shape s{1, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding, outHeight, outWidth};
  const std::size_t weights = s.outChannels * s.inChannels * s.kernelHeight * s.kernelWidth;
  for (std::size_t image = 0; image < batch; ++image)
    weightGradient(s, out + image * weights, x + image * s.inChannels * s.height * s.width,
                   dy + image * s.outChannels * s.outHeight * s.outWidth, 1, beta);
}

}  // namespace heddle::HEDDLE_ISA
