#include "conv.hpp"

#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

// Longest piece of a chain that is packed at once: kMaxRows floats a step on the stack.
constexpr std::size_t kMaxChain = 1024;

// A convolution or its adjoint as products of pixels (rows, broadcast) and weights (output channels in
// lanes). Chains run over (ky, kx, channel); `channels` is the number in a chain, `lanes` that of the
// results.
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
  return c.adjoint ? (channel * c.s.inChannels + lane) * taps + tap
                   : (lane * c.s.inChannels + channel) * taps + tap;
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
HEDDLE_INLINE void copyRun(float* to, const float* from, std::size_t low, std::size_t high,
                           std::size_t rows) {
#if defined(__AVX512F__)
  const unsigned inside = ((1u << high) - 1) & ~((1u << low) - 1);
  storePart(to, reinterpret_cast<Vec>(_mm512_maskz_loadu_ps(static_cast<__mmask16>(inside), from)), rows);
#else
  for (std::size_t r = 0; r < rows; ++r) to[r] = r >= low && r < high ? from[r] : 0.0f;
#endif
}

// Pixels (y, x) .. (y, x + rows - 1) of the result: panel[p * kMaxRows + r] is what chain step from + p of
// pixel r multiplies.
void packPixels(const Correlation& c, float* panel, const float* image, std::size_t y, std::size_t x,
                std::size_t rows, std::size_t from, std::size_t count) {
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
    const Signed top =
        c.adjoint ? static_cast<Signed>(y) + padding - ky : static_cast<Signed>(y) * stride + ky - padding;
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
      for (std::size_t i = 0; i < run; ++i, first += plane)
        copyRun(to + i * kMaxRows, first, lower, upper, rows);
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
      withTile(part, strip,
               [&]<int kRows, int kVectors>() { bufferTile<kRows, kVectors>(in, buffer, starts); });
      if (ends)
        for (std::size_t r = 0; r < part; ++r)
          for (std::size_t i = 0; i < lanes; i += kWidth) {
            Vec x = load(buffer + r * kPitch + i);
            if (c.bias != nullptr) x = x + loadPart(c.bias + lane + i, smaller(lanes - i, kWidth));
            store(buffer + r * kPitch + i, activate(c.activation, x));
          }
      storeTransposed(to + row, plane, buffer, kPitch, part, lanes, 0);
      row += part;
    }
    weights += count * strip * kWidth;
    lane += strip * kWidth;
    vectors -= strip;
  }
}

// Images for which `skips` is true are left to somebody else.
template <class Skips>
void correlate(const Correlation& c, Skips skips) {
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
      for (std::size_t image = 0; image < c.s.batch; ++image) {
        if (skips(image)) continue;
        for (std::size_t y = 0; y < c.outHeight; ++y)
          for (std::size_t x = 0; x < c.outWidth;) {
            const std::size_t rows = evenPart(c.outWidth - x, kMaxRows);
            packPixels(c, pixels, c.in + image * inImage, y, x, rows, from, count);
            pixelTile(c, weights, pixels, c.out + image * c.lanes * outPlane + y * c.outWidth + x, rows,
                      first * kWidth, group, count, from == 0, from + count == chain);
            x += rows;
          }
      }
      first += group;
    }
    from += count;
  } while (from < chain);
}

// Data gradients of sparse deltas: behind a rectifier and a pooling most of them are zero. Every non-zero
// delta adds its weights to a window of dx, held as [y][x][channel] with its padding, tap by tap and channel
// by channel in chain order.
constexpr std::size_t kMaxSparse = 4096;
constexpr std::size_t kMaxSparseChannels = 1024;
constexpr std::size_t kMaxSparseVectors = 4;

// Vectors of input channels that are held at once; 0: the panels do not fit, take the dense way.
std::size_t sparseVectors(const Shape& s) {
  const std::size_t weights = s.kernelHeight * s.kernelWidth * s.outChannels;
  const std::size_t fits = kScratchFloats / ((weights + s.paddedHeight() * s.paddedWidth()) * kWidth);
  if (fits == 0 || s.outChannels > kMaxSparseChannels) return 0;
  return evenPart(ceilDiv(s.inChannels, kWidth), smaller(fits, kMaxSparseVectors));
}

bool hasFewDeltas(const Shape& s, const float* dy) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < s.outImage(); ++i) count += dy[i] != 0;
  return count <= kMaxSparse && count * 3 <= s.outImage();
}

template <int kVectors>
void addTap(float* dx, const std::uint32_t* at, const float* value, std::size_t count, const float* weights) {
  Vec w[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) w[v] = load(weights + v * kWidth);
  for (std::size_t i = 0; i < count; ++i) {
    const Vec delta = splat(value[i]);
    float* to = dx + at[i];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(to + v * kWidth, mulAdd(load(to + v * kWidth), delta, w[v]));
  }
}

