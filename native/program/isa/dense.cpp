// Dense layers over weights in panels of 16 outputs. Every output element is one chain from zero in the order
// of gemmF32.
#include "dense.hpp"

#include "blocks.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::size_t kPanelVecs = kPanel / kLanes;
// Panels side by side in a tile, and the rows of a tile, so that accumulators, one row of weights and a splat
// fill the registers.
constexpr std::size_t kTilePanels = kLanes == 16 ? 2 : 1;
constexpr std::size_t kTileVecs = kPanelVecs * kTilePanels;
constexpr std::size_t kTileRows = kLanes == 16 ? 14 : kRegisters == 32 ? 6 : kLanes == 8 ? 6 : 2;

constexpr std::size_t kDataRows = kLanes == 16 ? 14 : kRegisters == 32 ? 16 : 12;
// Outputs of an update that are summed at once, in vectors.
constexpr std::size_t kUpdateVecs = kRegisters == 32 ? 16 : 12;
// An update goes by lists where less than 1 / kShareOfLists of the inputs that are used is not 0 (measured).
constexpr double kShareOfLists = kLanes == 16 ? 1.3 : 1.8;

/// Scratch of one product, cut from the bytes that the plan reserved.
struct Scratch {
  float* packed;           // [input][row]: the inputs by column
  float* delta;            // delta, padded to panels or transposed
  float* product;          // [input][row]: a transposed result; or the values of the lists
  std::uint32_t* columns;  // numbers of the inputs that are used
  std::uint32_t* start;    // where the list of each of them begins
  std::uint32_t* rows;     // where the delta of each list entry lies

  Scratch(std::byte* memory, const DenseShape& s) {
    const std::size_t block = roundUp(s.inputs, 16) * roundUp(s.rows, 16);
    packed = reinterpret_cast<float*>(memory);
    delta = packed + block;
    product = delta + roundUp(s.outputs, 16) * roundUp(s.rows, 16);
    columns = reinterpret_cast<std::uint32_t*>(product + block + kLanes);
    start = columns + roundUp(s.inputs, 16);
    rows = start + roundUp(s.inputs + 1, 16);
  }
  static std::size_t bytes(const DenseShape& s) {
    const std::size_t rows = roundUp(s.rows, 16);
    return 4 * (3 * roundUp(s.inputs, 16) * rows + roundUp(s.outputs, 16) * rows +
                2 * roundUp(s.inputs + 1, 16) + 3 * 16);
  }
};

/// Which lanes are not 0, as bits; a NaN is not 0.
HEDDLE_INLINE unsigned liveLanes(Vec v) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(v), _mm512_setzero_ps(), _CMP_NEQ_UQ);
#elif defined(__AVX2__)
  return static_cast<unsigned>(
      _mm256_movemask_ps(_mm256_cmp_ps(reinterpret_cast<__m256>(v), _mm256_setzero_ps(), _CMP_NEQ_UQ)));
#elif defined(__SSE2__)
  return static_cast<unsigned>(_mm_movemask_ps(_mm_cmpneq_ps(reinterpret_cast<__m128>(v), _mm_setzero_ps())));
#else
  unsigned live = 0;
  for (int i = 0; i < kWidth; ++i) live |= static_cast<unsigned>(!(v[i] == 0)) << i;
  return live;
#endif
}

/// packed[input][row], `stride` floats from input to input (a multiple of the vector), zeros behind the last
/// row.
void packColumns(float* packed, std::size_t stride, const float* x, std::size_t rows, std::size_t inputs) {
  for (std::size_t r = 0; r < stride; r += kLanes)
    for (std::size_t k = 0; k < inputs; k += kLanes) {
      Vec block[kLanes];
      const std::size_t width = smaller(kLanes, inputs - k);
      HEDDLE_UNROLL
      for (std::size_t i = 0; i < kLanes; ++i) {
        const float* from = x + (r + i) * inputs + k;
        block[i] = r + i >= rows ? Vec{} : width == kLanes ? load(from) : loadPart(from, width);
      }
      transpose(block);
      // Behind the last input the scratch has room for a whole block.
      HEDDLE_UNROLL
      for (std::size_t i = 0; i < kLanes; ++i) store(packed + (k + i) * stride + r, block[i]);
    }
}

struct Columns {
  /// Columns that are used, and their elements that are not 0.
  std::size_t count;
  std::size_t live;
};

/// Inputs by column that stay from a forward product to the update: [counts][columns][packed].
struct KeptInputs {
  Columns* counts;
  std::uint32_t* columns;
  float* packed;

  KeptInputs(std::byte* memory, const DenseShape& s)
      : counts(reinterpret_cast<Columns*>(memory)),
        columns(reinterpret_cast<std::uint32_t*>(memory + 64)),
        packed(reinterpret_cast<float*>(columns + roundUp(s.inputs, 16))) {}
};

