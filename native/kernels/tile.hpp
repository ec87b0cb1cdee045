// The register tile of gemm and convolution: kRows x kVectors accumulators, each lane one chain over k.
#pragma once
#include "elementary.hpp"
#include "scratch.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

// The accumulators, the vectors of b and one broadcast fill the registers: 32 of them with AVX-512 and NEON,
// else 16.
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr std::size_t kMaxVectors = 3;
constexpr std::size_t maxRows(std::size_t vectors) { return vectors == 3 ? 8 : 12; }
#elif defined(__AVX2__)
constexpr std::size_t kMaxVectors = 3;
constexpr std::size_t maxRows(std::size_t vectors) { return vectors == 3 ? 4 : vectors == 2 ? 6 : 12; }
#else
constexpr std::size_t kMaxVectors = 2;
constexpr std::size_t maxRows(std::size_t vectors) { return vectors == 2 ? 4 : 8; }
#endif
constexpr std::size_t kMaxRows = 12;
constexpr std::size_t kPitch = kMaxVectors * kWidth;

// Where a tile's operands lie: a(row, p) = a[row * rowStep + p * kStep], and k rows of vectors, bStep floats
// apart.
struct TileInput {
  const float* a;
  std::size_t rowStep;
  std::size_t kStep;
  const float* b;
  std::size_t bStep;
  std::size_t k;
};

// What becomes of finished chains when they need no more than this; otherwise they go to a buffer first.
struct TileStore {
  float* c;
  std::size_t cStep;
  std::size_t lastLanes;  // lanes of the last vector that exist in c
  const float* bias;
  float alpha;
  float beta;
  bool relu;
};

template <int kRows, int kVectors>
HEDDLE_INLINE void runChains(Vec (&acc)[kRows][kVectors], const TileInput& in) {
  const float* rows[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) rows[r] = in.a + static_cast<std::size_t>(r) * in.rowStep;
  const float* b = in.b;
  std::size_t at = 0;
  for (std::size_t p = in.k; p > 0; --p) {
    Vec bv[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) bv[v] = load(b + v * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec av = splat(rows[r][at]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = mulAdd(acc[r][v], av, bv[v]);
    }
    at += in.kStep;
    b += in.bStep;
  }
}

// Chains into `buffer` (rows kPitch apart), going on from what it holds unless they start here.
template <int kRows, int kVectors>
void bufferTile(const TileInput& in, float* buffer, bool starts) {
  Vec acc[kRows][kVectors] = {};
  if (!starts)
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = load(buffer + r * kPitch + v * kWidth);
  runChains(acc, in);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(buffer + r * kPitch + v * kWidth, acc[r][v]);
}

// Stores the accumulators; `old(c, x)` adds what was there.
template <int kRows, int kVectors, class AddOld>
HEDDLE_INLINE void storeAll(const Vec (&acc)[kRows][kVectors], float* c, std::size_t step,
                            std::size_t lastLanes, AddOld addOld) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r, c += step) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors - 1; ++v) store(c + v * kWidth, addOld(load(c + v * kWidth), acc[r][v]));
    float* last = c + (kVectors - 1) * kWidth;
    if (lastLanes == kWidth)
      store(last, addOld(load(last), acc[r][kVectors - 1]));
    else
      storePart(last, addOld(loadPart(last, lastLanes), acc[r][kVectors - 1]), lastLanes);
  }
}

