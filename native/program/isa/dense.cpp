// Dense layers forward, over weights in panels of 16 outputs. Every output element is one chain from zero in
// the order of gemmF32.
#include "dense_inputs.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

struct ForwardTile {
  const float* packed;
  const std::uint32_t* columns;
  std::size_t live;
  const float* panel;
  std::size_t panelStride;
  float* y;
  std::size_t yStride;
  const float* bias;  // padded to the tile, or null
  std::size_t width;  // outputs of the tile that exist
  float alpha;
  bool relu;
};

template <std::size_t Rows, std::size_t Vecs>
[[gnu::noinline]] void forwardTile(const ForwardTile& t) {
  Vec acc[Rows][Vecs];
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) HEDDLE_UNROLL
  for (std::size_t v = 0; v < Vecs; ++v) acc[r][v] = Vec{};
  const float* packed = t.packed;
  for (std::size_t j = 0; j < t.live; ++j, packed += roundUp(Rows, kLanes)) {
    const float* w = t.panel + t.columns[j] * kPanel;
    Vec weights[Vecs];
    HEDDLE_UNROLL
    for (std::size_t v = 0; v < Vecs; ++v) weights[v] = load(w + vecOffset(v, t.panelStride));
    HEDDLE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
      const Vec x = splat(packed[r]);
      HEDDLE_UNROLL
      for (std::size_t v = 0; v < Vecs; ++v) acc[r][v] = mulAdd(acc[r][v], x, weights[v]);
    }
  }
  // Through memory, so that the accumulators above stay in registers.
  float tile[Rows * Vecs * kLanes];
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) HEDDLE_UNROLL
  for (std::size_t v = 0; v < Vecs; ++v) store(tile + (r * Vecs + v) * kLanes, acc[r][v]);
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t v = 0; v < Vecs; ++v) {
      if (t.width <= v * kLanes) break;
      Vec value = load(tile + (r * Vecs + v) * kLanes);
      if (t.alpha != 1) value = splat(t.alpha) * value;
      if (t.bias != nullptr) value = value + load(t.bias + v * kLanes);
      if (t.relu) value = relu(value);
      float* y = t.y + r * t.yStride + v * kLanes;
      const std::size_t count = t.width - v * kLanes;
      if (count >= kLanes)
        store(y, value);
      else
        storePart(y, value, count);
    }
}

template <std::size_t Vecs, std::size_t Rows = kTileRows>
inline void forwardRows(std::size_t rows, const ForwardTile& t) {
  if constexpr (Rows > 0) {
    if (rows == Rows)
      forwardTile<Rows, Vecs>(t);
    else
      forwardRows<Vecs, Rows - 1>(rows, t);
  }
}

}  // namespace

void packPanels(float* panels, const float* weights, std::size_t outputs, std::size_t inputs) {
  for (std::size_t n = 0; n < outputs; n += kPanel) {
    float* panel = panels + n * inputs;
    const std::size_t width = smaller(kPanel, outputs - n);
    if (width < kPanel) clear(panel, kPanel * inputs);
    transposeBlock(panel, kPanel, weights + n * inputs, inputs, width, inputs);
  }
}

void unpackPanels(float* weights, const float* panels, std::size_t outputs, std::size_t inputs) {
  for (std::size_t n = 0; n < outputs; n += kPanel)
    transposeBlock(weights + n * inputs, inputs, panels + n * inputs, kPanel, inputs,
                   smaller(kPanel, outputs - n));
}

std::size_t denseScratch(const DenseShape& shape) { return Scratch::bytes(shape); }

std::size_t denseInputs(const DenseShape& s) { return KeptInputs::bytes(s); }

void denseForward(float* y, const float* x, const float* panels, const float* bias, const DenseShape& s,
                  float alpha, bool relu, std::byte* kept, std::byte* memory) {
  Scratch scratch(memory, s);
  NonZeros nonZeros(kept != nullptr ? KeptInputs(kept, s).nonZeros : scratch.nonZeros, s);
  findNonZeros(nonZeros, x, s);
  if (kept != nullptr) *KeptInputs(kept, s).counts = {nonZeros.elements, nonZeros.inputs, 0};
  if (isSparse(nonZeros, s)) {
    sparseForward(y, x, nonZeros, panels, bias, s, alpha, relu, scratch.delta);
    return;
  }
  std::size_t* keptColumns = nullptr;
  if (kept != nullptr && s.rows <= kTileRows) {
    const KeptInputs inputs(kept, s);
    keptColumns = &inputs.counts->columns;
    scratch.columns = inputs.columns;
    scratch.packed = inputs.packed;
  }
  const std::size_t panelStride = kPanel * s.inputs;
  const std::size_t tiles = (s.rows + kTileRows - 1) / kTileRows;
  for (std::size_t tile = 0, row = 0; tile < tiles; ++tile) {
    // Tiles of nearly the same height: 16 rows are 8 and 8, not 14 and 2.
    const std::size_t rows = (s.rows - row + (tiles - tile) - 1) / (tiles - tile);
    const std::size_t stride = roundUp(rows, kLanes);
    packColumns(scratch.packed, stride, x + row * s.inputs, rows, s.inputs);
    const std::size_t columns = keepColumns(scratch, stride, s.inputs, true);
    if (keptColumns != nullptr) *keptColumns = columns;
    for (std::size_t n = 0; n < s.outputs; n += kTilePanels * kPanel) {
      const std::size_t width = smaller(kTilePanels * kPanel, s.outputs - n);
      float padded[kTilePanels * kPanel];
      if (bias != nullptr)
        for (std::size_t j = 0; j < kTilePanels * kPanel; ++j) padded[j] = j < width ? bias[n + j] : 0;
      const ForwardTile t{scratch.packed,
                          scratch.columns,
                          columns,
                          panels + n * s.inputs,
                          panelStride,
                          y + row * s.outputs + n,
                          s.outputs,
                          bias == nullptr ? nullptr : padded,
                          width,
                          alpha,
                          relu};
      if (width > kPanel * (kTilePanels - 1))
        forwardRows<kTileVecs>(rows, t);
      else
        forwardRows<kPanelVecs>(rows, t);
    }
    row += rows;
  }
}

}  // namespace heddle::HEDDLE_ISA