/// Keeps the columns that are not 0 in all rows, in order; or all of them.
Columns keepColumns(const Scratch& scratch, std::size_t stride, std::size_t inputs, bool skipDead) {
  Columns columns{0, 0};
  for (std::size_t k = 0; k < inputs; ++k) {
    std::size_t live = 0;
    for (std::size_t r = 0; r < stride; r += kLanes) {
      const Vec v = load(scratch.packed + k * stride + r);
      live += static_cast<std::size_t>(__builtin_popcount(liveLanes(v)));
      store(scratch.packed + columns.count * stride + r, v);
    }
    scratch.columns[columns.count] = static_cast<std::uint32_t>(k);
    columns.count += live != 0 || !skipDead;
    columns.live += live;
  }
  return columns;
}

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

/// Where the vectors of a tile of panels lie, counted from input 0 of its first panel.
inline std::size_t vecOffset(std::size_t v, std::size_t panelStride) {
  return v / kPanelVecs * panelStride + v % kPanelVecs * kLanes;
}

// ---- forward

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

// ---- data gradient: vectors over the batch, weights splatted from the panels

struct DataTile {
  const float* delta;  // [output][row vectors]
  std::size_t deltaStride;
  const float* panel;  // at the tile's first input
  std::size_t panelStride;
  std::size_t outputs;
  float* product;  // [input][row vectors]
  float alpha;
};

template <std::size_t Rows>
[[gnu::noinline]] void dataTile(const DataTile& t) {
  Vec acc[Rows];
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) acc[r] = Vec{};
  const float* delta = t.delta;
  for (std::size_t n = 0; n < t.outputs; n += kPanel) {
    const float* panel = t.panel + n / kPanel * t.panelStride;
    const std::size_t width = smaller(kPanel, t.outputs - n);
    for (std::size_t j = 0; j < width; ++j, delta += t.deltaStride) {
      const Vec d = load(delta);
      HEDDLE_UNROLL
      for (std::size_t r = 0; r < Rows; ++r) acc[r] = mulAdd(acc[r], splat(panel[r * kPanel + j]), d);
    }
  }
  HEDDLE_UNROLL
  for (std::size_t r = 0; r < Rows; ++r)
    store(t.product + r * t.deltaStride, t.alpha == 1 ? acc[r] : splat(t.alpha) * acc[r]);
}

// ---- choice of a tile by its number of rows

template <std::size_t Vecs, std::size_t Rows = kTileRows>
inline void forwardRows(std::size_t rows, const ForwardTile& t) {
  if constexpr (Rows > 0) {
    if (rows == Rows)
      forwardTile<Rows, Vecs>(t);
    else
      forwardRows<Vecs, Rows - 1>(rows, t);
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

template <std::size_t Rows = kDataRows>
inline void dataRows(std::size_t rows, const DataTile& t) {
  if constexpr (Rows > 0) {
    if (rows == Rows)
      dataTile<Rows>(t);
    else
      dataRows<Rows - 1>(rows, t);
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

std::size_t denseInputs(const DenseShape& s) {
  if (s.rows > kTileRows) return 0;
  return 64 + 4 * (roundUp(s.inputs, 16) + roundUp(s.inputs, 16) * roundUp(s.rows, kLanes));
}

void denseForward(float* y, const float* x, const float* panels, const float* bias, const DenseShape& s,
                  float alpha, bool relu, std::byte* kept, std::byte* memory) {
  Scratch scratch(memory, s);
  Columns* counts = nullptr;
  if (kept != nullptr) {
    const KeptInputs inputs(kept, s);
    counts = inputs.counts;
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
    const Columns columns = keepColumns(scratch, stride, s.inputs, true);
    if (counts != nullptr) *counts = columns;
    for (std::size_t n = 0; n < s.outputs; n += kTilePanels * kPanel) {
      const std::size_t width = smaller(kTilePanels * kPanel, s.outputs - n);
      float padded[kTilePanels * kPanel];
      if (bias != nullptr)
        for (std::size_t j = 0; j < kTilePanels * kPanel; ++j) padded[j] = j < width ? bias[n + j] : 0;
      const ForwardTile t{scratch.packed,
                          scratch.columns,
                          columns.count,
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

void denseDataGrad(float* dx, const float* delta, const float* panels, const DenseShape& s, float alpha,
                   std::byte* memory) {
  const Scratch scratch(memory, s);
  const std::size_t stride = roundUp(s.rows, kLanes);
  if (stride != s.rows) clear(scratch.delta, s.outputs * stride);
  transposeBlock(scratch.delta, stride, delta, s.outputs, s.rows, s.outputs);
  for (std::size_t k = 0; k < s.inputs; k += kDataRows)
    for (std::size_t b = 0; b < stride; b += kLanes) {
      const DataTile t{scratch.delta + b,
                       stride,
                       panels + k * kPanel,
                       kPanel * s.inputs,
                       s.outputs,
                       scratch.product + k * stride + b,
                       alpha};
      dataRows(smaller(kDataRows, s.inputs - k), t);
    }
  transposeBlock(dx, s.inputs, scratch.product, stride, s.inputs, s.rows);
}

}  // namespace heddle::HEDDLE_ISA
