// Forward convolution: a tile of pixels side by side times 32 (or 16) output channels, one chain over (ky,
// kx, channel) each.
#include "conv.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

// Output channels of a tile, and its pixels: accumulators, weights of one step and a splat fill the
// registers.
constexpr std::size_t kTileVecs = kLanes == 16 ? 2 : kLanes == 8 ? 2 : kRegisters == 32 ? 4 : 2;
constexpr std::size_t kTileChannels = kTileVecs * kLanes;
constexpr std::size_t kTilePixels = kLanes == 16 ? 14 : kLanes == 8 ? 6 : kRegisters == 32 ? 6 : 4;

struct Tile {
  const float* x;  // padded image, at the first pixel's first tap
  std::size_t pixelStride;
  std::size_t rowStride;
  std::size_t kernelHeight;
  std::size_t run;
  const float* w;     // [ky][kx][channel][tile channels]
  const float* bias;  // of the tile's channels, or null
  bool relu;
};

template <std::size_t Pixels>
// Inlined, its addresses would be shared out over all tile sizes and the registers with them.
[[gnu::noinline]] void convTile(const Tile& t, float* out) {
  Vec acc[Pixels][kTileVecs];
  HEDDLE_UNROLL
  for (std::size_t p = 0; p < Pixels; ++p) HEDDLE_UNROLL
  for (std::size_t v = 0; v < kTileVecs; ++v) acc[p][v] = Vec{};
  const float* w = t.w;
  for (std::size_t ky = 0; ky < t.kernelHeight; ++ky) {
    const float* x = t.x + ky * t.rowStride;
    for (std::size_t i = 0; i < t.run; ++i, ++x, w += kTileChannels) {
      Vec weights[kTileVecs];
      HEDDLE_UNROLL
      for (std::size_t v = 0; v < kTileVecs; ++v) weights[v] = load(w + v * kLanes);
      HEDDLE_UNROLL
      for (std::size_t p = 0; p < Pixels; ++p) {
        const Vec pixel = splat(x[p * t.pixelStride]);
        HEDDLE_UNROLL
        for (std::size_t v = 0; v < kTileVecs; ++v) acc[p][v] = mulAdd(acc[p][v], pixel, weights[v]);
      }
    }
  }
  HEDDLE_UNROLL
  for (std::size_t p = 0; p < Pixels; ++p) HEDDLE_UNROLL
  for (std::size_t v = 0; v < kTileVecs; ++v) store(out + p * kTileChannels + v * kLanes, acc[p][v]);
  for (std::size_t i = 0; i < Pixels * kTileChannels; i += kLanes) {
    Vec value = load(out + i);
    if (t.bias != nullptr) value = value + load(t.bias + i % kTileChannels);
    store(out + i, t.relu ? relu(value) : value);
  }
}

template <std::size_t Pixels = kTilePixels>
inline void convPixels(std::size_t pixels, const Tile& t, float* out) {
  if constexpr (Pixels > 0) {
    if (pixels == Pixels)
      convTile<Pixels>(t, out);
    else
      convPixels<Pixels - 1>(pixels, t, out);
  }
}

/// Weights [co][ci][ky][kx] as [tile][ky][kx][ci][tile channels].
void packWeights(float* to, const float* w, const ConvShape& s, const ConvLayout& layout) {
  const std::size_t depth = layout.taps * s.inChannels;
  for (std::size_t co = 0; co < s.outChannels; co += kTileChannels) {
    const std::size_t channels = smaller(kTileChannels, s.outChannels - co);
    float* tile = to + co * depth;
    if (channels < kTileChannels) clear(tile, depth * kTileChannels);
    const auto row = [&](std::size_t j) {
      return tile + (j % layout.taps * s.inChannels + j / layout.taps) * kTileChannels;
    };
    transposeRows(row, w + co * depth, depth, channels, depth);
  }
}

}  // namespace

std::size_t convScratch(const ConvShape& s) {
  const ConvLayout layout(s);
  const std::size_t forward = layout.channels * layout.taps * s.inChannels;
  const std::size_t backward = s.outChannels * s.kernelHeight * layout.runStride + layout.taps * s.inChannels;
  // Position lists of the data gradient: where each pixel's entries start and its window lies, then channel
  // and value of every entry.
  const std::size_t lists = s.outPixels() * (2 * s.outChannels + 2) + 1 + kListSlack;
  return 4 *
         (layout.image + (forward > backward ? forward : backward) + lists + layout.channels + 4096 + 256);
}

void convForward(float* y, const float* x, const float* w, const float* bias, const ConvShape& s, bool relu,
                 std::byte* memory) {
  const ConvLayout layout(s);
  const std::size_t depth = layout.taps * s.inChannels;
  auto* image = reinterpret_cast<float*>(memory);
  float* weights = image + layout.image;
  float* out = weights + roundUp(layout.channels * depth, 16);
  float* biases = out + 1024;
  clear(image, layout.image);
  packWeights(weights, w, s, layout);
  if (bias != nullptr)
    for (std::size_t co = 0; co < layout.channels; ++co) biases[co] = co < s.outChannels ? bias[co] : 0;

  const std::size_t tiles = (s.outWidth + kTilePixels - 1) / kTilePixels;
  for (std::size_t n = 0; n < s.batch; ++n) {
    padImage(image, x + n * s.inChannels * s.height * s.width, s, layout);
    float* planes = y + n * s.outChannels * s.outPixels();
    for (std::size_t co = 0; co < s.outChannels; co += kTileChannels)
      for (std::size_t oy = 0; oy < s.outHeight; ++oy)
        for (std::size_t tile = 0, ox = 0; tile < tiles; ++tile) {
          const std::size_t pixels = (s.outWidth - ox + (tiles - tile) - 1) / (tiles - tile);
          const Tile t{image + oy * s.stride * layout.row + ox * s.stride * s.inChannels,
                       s.stride * s.inChannels,
                       layout.row,
                       s.kernelHeight,
                       layout.run,
                       weights + co * depth,
                       bias == nullptr ? nullptr : biases + co,
                       relu};
          convPixels(pixels, t, out);
          transposeBlock(planes + co * s.outPixels() + oy * s.outWidth + ox, s.outPixels(), out,
                         kTileChannels, pixels, smaller(kTileChannels, s.outChannels - co));
          ox += pixels;
        }
  }
}

}  // namespace heddle::HEDDLE_ISA
