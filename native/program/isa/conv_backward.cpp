// Gradients of a convolution from the lists of its delta. A chain leaves out the zeros of the delta; what it
// keeps comes in the order of conv2dDataGradF32 and conv2dWeightGradF32.
#include "conv.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::size_t kMostVecs = kRegisters == 32 ? 20 : 12;

/// Where in a padded image the window of each output pixel begins.
void findCorners(std::uint32_t* corners, const ConvShape& s, const ConvLayout& layout) {
  for (std::size_t oy = 0; oy < s.outHeight; ++oy)
    for (std::size_t ox = 0; ox < s.outWidth; ++ox)
      *corners++ = static_cast<std::uint32_t>(oy * s.stride * layout.row + ox * s.stride * s.inChannels);
}

// ---- weight gradient: accumulators are rows of the kernel, [ky][kx * channel], for one output channel

struct WeightTile {
  const float* image;  // at the tile's first kernel row and float
  std::size_t row;
  const std::uint32_t* corner;  // where in the image each entry's window begins
  const float* value;
  std::size_t count;
  float* acc;  // [ky][runStride]
  std::size_t runStride;
};

template <std::size_t Rows, std::size_t Vecs>
[[gnu::noinline]] void weightTile(const WeightTile& t) {
  Vec acc[Rows][Vecs];
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) HEDDLE_UNROLL
  for (std::size_t v = 0; v < Vecs; ++v) acc[r][v] = load(t.acc + r * t.runStride + v * kLanes);
  for (std::size_t i = 0; i < t.count; ++i) {
    const float* x = t.image + t.corner[i];
    const Vec d = splat(t.value[i]);
    HEDDLE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) HEDDLE_UNROLL
    for (std::size_t v = 0; v < Vecs; ++v) acc[r][v] = mulAdd(acc[r][v], d, load(x + r * t.row + v * kLanes));
  }
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) HEDDLE_UNROLL
  for (std::size_t v = 0; v < Vecs; ++v) store(t.acc + r * t.runStride + v * kLanes, acc[r][v]);
}

using WeightKernel = void (*)(const WeightTile&);

template <std::size_t Rows, std::size_t Vecs>
constexpr WeightKernel weightKernel() {
  if constexpr (Rows * Vecs <= kMostVecs)
    return weightTile<Rows, Vecs>;
  else
    return nullptr;
}

template <std::size_t Rows>
constexpr WeightKernel weightKernelOf(std::size_t vecs) {
  constexpr WeightKernel kKernels[] = {
      weightKernel<Rows, 1>(), weightKernel<Rows, 2>(),  weightKernel<Rows, 3>(),  weightKernel<Rows, 4>(),
      weightKernel<Rows, 5>(), weightKernel<Rows, 6>(),  weightKernel<Rows, 7>(),  weightKernel<Rows, 8>(),
      weightKernel<Rows, 9>(), weightKernel<Rows, 10>(), weightKernel<Rows, 11>(), weightKernel<Rows, 12>()};
  return kKernels[vecs - 1];
}

WeightKernel weightKernelFor(std::size_t rows, std::size_t vecs) {
  switch (rows) {
    case 1:
      return weightKernelOf<1>(vecs);
    case 2:
      return weightKernelOf<2>(vecs);
    case 3:
      return weightKernelOf<3>(vecs);
    case 4:
      return weightKernelOf<4>(vecs);
    default:
      return weightKernelOf<5>(vecs);
  }
}

/// Kernel rows and vectors of a tile, so that a kernel is covered by few tiles of nearly the same size.
struct TilePlan {
  std::size_t rows;
  std::size_t vecs;

  TilePlan(std::size_t kernelHeight, std::size_t runVecs) {
    const std::size_t most = kMostVecs < 12 ? kMostVecs : 12;
    const std::size_t parts = (runVecs + most - 1) / most;
    vecs = (runVecs + parts - 1) / parts;
    rows = 1;
    for (std::size_t r = 2; r <= 5 && r <= kernelHeight; ++r)
      if (r * vecs <= kMostVecs) rows = r;
  }
};

/// v[co][ci][ky][kx] = alpha * acc + beta * v, the sums being [ky][kx * ci].
void storeWeights(float* dw, const float* sums, float* turned, const ConvShape& s, const ConvLayout& layout,
                  float alpha, float beta) {
  const std::size_t depth = layout.taps * s.inChannels;
  for (std::size_t ky = 0; ky < s.kernelHeight; ++ky)
    transposeBlock(turned + ky * s.kernelWidth, layout.taps, sums + ky * layout.runStride, s.inChannels,
                   s.kernelWidth, s.inChannels);
  for (std::size_t i = 0; i < depth; ++i) {
    float v = turned[i];
    if (alpha != 1) v = alpha * v;
    dw[i] = beta == 0 ? v : beta == 1 ? v + dw[i] : v + beta * dw[i];
  }
}