void addTap(float* dx, const std::uint32_t* at, const float* value, std::size_t count, const float* weights,
            std::size_t vectors) {
  if (vectors == 4) return addTap<4>(dx, at, value, count, weights);
  if (vectors == 3) return addTap<3>(dx, at, value, count, weights);
  if (vectors == 2) return addTap<2>(dx, at, value, count, weights);
  addTap<1>(dx, at, value, count, weights);
}

// One image: dx from its non-zero deltas, for `vectors` vectors of input channels from `lane` on.
void scatterImage(const Correlation& c, std::size_t image, std::size_t lane, std::size_t vectors,
                  const float* weights, float* padded) {
  const Shape& s = c.s;
  const std::size_t width = vectors * kWidth;
  const std::size_t rowStep = s.paddedWidth() * width;
  std::uint32_t at[kMaxSparse + 1];
  float value[kMaxSparse + 1];
  std::uint32_t starts[kMaxSparseChannels + 1];
  std::size_t count = 0;
  const float* dy = c.in + image * s.outImage();
  for (std::size_t out = 0; out < s.outChannels; ++out) {
    starts[out] = static_cast<std::uint32_t>(count);
    for (std::size_t y = 0; y < s.outHeight; ++y, dy += s.outWidth)
      count +=
          listNonZero(at + count, value + count, dy, s.outWidth, y * s.stride * rowStep, s.stride * width);
  }
  starts[s.outChannels] = static_cast<std::uint32_t>(count);
  for (std::size_t i = 0; i < s.paddedHeight() * rowStep; ++i) padded[i] = 0;
  for (std::size_t ky = 0; ky < s.kernelHeight; ++ky)
    for (std::size_t kx = 0; kx < s.kernelWidth; ++kx)
      for (std::size_t out = 0; out < s.outChannels; ++out, weights += width)
        addTap(padded + ky * rowStep + kx * width, at + starts[out], value + starts[out],
               starts[out + 1] - starts[out], weights, vectors);
  float* to = c.out + image * s.inImage() + lane * s.height * s.width;
  for (std::size_t y = 0; y < s.height; ++y)
    storeTransposed(to + y * s.width, s.height * s.width,
                    padded + (y + s.padding) * rowStep + s.padding * width, width, s.width,
                    smaller(s.inChannels - lane, width), 0);
}

template <class Takes>
void scatterImages(const Correlation& c, std::size_t vectors, Takes takes) {
  const std::size_t chain = c.s.kernelHeight * c.s.kernelWidth * c.s.outChannels;
  float* weights = kernelScratch();
  for (std::size_t lane = 0; lane < c.s.inChannels; lane += vectors * kWidth) {
    packWeights(c, weights, lane, vectors, 0, chain);
    for (std::size_t image = 0; image < c.s.batch; ++image)
      if (takes(image)) scatterImage(c, image, lane, vectors, weights, weights + chain * vectors * kWidth);
  }
}

}  // namespace

void conv2dF32(float* y, const float* x, const float* w, const float* bias, std::uint32_t batch,
               std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels,
               std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride,
               std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth,
               std::uint32_t activation) {
  const Shape s{batch,       inChannels, height,  width,     outChannels, kernelHeight,
                kernelWidth, stride,     padding, outHeight, outWidth};
  correlate(
      {s, false, inChannels, outChannels, height, width, outHeight, outWidth, y, x, w, bias, activation},
      [](std::size_t) { return false; });
}

void conv2dDataGradF32(float* dx, const float* dy, const float* w, std::uint32_t batch,
                       std::uint32_t inChannels, std::uint32_t height, std::uint32_t width,
                       std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth,
                       std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight,
                       std::uint32_t outWidth) {
  const Shape s{batch,       inChannels, height,  width,     outChannels, kernelHeight,
                kernelWidth, stride,     padding, outHeight, outWidth};
  const Correlation c{s,     true, outChannels, inChannels, outHeight, outWidth, height,
                      width, dx,   dy,          w,          nullptr,   0};
  const std::size_t vectors = sparseVectors(s);
  const auto isSparse = [&](std::size_t image) {
    return vectors > 0 && hasFewDeltas(s, dy + image * s.outImage());
  };
  std::size_t sparse = 0;
  for (std::size_t image = 0; image < batch; ++image) sparse += isSparse(image);
  if (sparse > 0) scatterImages(c, vectors, isSparse);
  if (sparse < batch) correlate(c, isSparse);
}

}  // namespace heddle::HEDDLE_ISA