// Whole chains, finished in registers and stored to c.
template <int kRows, int kVectors>
void storeTile(const TileInput& in, const TileStore& out) {
  Vec acc[kRows][kVectors] = {};
  runChains(acc, in);
  const TileStore to = out;  // a copy, which the stores to c cannot change
  const auto change = [&](auto step) HEDDLE_LAMBDA_INLINE {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) acc[r][v] = step(acc[r][v], v);
  };
  if (to.alpha != 1) change([&](Vec x, int) { return x * to.alpha; });
  if (to.bias != nullptr) {
    Vec bias[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      bias[v] = loadPart(to.bias + v * kWidth, v == kVectors - 1 ? to.lastLanes : kWidth);
    change([&](Vec x, int v) { return x + bias[v]; });
  }
  if (to.relu) change([](Vec x, int) { return reluOf(x); });
  if (to.beta == 0)
    storeAll(acc, to.c, to.cStep, to.lastLanes, [](Vec, Vec x) { return x; });
  else if (to.beta == 1)
    storeAll(acc, to.c, to.cStep, to.lastLanes, [](Vec old, Vec x) { return x + old; });
  else
    storeAll(acc, to.c, to.cStep, to.lastLanes, [&](Vec old, Vec x) { return x + old * to.beta; });
}

// Calls `visit` with the tile of this size: the sizes are few and known, the shapes of a call are not.
template <int kVectors, int kRows, class Visit>
HEDDLE_INLINE void withRows(std::size_t rows, Visit visit) {
  if constexpr (kRows > 1) {
    if (rows != kRows) return withRows<kVectors, kRows - 1>(rows, visit);
  }
  visit.template operator()<kRows, kVectors>();
}

template <class Visit>
HEDDLE_INLINE void withTile(std::size_t rows, std::size_t vectors, Visit visit) {
  if (vectors == 1) return withRows<1, maxRows(1)>(rows, visit);
  if constexpr (kMaxVectors > 2) {
    if (vectors == 3) return withRows<3, maxRows(3)>(rows, visit);
  }
  withRows<2, maxRows(2)>(rows, visit);
}

HEDDLE_INLINE std::size_t smaller(std::size_t a, std::size_t b) { return a < b ? a : b; }
HEDDLE_INLINE std::size_t ceilDiv(std::size_t a, std::size_t b) { return (a + b - 1) / b; }
// Size of the next of the fewest equal parts, none over `most`, that `left` can be cut into.
HEDDLE_INLINE std::size_t evenPart(std::size_t left, std::size_t most) {
  return ceilDiv(left, ceilDiv(left, most));
}

// dst[p * dstStep + lane] = src[lane * srcStep + p] for `lanes` rows of `count` floats; missing lanes up to a
// multiple of kWidth become zero.
inline void packTransposed(float* dst, std::size_t dstStep, const float* src, std::size_t srcStep,
                           std::size_t lanes, std::size_t count) {
  for (std::size_t lane = 0; lane < lanes; lane += kWidth)
    for (std::size_t p = 0; p < count; p += kWidth) {
      const std::size_t part = smaller(count - p, kWidth);
      Vec block[kWidth];
#pragma GCC unroll 16
      for (std::size_t i = 0; i < kWidth; ++i) {
        const float* row = src + (lane + i) * srcStep + p;
        block[i] = lane + i >= lanes ? Vec{} : part == kWidth ? load(row) : loadPart(row, part);
      }
      transpose(block);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < kWidth; ++i)
        if (i < part) store(dst + (p + i) * dstStep + lane, block[i]);
    }
}

// c[lane * cStep + row] = buffer[row * pitch + lane] plus beta times the old value. Rows of the buffer are
// whole vectors.
inline void storeTransposed(float* c, std::size_t cStep, const float* buffer, std::size_t pitch,
                            std::size_t rows, std::size_t lanes, float beta) {
  for (std::size_t lane = 0; lane < lanes; lane += kWidth)
    for (std::size_t row = 0; row < rows; row += kWidth) {
      const std::size_t part = smaller(rows - row, kWidth);
      Vec block[kWidth];
#pragma GCC unroll 16
      for (std::size_t i = 0; i < kWidth; ++i)
        block[i] = i < part ? load(buffer + (row + i) * pitch + lane) : Vec{};
      transpose(block);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < kWidth; ++i) {
        if (lane + i >= lanes) break;
        float* to = c + (lane + i) * cStep + row;
        if (beta != 0) block[i] = block[i] + loadPart(to, part) * beta;
        if (part == kWidth)
          store(to, block[i]);
        else
          storePart(to, block[i], part);
      }
    }
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
