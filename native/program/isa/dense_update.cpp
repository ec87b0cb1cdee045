// The update of a dense layer's weights: delta^T x from zero, the old value added last, in place in the
// panels.
#include "dense_inputs.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

// Outputs of an update that are summed at once, in vectors.
constexpr std::size_t kUpdateVecs = kRegisters == 32 ? 16 : 12;
// An update goes by lists where less than 1 / kShareOfLists of the inputs that are used is not 0 (measured).
constexpr double kShareOfLists = kLanes == 16 ? 1.3 : 1.8;

/// Lists what is not 0 in each kept column: where its row's delta begins, and its value.
void listColumns(const Scratch& scratch, const Columns& columns, std::size_t stride,
                 std::size_t deltaStride) {
  std::size_t count = 0;
  for (std::size_t j = 0; j < columns.count; ++j) {
    scratch.start[j] = static_cast<std::uint32_t>(count);
    for (std::size_t r = 0; r < stride; r += kLanes) {
      const float* column = scratch.packed + j * stride + r;
      unsigned live = liveLanes(load(column));
#if defined(__AVX512F__)
      const auto keep = static_cast<__mmask16>(live);
      const __m512i row =
          _mm512_add_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                           _mm512_set1_epi32(static_cast<int>(r)));
      const __m512i at = _mm512_mullo_epi32(row, _mm512_set1_epi32(static_cast<int>(deltaStride)));
      _mm512_storeu_ps(scratch.product + count, _mm512_maskz_compress_ps(keep, _mm512_loadu_ps(column)));
      _mm512_storeu_si512(scratch.rows + count, _mm512_maskz_compress_epi32(keep, at));
      count += static_cast<std::size_t>(__builtin_popcount(live));
#else
      for (; live != 0; live &= live - 1, ++count) {
        const auto lane = static_cast<std::size_t>(__builtin_ctz(live));
        scratch.product[count] = column[lane];
        scratch.rows[count] = static_cast<std::uint32_t>((r + lane) * deltaStride);
      }
#endif
    }
  }
  scratch.start[columns.count] = static_cast<std::uint32_t>(count);
}

/// What a finished chain makes of the old value.
HEDDLE_INLINE Vec updated(Vec chain, const float* old, float alpha, float beta) {
  const Vec value = alpha == 1 ? chain : splat(alpha) * chain;
  if (beta == 0) return value;
  return beta == 1 ? value + load(old) : value + splat(beta) * load(old);
}

// ---- update: input by input, the deltas of the rows where it is not 0

struct UpdateTile {
  const std::uint32_t* columns;
  const std::uint32_t* start;
  const std::uint32_t* rows;
  const float* values;
  std::size_t count;
  const float* delta;
  float* panel;
  std::size_t panelStride;
  float alpha;
  float beta;
};

template <std::size_t Vecs>
void updateTile(const UpdateTile& t) {
  const float alpha = t.alpha;
  const float beta = t.beta;
  const bool plain = alpha == 1 && beta == 1;
  for (std::size_t j = 0; j < t.count; ++j) {
    Vec acc[Vecs];
    HEDDLE_UNROLL
    for (std::size_t v = 0; v < Vecs; ++v) acc[v] = Vec{};
    for (std::size_t i = t.start[j]; i < t.start[j + 1]; ++i) {
      const Vec x = splat(t.values[i]);
      const float* delta = t.delta + t.rows[i];
      HEDDLE_UNROLL
      for (std::size_t v = 0; v < Vecs; ++v) acc[v] = mulAdd(acc[v], x, load(delta + v * kLanes));
    }
    float* w = t.panel + t.columns[j] * kPanel;
    HEDDLE_UNROLL
    for (std::size_t v = 0; v < Vecs; ++v) {
      float* at = w + vecOffset(v, t.panelStride);
      store(at, plain ? acc[v] + load(at) : updated(acc[v], at, alpha, beta));
    }
  }
}

// ---- update of inputs that are mostly not 0: a tile of inputs side by side, all rows

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

template <std::size_t Vecs = kUpdateVecs>
inline void updateVecs(std::size_t vecs, const UpdateTile& t) {
  if constexpr (Vecs > 0) {
    if (vecs == Vecs)
      updateTile<Vecs>(t);
    else
      updateVecs<Vecs - kPanelVecs>(vecs, t);
  }
}

}  // namespace

void denseUpdate(float* panels, const float* delta, const float* x, const DenseShape& s, float alpha,
                 float beta, bool skipDead, const std::byte* kept, std::byte* memory) {
  Scratch scratch(memory, s);
  const std::size_t outputs = roundUp(s.outputs, kPanel);
  for (std::size_t b = 0; b < s.rows; ++b)
    for (std::size_t j = 0; j < outputs; ++j)
      scratch.delta[b * outputs + j] = j < s.outputs ? delta[b * s.outputs + j] : 0;
  const std::size_t stride = roundUp(s.rows, kLanes);
  Columns columns{0, 0};
  if (kept != nullptr && skipDead) {
    const KeptInputs inputs(const_cast<std::byte*>(kept), s);
    columns = *inputs.counts;
    scratch.columns = inputs.columns;
    scratch.packed = inputs.packed;
  } else {
    packColumns(scratch.packed, stride, x, s.rows, s.inputs);
    columns = keepColumns(scratch, stride, s.inputs, skipDead);
  }
  const std::size_t panelStride = kPanel * s.inputs;
  // Lists read a delta for every product, tiles read one for a whole column of products; a list is not worth
  // its branch where there are few outputs.
  const bool wide = outputs / kLanes >= kUpdateVecs / 2;
  if (!wide ||
      kShareOfLists * static_cast<double>(columns.live) > static_cast<double>(columns.count * s.rows)) {
    for (std::size_t n = 0; n < s.outputs; n += kTilePanels * kPanel) {
      const bool whole = s.outputs - n > kPanel * (kTilePanels - 1);
      for (std::size_t k = 0; k < columns.count; k += kTileRows) {
        const ColumnTile t{scratch.packed + k * stride,
                           stride,
                           scratch.columns + k,
                           s.rows,
                           scratch.delta + n,
                           outputs,
                           panels + n * s.inputs,
                           panelStride,
                           alpha,
                           beta};
        const std::size_t rows = smaller(kTileRows, columns.count - k);
        if (whole)
          columnRows<kTileVecs>(rows, t);
        else
          columnRows<kPanelVecs>(rows, t);
      }
    }
    return;
  }
  listColumns(scratch, columns, stride, outputs);
  const std::size_t vecs = outputs / kLanes;
  const std::size_t tiles = (vecs + kUpdateVecs - 1) / kUpdateVecs;
  for (std::size_t tile = 0, v = 0; tile < tiles; ++tile) {
    const std::size_t now = roundUp((vecs - v + (tiles - tile) - 1) / (tiles - tile), kPanelVecs);
    const UpdateTile t{scratch.columns,
                       scratch.start,
                       scratch.rows,
                       scratch.product,
                       columns.count,
                       scratch.delta + v * kLanes,
                       panels + v * kLanes * s.inputs,
                       panelStride,
                       alpha,
                       beta};
    updateVecs(now, t);
    v += now;
  }
}

}  // namespace heddle::HEDDLE_ISA
