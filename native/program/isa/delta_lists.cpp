// Gradients as lists of what is not 0. Behind a 2 x 2 max pool and a rectifier about one element in seven is
// left.
#include "conv.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

struct Writer {
  std::uint32_t* position;
  float* value;
  std::size_t count = 0;

  void add(bool keep, std::size_t at, float v) {
    position[count] = static_cast<std::uint32_t>(at);
    value[count] = v;
    count += keep;
  }

#if defined(__AVX512F__)
  void add(__mmask16 keep, __m512i at, __m512 v) {
    _mm512_storeu_si512(position + count, _mm512_maskz_compress_epi32(keep, at));
    _mm512_storeu_ps(value + count, _mm512_maskz_compress_ps(keep, v));
    count += static_cast<std::size_t>(__builtin_popcount(keep));
  }
#endif
};

#if defined(__AVX512F__)
inline __m512i countUp() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
inline __mmask16 firstLanes(std::size_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1);
}
#endif

#if defined(__AVX512F__)
/// One row of at most 16 windows: what is alive is found once, then written image row by image row.
void addPooledBlock(Writer& out, const PooledDelta& p, std::size_t first, std::size_t count,
                    std::size_t plane, std::size_t rowStart, std::size_t width) {
  const __mmask16 lanes = firstLanes(count);
  const __m512 dy = _mm512_maskz_loadu_ps(lanes, p.dy + first);
  const __m512i place = _mm512_maskz_loadu_epi32(lanes, p.places + first);
  const __m512i at = _mm512_sub_epi32(place, _mm512_set1_epi32(static_cast<int>(plane + rowStart)));
  __mmask16 alive = _mm512_mask_cmp_ps_mask(lanes, dy, _mm512_setzero_ps(), _CMP_NEQ_UQ);
  alive = _mm512_mask_cmp_epu32_mask(alive, at, _mm512_set1_epi32(static_cast<int>(p.window * width)),
                                     _MM_CMPINT_LT);
  if (p.y != nullptr) {
    const __m512 y = p.pooled != nullptr
                         ? _mm512_maskz_loadu_ps(lanes, p.pooled + first)
                         : _mm512_mask_i32gather_ps(_mm512_setzero_ps(), alive, place, p.y, 4);
    alive = _mm512_mask_cmp_ps_mask(alive, y, _mm512_setzero_ps(), _CMP_GT_OQ);
  }
  const __m512i position = _mm512_add_epi32(at, _mm512_set1_epi32(static_cast<int>(rowStart)));
  for (std::size_t row = 1; row <= p.window; ++row) {
    const __mmask16 here = _mm512_mask_cmp_epu32_mask(
        alive, at, _mm512_set1_epi32(static_cast<int>(row * width)), _MM_CMPINT_LT);
    out.add(here, position, dy);
    alive = static_cast<__mmask16>(alive & ~here);
  }
}
#endif

/// One row of windows, the elements of image row `y` only.
void addPooledRow(Writer& out, const PooledDelta& p, std::size_t first, std::size_t plane,
                  std::size_t rowStart, std::size_t rowEnd) {
#if defined(__AVX512F__)
  // Rows of more than 16 windows: one block of windows after another would leave the order of the image row.
  const __m512i base = _mm512_set1_epi32(static_cast<int>(plane));
  for (std::size_t ox = 0; ox < p.pooledWidth; ox += 16) {
    const __mmask16 lanes = firstLanes(p.pooledWidth - ox);
    const __m512 dy = _mm512_maskz_loadu_ps(lanes, p.dy + first + ox);
    const __m512i place = _mm512_maskz_loadu_epi32(lanes, p.places + first + ox);
    const __m512i at = _mm512_sub_epi32(place, base);
    __mmask16 keep = _mm512_mask_cmp_ps_mask(lanes, dy, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    keep =
        _mm512_mask_cmp_epu32_mask(keep, at, _mm512_set1_epi32(static_cast<int>(rowStart)), _MM_CMPINT_NLT);
    keep = _mm512_mask_cmp_epu32_mask(keep, at, _mm512_set1_epi32(static_cast<int>(rowEnd)), _MM_CMPINT_LT);
    if (p.y != nullptr) {
      const __m512 y = p.pooled != nullptr
                           ? _mm512_maskz_loadu_ps(lanes, p.pooled + first + ox)
                           : _mm512_mask_i32gather_ps(_mm512_setzero_ps(), keep, place, p.y, 4);
      keep = _mm512_mask_cmp_ps_mask(keep, y, _mm512_setzero_ps(), _CMP_GT_OQ);
    }
    out.add(keep, at, dy);
  }
#elif defined(__AVX2__)
  const __m256i base = _mm256_set1_epi32(static_cast<int>(plane));
  const __m256i before = _mm256_set1_epi32(static_cast<int>(rowStart) - 1);
  const __m256i end = _mm256_set1_epi32(static_cast<int>(rowEnd));
  for (std::size_t ox = 0; ox < p.pooledWidth; ox += 8) {
    const __m256i lanes = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(p.pooledWidth - ox)),
                                             _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const __m256 dy = _mm256_maskload_ps(p.dy + first + ox, lanes);
    const __m256i place = _mm256_maskload_epi32(reinterpret_cast<const int*>(p.places + first + ox), lanes);
    const __m256i at = _mm256_sub_epi32(place, base);
    const __m256i inRow = _mm256_and_si256(_mm256_cmpgt_epi32(at, before), _mm256_cmpgt_epi32(end, at));
    __m256 keep = _mm256_and_ps(_mm256_cmp_ps(dy, _mm256_setzero_ps(), _CMP_NEQ_UQ),
                                _mm256_castsi256_ps(_mm256_and_si256(inRow, lanes)));
    if (p.y != nullptr) {
      const __m256 y = p.pooled != nullptr
                           ? _mm256_maskload_ps(p.pooled + first + ox, lanes)
                           : _mm256_mask_i32gather_ps(_mm256_setzero_ps(), p.y, place, keep, 4);
      keep = _mm256_and_ps(keep, _mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_GT_OQ));
    }
    for (auto bits = static_cast<unsigned>(_mm256_movemask_ps(keep)); bits != 0; bits &= bits - 1) {
      const std::size_t i = first + ox + static_cast<std::size_t>(__builtin_ctz(bits));
      out.add(true, p.places[i] - plane, p.dy[i]);
    }
  }
