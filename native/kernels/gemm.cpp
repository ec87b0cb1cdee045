#include "table.hpp"
#include "tile.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

alignas(64) thread_local float scratch[kScratchFloats];

// Chains longer than this are cut; the parts go through the buffer, which keeps every bit.
constexpr std::size_t kMaxChain = kScratchFloats / kPitch;
constexpr std::size_t kBufferRows = 64;

struct Gemm {
  float* c;
  const float* bias;
  std::size_t m, n, k;
  float alpha, beta;
  std::uint32_t activation;
  // Rows are broadcast, columns lie in lanes. In a turned product the rows of the tile are the columns of c.
  bool turned;
  std::size_t rows, columns;
  const float* rowData;
  std::size_t rowStep, rowKStep;
  const float* laneData;
  std::size_t
      laneStep;      // from one k to the next, or from one column to the next where columns must be packed
  bool lanesAcross;  // columns are rows of memory: a panel is a transposed copy
};

// Lanes of the strip at `column` as k rows of vectors: in place, or as a copy in the scratch.
void openStrip(TileInput& in, const Gemm& g, std::size_t column, std::size_t lanes, std::size_t vectors,
               std::size_t from, std::size_t count, bool copy) {
  if (!copy) {
    in.b = g.laneData + from * g.laneStep + column;
    in.bStep = g.laneStep;
    return;
  }
  in.b = scratch;
  in.bStep = vectors * kWidth;
  if (g.lanesAcross) {
    packTransposed(scratch, in.bStep, g.laneData + column * g.laneStep + from, g.laneStep, lanes, count);
    return;
  }
  const float* src = g.laneData + from * g.laneStep + column;
  for (std::size_t p = 0; p < count; ++p, src += g.laneStep)
    for (std::size_t lane = 0; lane < vectors * kWidth; lane += kWidth) {
      const std::size_t left = lanes > lane ? lanes - lane : 0;
      store(scratch + p * in.bStep + lane, left >= kWidth ? load(src + lane) : loadPart(src + lane, left));
    }
}

// alpha, bias and activation on a buffer of finished chains.
void finishBuffer(const Gemm& g, float* buffer, std::size_t row, std::size_t rows, std::size_t column,
                  std::size_t lanes) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t lane = 0; lane < lanes; lane += kWidth) {
      float* at = buffer + r * kPitch + lane;
      Vec x = load(at);
      if (g.alpha != 1) x = x * g.alpha;
      if (g.bias != nullptr)
        x = x + (g.turned ? splat(g.bias[row + r])
                          : loadPart(g.bias + column + lane, smaller(lanes - lane, kWidth)));
      store(at, activate(g.activation, x));
    }
}

void closeBuffer(const Gemm& g, float* buffer, std::size_t row, std::size_t rows, std::size_t column,
                 std::size_t lanes) {
  finishBuffer(g, buffer, row, rows, column, lanes);
  if (g.turned) {
    storeTransposed(g.c + column * g.n + row, g.n, buffer, kPitch, rows, lanes, g.beta);
    return;
  }
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t lane = 0; lane < lanes; lane += kWidth) {
      const std::size_t part = smaller(lanes - lane, kWidth);
      float* to = g.c + (row + r) * g.n + column + lane;
      Vec x = load(buffer + r * kPitch + lane);
      if (g.beta != 0) x = x + loadPart(to, part) * g.beta;
      storePart(to, x, part);
    }
}

// A strip through the buffer: turned products, activations other than relu, and chains that are cut.
void bufferedStrip(const Gemm& g, std::size_t column, std::size_t lanes, std::size_t vectors, bool copy) {
  alignas(64) float buffer[kBufferRows * kPitch];
  const bool whole = g.k <= kMaxChain;
  for (std::size_t row = 0; row < g.rows; row += kBufferRows) {
    const std::size_t chunk = smaller(g.rows - row, kBufferRows);
    std::size_t from = 0;
    do {
      const std::size_t count = copy ? smaller(g.k - from, kMaxChain) : g.k;
      TileInput in{nullptr, g.rowStep, g.rowKStep, nullptr, 0, count};
      if (row == 0 || !whole || !copy)
        openStrip(in, g, column, lanes, vectors, from, count, copy);
      else
        in.b = scratch, in.bStep = vectors * kWidth;
      for (std::size_t r = 0; r < chunk;) {
        const std::size_t rows = evenPart(chunk - r, maxRows(vectors));
        in.a = g.rowData + (row + r) * g.rowStep + from * g.rowKStep;
        withTile(rows, vectors, [&]<int kRows, int kVectors>() {
          bufferTile<kRows, kVectors>(in, buffer + r * kPitch, from == 0);
        });
        r += rows;
      }
      from += count;
    } while (from < g.k);
    closeBuffer(g, buffer, row, chunk, column, lanes);
  }
}

