// The update of a dense layer's weights: delta^T x from zero, the old value added last, in place in the
// panels.
#include "dense_inputs.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

// A tile of inputs side by side, all rows.

struct ColumnTile {
  const float* packed;  // [tile row = input][batch row]
  std::size_t stride;
  const std::uint32_t* columns;
  std::size_t rows;
  const float* delta;  // [batch row][outputs]
  std::size_t deltaStride;
  float* panel;
  std::size_t panelStride;
  float alpha;
  float beta;
};

template <std::size_t Rows, std::size_t Vecs>
void columnTile(const ColumnTile& t) {
  const float alpha = t.alpha;
  const float beta = t.beta;
  const bool plain = alpha == 1 && beta == 1;
  Vec acc[Rows][Vecs];
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) HEDDLE_UNROLL
  for (std::size_t v = 0; v < Vecs; ++v) acc[r][v] = Vec{};
  const float* delta = t.delta;
  for (std::size_t b = 0; b < t.rows; ++b, delta += t.deltaStride) {
    Vec d[Vecs];
    HEDDLE_UNROLL
    for (std::size_t v = 0; v < Vecs; ++v) d[v] = load(delta + v * kLanes);
    HEDDLE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
      const Vec x = splat(t.packed[r * t.stride + b]);
      HEDDLE_UNROLL
      for (std::size_t v = 0; v < Vecs; ++v) acc[r][v] = mulAdd(acc[r][v], x, d[v]);
    }
  }
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) {
    float* w = t.panel + t.columns[r] * kPanel;
    HEDDLE_UNROLL
    for (std::size_t v = 0; v < Vecs; ++v) {
      float* at = w + vecOffset(v, t.panelStride);
      store(at, plain ? acc[r][v] + load(at) : updated(acc[r][v], at, alpha, beta));
    }
  }
}

template <std::size_t Vecs, std::size_t Rows = kTileRows>
inline void columnRows(std::size_t rows, const ColumnTile& t) {
  if constexpr (Rows > 0) {
    if (rows == Rows)
      columnTile<Rows, Vecs>(t);
    else
      columnRows<Vecs, Rows - 1>(rows, t);
  }
}

}  // namespace

void denseUpdate(float* panels, const float* delta, const float* x, const DenseShape& s, float alpha,
                 float beta, bool skipDead, const std::byte* kept, std::byte* memory) {
  Scratch scratch(memory, s);
  const std::size_t outputs = roundUp(s.outputs, kPanel);
  if (outputs != s.outputs) {
    for (std::size_t b = 0; b < s.rows; ++b) {
      float* row = scratch.delta + b * outputs;
      __builtin_memcpy(row, delta + b * s.outputs, s.outputs * sizeof(float));
      clear(row + s.outputs, outputs - s.outputs);
    }
    delta = scratch.delta;
  }
  const std::size_t stride = roundUp(s.rows, kLanes);
  std::size_t columns = 0;
  NonZeros nonZeros(scratch.nonZeros, s);
  if (kept != nullptr) {
    const KeptInputs inputs(const_cast<std::byte*>(kept), s);
    nonZeros = NonZeros(inputs.nonZeros, s);
    nonZeros.elements = inputs.counts->elements;
    nonZeros.inputs = inputs.counts->inputs;
    columns = skipDead ? inputs.counts->columns : 0;
    if (columns > 0) {
      scratch.columns = inputs.columns;
      scratch.packed = inputs.packed;
    }
  } else {
    findNonZeros(nonZeros, x, s);
  }
  if (isSparse(nonZeros, s)) {
    sparseUpdate(panels, delta, x, nonZeros, s, alpha, beta, skipDead, scratch.columns);
    return;
  }
  if (columns == 0) {
    packColumns(scratch.packed, stride, x, s.rows, s.inputs);
    columns = keepColumns(scratch, stride, s.inputs, skipDead);
  }
  const std::size_t panelStride = kPanel * s.inputs;
  for (std::size_t n = 0; n < s.outputs; n += kTilePanels * kPanel) {
    const bool whole = s.outputs - n > kPanel * (kTilePanels - 1);
    for (std::size_t k = 0; k < columns; k += kTileRows) {
      const ColumnTile t{scratch.packed + k * stride,
                         stride,
                         scratch.columns + k,
                         s.rows,
                         delta + n,
                         outputs,
                         panels + n * s.inputs,
                         panelStride,
                         alpha,
                         beta};
      const std::size_t rows = smaller(kTileRows, columns - k);
      if (whole)
        columnRows<kTileVecs>(rows, t);
      else
        columnRows<kPanelVecs>(rows, t);
    }
  }
}

}  // namespace heddle::HEDDLE_ISA
