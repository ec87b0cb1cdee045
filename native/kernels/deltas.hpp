// Differences d = x - base in float32, of vectors whose base need not be there.
#pragma once
#include "lanes.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

/// A bit for every lane of a compare.
HEDDLE_INLINE unsigned laneBits(I32 mask) {
#if defined(HEDDLE_AVX512)
  return _mm512_movepi32_mask((__m512i)mask);
#elif defined(HEDDLE_AVX2)
  return static_cast<unsigned>(_mm256_movemask_ps((__m256)mask));
#elif defined(__x86_64__)
  return static_cast<unsigned>(_mm_movemask_ps((__m128)mask));
#else
  unsigned bits = 0;
  for (std::size_t i = 0; i < kFloats; ++i) bits |= (mask[i] != 0 ? 1u : 0u) << i;
  return bits;
#endif
}

/// Differences to a base, or values alone where there is none.
struct WithBase {
  const float* x;
  const float* base;
  HEDDLE_INLINE F32 vector(std::size_t i) const { return load(x + i) - load(base + i); }
  HEDDLE_INLINE float scalar(std::size_t i) const { return x[i] - base[i]; }
};
struct Plain {
  const float* x;
  HEDDLE_INLINE F32 vector(std::size_t i) const { return load(x + i); }
  HEDDLE_INLINE float scalar(std::size_t i) const { return x[i]; }
};

/// Calls use(deltas) with the differences that there are.
template <typename Use>
HEDDLE_INLINE void withDeltas(const float* x, const float* base, Use use) {
  if (base != nullptr)
    use(WithBase{x, base});
  else
    use(Plain{x});
}

}  // namespace
}  // namespace heddle::HEDDLE_ISA
