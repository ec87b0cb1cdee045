// Kernels of the fast paths: layouts and zero lists that exist only inside a job. The bits are those of
// gemmF32 and conv2d*F32.
#pragma once
#include <cstddef>
#include <cstdint>

namespace heddle {

/// Outputs of a dense layer that lie side by side in a panel.
constexpr std::size_t kPanel = 16;

constexpr std::size_t panelCount(std::size_t outputs) { return (outputs + kPanel - 1) / kPanel; }

/// A dense layer: weights [outputs, inputs], stored as [panel][input][16] and padded with zeros.
struct DenseShape {
  std::size_t rows;
  std::size_t inputs;
  std::size_t outputs;

  std::size_t panelFloats() const { return panelCount(outputs) * kPanel * inputs; }
};

/// A convolution, as the scalars of conv2dF32 give it.
struct ConvShape {
  std::size_t batch;
  std::size_t inChannels;
  std::size_t height;
  std::size_t width;
  std::size_t outChannels;
  std::size_t kernelHeight;
  std::size_t kernelWidth;
  std::size_t stride;
  std::size_t padding;
  std::size_t outHeight;
  std::size_t outWidth;

  std::size_t paddedHeight() const { return height + 2 * padding; }
  std::size_t paddedWidth() const { return width + 2 * padding; }
  std::size_t outPixels() const { return outHeight * outWidth; }
};

/// A gradient [batch, outChannels, outHeight, outWidth] as lists of its elements that are not 0: for each
/// (image, channel) in order, those at `start[image * outChannels + channel]` to the next start, by position
/// in the image.
struct DeltaLists {
  std::uint32_t* start;
  std::uint32_t* position;
  float* value;
};

/// Entries that writers may touch behind the last one.
constexpr std::size_t kListSlack = 32;

/// Which elements of a pooled gradient are listed, and where: that of pooled output i stands at `places[i]`
/// of the convolution's output, and counts only where that output is above 0: `y[places[i]]`, or
/// `pooled[i]`, the same value where it is still there (both null: always).
struct PooledDelta {
  const float* dy;
  const std::uint32_t* places;
  const float* y;
  const float* pooled;
  std::size_t pooledHeight;
  std::size_t pooledWidth;
  /// Size and stride of the windows, which do not overlap.
  std::size_t window;
};

struct FastKernels {
  void (*packPanels)(float* panels, const float* weights, std::size_t outputs, std::size_t inputs);
  void (*unpackPanels)(float* weights, const float* panels, std::size_t outputs, std::size_t inputs);

  /// Bytes of scratch that the three products below need.
  std::size_t (*denseScratch)(const DenseShape& shape);
  /// Bytes in which a forward product leaves what it found out about its inputs for the update on them.
  std::size_t (*denseInputs)(const DenseShape& shape);
  /// y[rows, outputs] = act(alpha * x w^T + bias); activation 0 or 1 (relu). Inputs that are 0 in a whole
  /// tile of rows are skipped, or nearly every 0. `kept`: receives what `denseInputs` has room for, or null.
  void (*denseForward)(float* y, const float* x, const float* panels, const float* bias,
                       const DenseShape& shape, float alpha, bool relu, std::byte* kept, std::byte* scratch);
  /// dx[rows, inputs] = alpha * delta w.
  void (*denseDataGrad)(float* dx, const float* delta, const float* panels, const DenseShape& shape,
                        float alpha, std::byte* scratch);
  /// w = alpha * delta^T x + beta * w. `skipDead`: leave the weights of inputs that are 0 in all rows alone.
  /// `kept`: what denseForward left for these inputs, or null.
  void (*denseUpdate)(float* panels, const float* delta, const float* x, const DenseShape& shape, float alpha,
                      float beta, bool skipDead, const std::byte* kept, std::byte* scratch);

  /// Bytes of scratch that each of the convolutions below needs.
  std::size_t (*convScratch)(const ConvShape& shape);
  /// As conv2dF32, with activation 0 or 1 (relu).
  void (*convForward)(float* y, const float* x, const float* w, const float* bias, const ConvShape& shape,
                      bool relu, std::byte* scratch);
  /// As maxPoolF32 with windows of 2 x 2 side by side.
  void (*maxPool2)(float* y, std::uint32_t* argmax, const float* x, std::size_t planes, std::size_t height,
                   std::size_t width, std::size_t outHeight, std::size_t outWidth);
  void (*listDelta)(const DeltaLists& lists, const float* dy, const ConvShape& shape);
  void (*listPooledDelta)(const DeltaLists& lists, const PooledDelta& pooled, const ConvShape& shape);
  void (*convDataGrad)(float* dx, const DeltaLists& lists, const float* w, const ConvShape& shape,
                       std::byte* scratch);
  /// As conv2dWeightGradF32, or with `rows` as conv2dWeightGradRowsF32 (alpha is 1 then).
  void (*convWeightGrad)(float* dw, const float* x, const DeltaLists& lists, const ConvShape& shape,
                         float alpha, float beta, bool rows, std::byte* scratch);
  /// As sumChannelsF32 of what the lists stand for.
  void (*sumLists)(float* db, const DeltaLists& lists, const ConvShape& shape, float alpha, float beta);
  /// As sumSpatialRowsF32.
  void (*sumListRows)(float* out, const DeltaLists& lists, const ConvShape& shape, float beta);
};

}  // namespace heddle
