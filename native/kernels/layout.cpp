#include "clip_factor.hpp"
#include "simd.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

// v plus beta times the old value, which is not looked at when beta is 0.
HEDDLE_INLINE float addOld(float v, float beta, const float* old) { return beta == 0 ? v : v + beta * *old; }

// sums[lane] = the float32 chain over `images` runs of `count` values from x + lane * pitch, the next run
// `imageStep` on. One chain in each lane: blocks of the matrix are turned so that a vector holds one position
// of every row.
void chainRows(float (&sums)[kWidth], const float* x, std::size_t rows, std::size_t pitch, std::size_t count,
               std::size_t images, std::size_t imageStep) {
  Vec acc{};
  for (std::size_t image = 0; image < images; ++image, x += imageStep)
    for (std::size_t start = 0; start < count; start += kWidth) {
      const std::size_t part = count - start < kWidth ? count - start : kWidth;
      Vec block[kWidth];
      for (std::size_t row = 0; row < kWidth; ++row)
        block[row] = row < rows ? loadPart(x + row * pitch + start, part) : Vec{};
      transpose(block);
      for (std::size_t i = 0; i < part; ++i) acc = acc + block[i];
    }
  store(sums, acc);
}

}  // namespace

void addBiasF32(float* y, const float* bias, std::uint32_t batch, std::uint32_t channels,
                std::uint32_t spatial) {
  if (spatial == 1) {
    for (std::size_t image = 0; image < batch; ++image, y += channels)
      for (std::size_t c = 0; c < channels; ++c) y[c] += bias[c];
    return;
  }
  for (std::size_t image = 0; image < batch; ++image)
    for (std::size_t c = 0; c < channels; ++c, y += spatial)
      for (std::size_t s = 0; s < spatial; ++s) y[s] += bias[c];
}

void sumChannelsF32(float* db, const float* dy, std::uint32_t batch, std::uint32_t channels,
                    std::uint32_t spatial, float alpha, float beta) {
  const std::size_t imageStep = std::size_t{channels} * spatial;
  for (std::size_t c = 0; c < channels; c += kWidth) {
    const std::size_t count = channels - c < kWidth ? channels - c : kWidth;
    float sums[kWidth];
    if (spatial == 1) {
      Vec acc{};
      for (std::size_t image = 0; image < batch; ++image)
        acc = acc + loadPart(dy + image * imageStep + c, count);
      store(sums, acc);
    } else {
      chainRows(sums, dy + c * spatial, count, spatial, spatial, batch, imageStep);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const float v = alpha == 1 ? sums[i] : alpha * sums[i];
      db[c + i] = addOld(v, beta, db + c + i);
    }
  }
}

void sumSpatialRowsF32(float* out, const float* dy, std::size_t rows, std::uint32_t spatial, float beta) {
  for (std::size_t r = 0; r < rows; r += kWidth) {
    const std::size_t count = rows - r < kWidth ? rows - r : kWidth;
    float sums[kWidth];
    chainRows(sums, dy + r * spatial, count, spatial, spatial, 1, 0);
    for (std::size_t i = 0; i < count; ++i) out[r + i] = addOld(sums[i], beta, out + r + i);
  }
}

void scaleRowsF32(float* x, const float* factors, std::size_t rows, std::uint32_t cols) {
  for (std::size_t r = 0; r < rows; ++r, x += cols) {
    const float factor = factors[r];
    for (std::size_t j = 0; j < cols; ++j) x[j] *= factor;
  }
}

void weightedSumRowsF32(float* dst, const float* x, const float* factors, std::size_t cols,
                        std::uint32_t rows, float beta) {
  for (std::size_t j = 0; j < cols; j += kWidth) {
    const std::size_t count = cols - j < kWidth ? cols - j : kWidth;
    Vec acc{};
    for (std::size_t r = 0; r < rows; ++r) acc = acc + loadPart(x + r * cols + j, count) * factors[r];
    if (beta != 0) acc = acc + loadPart(dst + j, count) * beta;
    storePart(dst + j, acc, count);
  }
}

void transposeF32(float* dst, const float* src, std::uint32_t rows, std::uint32_t cols) {
  for (std::size_t r = 0; r < rows; r += kWidth)
    for (std::size_t c = 0; c < cols; c += kWidth) {
      const std::size_t height = rows - r < kWidth ? rows - r : kWidth;
      const std::size_t width = cols - c < kWidth ? cols - c : kWidth;
      Vec block[kWidth];
      for (std::size_t i = 0; i < kWidth; ++i)
        block[i] = i < height ? loadPart(src + (r + i) * cols + c, width) : Vec{};
      transpose(block);
      for (std::size_t i = 0; i < width; ++i) storePart(dst + (c + i) * rows + r, block[i], height);
    }
}

void ghostNormRowsF32(double* norms2, const float* a, const float* b, std::size_t rows, std::uint32_t aCols,
                      std::uint32_t bCols, std::uint32_t withBias) {
  for (std::size_t r = 0; r < rows; ++r) {
    const double bSum = sumSquaresF32(b + r * bCols, bCols);
    norms2[r] += sumSquaresF32(a + r * aCols, aCols) * (withBias ? bSum + 1 : bSum);
  }
}

void clipFactorsF32(float* factors, const double* norms2, std::size_t rows, double maxNorm, float scale) {
  for (std::size_t r = 0; r < rows; ++r) factors[r] = clipFactor(__builtin_sqrt(norms2[r]), maxNorm) * scale;
}

void multiplyAddF32(float* y, const float* a, const float* b, std::size_t n, float scale) {
  for (std::size_t i = 0; i < n; ++i) y[i] += scale * (a[i] * b[i]);
}

void squareF32(float* y, const float* x, std::size_t n) {
  HEDDLE_NO_CARRIED_DEPENDENCY
  for (std::size_t i = 0; i < n; ++i) y[i] = x[i] * x[i];
}

}  // namespace heddle::HEDDLE_ISA