void storedTile(const Gemm& g, TileInput& in, std::size_t row, std::size_t rows, std::size_t column,
                std::size_t lanes, std::size_t vectors) {
  in.a = g.rowData + row * g.rowStep;
  const TileStore out{g.c + row * g.n + column,
                      g.n,
                      lanes - (vectors - 1) * kWidth,
                      g.bias == nullptr ? nullptr : g.bias + column,
                      g.alpha,
                      g.beta,
                      g.activation == 1};
  withTile(rows, vectors, [&]<int kRows, int kVectors>() { storeTile<kRows, kVectors>(in, out); });
}

void run(const Gemm& g) {
  const std::size_t vectors = ceilDiv(g.columns, kWidth);
  const bool direct = !g.turned && g.activation < 2;
  for (std::size_t first = 0; first < vectors;) {
    const std::size_t count = evenPart(vectors - first, kMaxVectors);
    const std::size_t column = first * kWidth;
    const std::size_t lanes = smaller(g.columns - column, count * kWidth);
    const bool copy = g.lanesAcross || lanes < count * kWidth;
    if (direct && (!copy || g.k <= kMaxChain)) {
      TileInput in{nullptr, g.rowStep, g.rowKStep, nullptr, 0, g.k};
      openStrip(in, g, column, lanes, count, 0, g.k, copy);
      for (std::size_t row = 0; row < g.rows;) {
        const std::size_t rows = evenPart(g.rows - row, maxRows(count));
        storedTile(g, in, row, rows, column, lanes, count);
        row += rows;
      }
    } else {
      bufferedStrip(g, column, lanes, count, copy);
    }
    first += count;
  }
}

}  // namespace

float* kernelScratch() { return scratch; }

void gemmF32(float* c, const float* a, const float* b, const float* bias, std::uint32_t m, std::uint32_t n,
             std::uint32_t k, std::uint32_t transA, std::uint32_t transB, float alpha, float beta,
             std::uint32_t activation) {
  if (m == 0 || n == 0) return;
  Gemm g{c, bias, m, n, k, alpha, beta, activation, false, m, n, a, k, 1, b, n, false};
  if (transA) g.rowStep = 1, g.rowKStep = m;
  if (transB) {
    g.laneStep = k;
    g.lanesAcross = true;
    // b is stored by columns. Either its strips are transposed, or the product is turned: a's rows go to the
    // lanes, which costs the lanes that m leaves empty but copies only a.
    const std::size_t used = ceilDiv(m, kWidth) * kWidth;
    if (used <= m + 8 && m <= n) {
      g.turned = true;
      g.rows = n;
      g.columns = m;
      g.rowData = b;
      g.rowStep = k;
      g.rowKStep = 1;
      g.laneData = a;
      g.laneStep = transA ? m : k;
      g.lanesAcross = !transA;
    }
  }
  run(g);
}

void outerRowsF32(float* out, const float* a, const float* b, std::size_t rows, std::uint32_t m,
                  std::uint32_t n, float beta) {
  for (std::size_t r = 0; r < rows; ++r, b += n)
    for (std::size_t i = 0; i < m; ++i, out += n) {
      const float factor = *a++;
      if (beta == 0)
        for (std::size_t j = 0; j < n; ++j) out[j] = factor * b[j];
      else
        for (std::size_t j = 0; j < n; ++j) out[j] = factor * b[j] + beta * out[j];
    }
}

}  // namespace heddle::HEDDLE_ISA
