// Kernels of the fast paths: layouts and zero lists that exist only inside a job. The bits are those of gemmF32 and conv2d*F32.
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

struct FastKernels {
  void (*packPanels)(float* panels, const float* weights, std::size_t outputs, std::size_t inputs);
  void (*unpackPanels)(float* weights, const float* panels, std::size_t outputs, std::size_t inputs);

  /// Bytes of scratch that the three products below need.
  std::size_t (*denseScratch)(const DenseShape& shape);
  /// y[rows, outputs] = act(alpha * x w^T + bias); activation 0 or 1 (relu). Inputs that are 0 in a whole tile of rows are skipped.
  void (*denseForward)(float* y, const float* x, const float* panels, const float* bias, const DenseShape& shape, float alpha,
                       bool relu, std::byte* scratch);
  /// dx[rows, inputs] = alpha * delta w.
  void (*denseDataGrad)(float* dx, const float* delta, const float* panels, const DenseShape& shape, float alpha,
                        std::byte* scratch);
  /// w = alpha * delta^T x + beta * w. `skipDead`: leave the weights of inputs that are 0 in all rows alone.
  void (*denseUpdate)(float* panels, const float* delta, const float* x, const DenseShape& shape, float alpha, float beta,
                      bool skipDead, std::byte* scratch);
};

}  // namespace heddle