// ---- data gradient: at each pixel, the kernel rows that its entries add to the padded image

struct DataTile {
  float* dx;       // at the tile's first float
  const float* w;  // [outChannel][runStride], at the tile's first float
  std::size_t runStride;
  const std::uint32_t* channel;
  const float* value;
  std::size_t count;
  std::size_t lastCount;  // floats of the last vector that exist
};

template <std::size_t Vecs>
[[gnu::noinline]] void dataTile(const DataTile& t) {
  Vec acc[Vecs];
  HEDDLE_UNROLL
  for (std::size_t v = 0; v < Vecs; ++v) acc[v] = load(t.dx + v * kLanes);
  for (std::size_t i = 0; i < t.count; ++i) {
    const float* w = t.w + t.channel[i] * t.runStride;
    const Vec d = splat(t.value[i]);
    HEDDLE_UNROLL
    for (std::size_t v = 0; v < Vecs; ++v) acc[v] = mulAdd(acc[v], d, load(w + v * kLanes));
  }
  HEDDLE_UNROLL
  for (std::size_t v = 0; v + 1 < Vecs; ++v) store(t.dx + v * kLanes, acc[v]);
  // What lies behind the run belongs to other pixels and must not see a NaN times the padding of the weights.
  if (t.lastCount == kLanes)
    store(t.dx + (Vecs - 1) * kLanes, acc[Vecs - 1]);
  else
    storePart(t.dx + (Vecs - 1) * kLanes, acc[Vecs - 1], t.lastCount);
}

template <std::size_t Vecs = 12>
inline void dataVecs(std::size_t vecs, const DataTile& t) {
  if constexpr (Vecs > 0) {
    if (vecs == Vecs)
      dataTile<Vecs>(t);
    else
      dataVecs<Vecs - 1>(vecs, t);
  }
}

/// The entries of one image by pixel: `start[pixel]` to the next, channels ascending.
struct PixelLists {
  std::uint32_t* start;
  std::uint32_t* channel;
  float* value;
};

void byPixel(const PixelLists& to, const DeltaLists& from, std::size_t image, const ConvShape& s) {
  const std::size_t pixels = s.outPixels();
  const std::uint32_t* planes = from.start + image * s.outChannels;
  for (std::size_t i = 0; i <= pixels; ++i) to.start[i] = 0;
  for (std::size_t i = planes[0]; i < planes[s.outChannels]; ++i) ++to.start[from.position[i] + 1];
  for (std::size_t i = 0; i < pixels; ++i) to.start[i + 1] += to.start[i];
  // Each start serves as its pixel's cursor and ends at the next pixel's start; shifted back below.
  for (std::size_t co = 0; co < s.outChannels; ++co)
    for (std::size_t i = planes[co]; i < planes[co + 1]; ++i) {
      const std::size_t at = to.start[from.position[i]]++;
      to.channel[at] = static_cast<std::uint32_t>(co);
      to.value[at] = from.value[i];
    }
  for (std::size_t i = pixels; i > 0; --i) to.start[i] = to.start[i - 1];
  to.start[0] = 0;
}

}  // namespace

