// Differences to a base kept or dropped by a mask: drawn, or given as floats or bits.
#include "deltas.hpp"
#include "philox.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {

void dropDeltasF32(float* dst, const float* x, const float* base, std::size_t n, double probability,
                   std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh,
                   std::uint32_t step, std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  const bool all = probability >= 1;
  const std::uint32_t threshold = all ? 0 : static_cast<std::uint32_t>(probability * 0x1p32);
  forEachPiece(stream, n, [=](std::size_t first, std::size_t count, const std::uint32_t* words) {
    withDeltas(x, base, [=](auto deltas) {
      std::size_t i = 0;
      for (; i + kFloats <= count; i += kFloats) {
        const U32 keep = all ? ~U32{} : (U32)(loadAs<U32>(words + i) < threshold);
        store(dst + first + i, (F32)((U32)deltas.vector(first + i) & keep));
      }
      for (; i < count; ++i) dst[first + i] = all || words[i] < threshold ? deltas.scalar(first + i) : 0.0F;
    });
  });
}

void gateDeltaF32(float* dst, const float* x, const float* base, const float* gate, std::size_t n) {
  std::size_t i = 0;
  for (; i + kFloats <= n; i += kFloats) {
    const F32 d = load(x + i) - load(base + i);
    store(dst + i, (F32)((U32)d & (U32)(load(gate + i) != 0.0F)));
  }
  for (; i < n; ++i) dst[i] = gate[i] != 0.0F ? x[i] - base[i] : 0.0F;
}

void packNonZeroU8(std::uint8_t* bits, const float* x, std::size_t n) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    unsigned word = 0;
    for (std::size_t v = 0; v < 16; v += kFloats) word |= laneBits((I32)(load(x + i + v) != 0.0F)) << v;
    bits[i / 8] = static_cast<std::uint8_t>(word);
    bits[i / 8 + 1] = static_cast<std::uint8_t>(word >> 8);
  }
  for (; i < n; ++i) {
    if (i % 8 == 0) bits[i / 8] = 0;
    if (x[i] != 0.0F) bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | 1u << i % 8);
  }
}

void gateBitsDeltaF32(float* dst, const float* x, const float* base, const std::uint8_t* bits,
                      std::size_t n) {
  U32 ownBit;
  for (std::size_t lane = 0; lane < kFloats; ++lane) ownBit[lane] = 1u << lane;
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const std::uint32_t word = bits[i / 8] | std::uint32_t{bits[i / 8 + 1]} << 8;
    for (std::size_t v = 0; v < 16; v += kFloats) {
      const U32 open = (U32)(((U32{} + (word >> v)) & ownBit) != 0);
      store(dst + i + v, (F32)((U32)(load(x + i + v) - load(base + i + v)) & open));
    }
  }
  for (; i < n; ++i) dst[i] = (bits[i / 8] >> i % 8 & 1) != 0 ? x[i] - base[i] : 0.0F;
}

}  // namespace heddle::HEDDLE_ISA