#else
  for (std::size_t ox = 0; ox < p.pooledWidth; ++ox) {
    const float dy = p.dy[first + ox];
    const std::size_t place = p.places[first + ox];
    const std::size_t at = place - plane;
    const bool listed = !(dy == 0) & (at >= rowStart) & (at < rowEnd);
    // Without a branch, which would go either way: what is not listed looks at the plane's first element.
    const bool alive =
        p.y == nullptr || (p.pooled != nullptr ? p.pooled[first + ox] : p.y[listed ? place : plane]) > 0;
    out.add(listed & alive, at, dy);
  }
#endif
}

}  // namespace

void listDelta(const DeltaLists& lists, const float* dy, const ConvShape& s) {
  Writer out{lists.position, lists.value};
  const std::size_t pixels = s.outPixels();
  for (std::size_t plane = 0; plane < s.batch * s.outChannels; ++plane) {
    lists.start[plane] = static_cast<std::uint32_t>(out.count);
    const float* from = dy + plane * pixels;
#if defined(__AVX512F__)
    for (std::size_t i = 0; i < pixels; i += 16) {
      const __mmask16 lanes = firstLanes(pixels - i);
      const __m512 v = _mm512_maskz_loadu_ps(lanes, from + i);
      const __mmask16 keep = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
      out.add(keep, _mm512_add_epi32(countUp(), _mm512_set1_epi32(static_cast<int>(i))), v);
    }
#else
    for (std::size_t i = 0; i < pixels; ++i) out.add(!(from[i] == 0), i, from[i]);
#endif
  }
  lists.start[s.batch * s.outChannels] = static_cast<std::uint32_t>(out.count);
}

void listPooledDelta(const DeltaLists& lists, const PooledDelta& p, const ConvShape& s) {
  Writer out{lists.position, lists.value};
  const std::size_t pixels = s.outPixels();
  for (std::size_t plane = 0; plane < s.batch * s.outChannels; ++plane) {
    lists.start[plane] = static_cast<std::uint32_t>(out.count);
    for (std::size_t oy = 0; oy < p.pooledHeight; ++oy) {
#if defined(__AVX512F__)
      if (p.pooledWidth <= 16) {
        addPooledBlock(out, p, (plane * p.pooledHeight + oy) * p.pooledWidth, p.pooledWidth, plane * pixels,
                       oy * p.window * s.outWidth, s.outWidth);
        continue;
      }
#endif
      for (std::size_t row = oy * p.window; row < (oy + 1) * p.window; ++row)
        addPooledRow(out, p, (plane * p.pooledHeight + oy) * p.pooledWidth, plane * pixels, row * s.outWidth,
                     (row + 1) * s.outWidth);
    }
  }
  lists.start[s.batch * s.outChannels] = static_cast<std::uint32_t>(out.count);
}

void sumLists(float* db, const DeltaLists& lists, const ConvShape& s, float alpha, float beta) {
  for (std::size_t co = 0; co < s.outChannels; ++co) {
    float acc = 0;
    for (std::size_t n = 0; n < s.batch; ++n) {
      const std::uint32_t* range = lists.start + n * s.outChannels + co;
      for (std::size_t i = range[0]; i < range[1]; ++i) acc += lists.value[i];
    }
    const float v = alpha == 1 ? acc : alpha * acc;
    db[co] = beta == 0 ? v : v + beta * db[co];
  }
}

void sumListRows(float* out, const DeltaLists& lists, const ConvShape& s, float beta) {
  for (std::size_t plane = 0; plane < s.batch * s.outChannels; ++plane) {
    float acc = 0;
    for (std::size_t i = lists.start[plane]; i < lists.start[plane + 1]; ++i) acc += lists.value[i];
    out[plane] = beta == 0 ? acc : acc + beta * out[plane];
  }
}

}  // namespace heddle::HEDDLE_ISA