void convWeightGrad(float* dw, const float* x, const DeltaLists& lists, const ConvShape& s, float alpha,
                    float beta, bool rows, std::byte* memory) {
  const ConvLayout layout(s);
  const std::size_t depth = layout.taps * s.inChannels;
  const std::size_t sumsOfChannel = s.kernelHeight * layout.runStride;
  auto* image = reinterpret_cast<float*>(memory);
  float* sums = image + layout.image;
  float* turned = sums + roundUp(s.outChannels * sumsOfChannel, 16);
  auto* corners = reinterpret_cast<std::uint32_t*>(turned + roundUp(depth, 16));
  std::uint32_t* cornerOf = corners + s.outPixels();
  findCorners(cornerOf, s, layout);
  clear(image, layout.image);
  clear(sums, s.outChannels * sumsOfChannel);
  const TilePlan plan(s.kernelHeight, (layout.run + kLanes - 1) / kLanes);
  const std::size_t runVecs = (layout.run + kLanes - 1) / kLanes;

  for (std::size_t n = 0; n < s.batch; ++n) {
    padImage(image, x + n * s.inChannels * s.height * s.width, s, layout);
    for (std::size_t co = 0; co < s.outChannels; ++co) {
      const std::uint32_t* range = lists.start + n * s.outChannels + co;
      const std::size_t count = range[1] - range[0];
      for (std::size_t i = 0; i < count; ++i) corners[i] = cornerOf[lists.position[range[0] + i]];
      float* acc = sums + co * sumsOfChannel;
      for (std::size_t ky = 0; ky < s.kernelHeight; ky += plan.rows)
        for (std::size_t v = 0; v < runVecs; v += plan.vecs) {
          const WeightTile t{image + ky * layout.row + v * kLanes,
                             layout.row,
                             corners,
                             lists.value + range[0],
                             count,
                             acc + ky * layout.runStride + v * kLanes,
                             layout.runStride};
          weightKernelFor(smaller(plan.rows, s.kernelHeight - ky), smaller(plan.vecs, runVecs - v))(t);
        }
      if (!rows) continue;
      storeWeights(dw + (n * s.outChannels + co) * depth, acc, turned, s, layout, 1, beta);
      clear(acc, sumsOfChannel);
    }
  }
  if (rows) return;
  for (std::size_t co = 0; co < s.outChannels; ++co)
    storeWeights(dw + co * depth, sums + co * sumsOfChannel, turned, s, layout, alpha, beta);
}

void convDataGrad(float* dx, const DeltaLists& lists, const float* w, const ConvShape& s, std::byte* memory) {
  const ConvLayout layout(s);
  const std::size_t depth = layout.taps * s.inChannels;
  const std::size_t pixels = s.outPixels();
  auto* image = reinterpret_cast<float*>(memory);
  float* weights = image + layout.image;
  auto* start = reinterpret_cast<std::uint32_t*>(
      weights + roundUp(s.outChannels * s.kernelHeight * layout.runStride, 16));
  std::uint32_t* cornerOf = start + pixels + 1;
  std::uint32_t* channels = cornerOf + pixels;
  const PixelLists entries{start, channels, reinterpret_cast<float*>(channels + pixels * s.outChannels)};
  findCorners(cornerOf, s, layout);

  // [ky][outChannel][kx * channel]
  clear(weights, s.outChannels * s.kernelHeight * layout.runStride);
  for (std::size_t co = 0; co < s.outChannels; ++co)
    transposeRows(
        [&](std::size_t tap) {
          return weights + (tap / s.kernelWidth * s.outChannels + co) * layout.runStride +
                 tap % s.kernelWidth * s.inChannels;
        },
        w + co * depth, layout.taps, s.inChannels, layout.taps);

  const std::size_t runVecs = (layout.run + kLanes - 1) / kLanes;
  const std::size_t parts = (runVecs + 11) / 12;
  const std::size_t vecs = (runVecs + parts - 1) / parts;
  for (std::size_t n = 0; n < s.batch; ++n) {
    byPixel(entries, lists, n, s);
    clear(image, layout.image);
    // Kernel row by kernel row, so that the weights of one stay in the nearest cache; in it pixels from the
    // last to the first: an image element meets its taps (ky, kx) in ascending order.
    for (std::size_t ky = 0; ky < s.kernelHeight; ++ky)
      for (std::size_t pixel = pixels; pixel-- > 0;) {
        const std::size_t first = start[pixel];
        const std::size_t count = start[pixel + 1] - first;
        if (count == 0) continue;
        float* corner = image + cornerOf[pixel] + ky * layout.row;
        for (std::size_t v = 0; v < runVecs; v += vecs) {
          const std::size_t now = smaller(vecs, runVecs - v);
          const std::size_t floats = layout.run - v * kLanes;
          const DataTile t{corner + v * kLanes,
                           weights + ky * s.outChannels * layout.runStride + v * kLanes,
                           layout.runStride,
                           entries.channel + first,
                           entries.value + first,
                           count,
                           smaller(kLanes, floats - (now - 1) * kLanes)};
          dataVecs(now, t);
        }
      }
    for (std::size_t y = 0; y < s.height; ++y)
      transposeBlock(dx + n * s.inChannels * s.height * s.width + y * s.width, s.height * s.width,
                     image + (y + s.padding) * layout.row + s.padding * s.inChannels, s.inChannels, s.width,
                     s.inChannels);
  }
}

}  // namespace heddle::HEDDLE_ISA
