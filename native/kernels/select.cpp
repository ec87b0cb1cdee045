#include "lanes.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::uint32_t kMagnitude = 0x7fffffff;

/// The digit that holds the element with `rank` larger ones before it, counting from the top; lowers rank to
/// that within the digit.
std::uint32_t findDigit(const std::uint32_t* histogram, std::uint32_t digits, std::uint64_t& rank) {
  std::uint32_t digit = digits - 1;
  while (histogram[digit] <= rank) rank -= histogram[digit--];
  return digit;
}

/// Counts the 10-bit digit at `shift` of the elements whose magnitude starts with `prefix`: few of them, as a
/// rule.
void countDigits(std::uint32_t* histogram, const float* x, std::size_t n, std::uint32_t prefix, int shift) {
  const int prefixShift = shift + 10;
  const auto count = [=](std::uint32_t magnitude) { ++histogram[magnitude >> shift & 1023]; };
  std::size_t i = 0;
#if defined(HEDDLE_AVX512)
  // Matches are packed into a buffer first: whether a vector holds one is a coin that no branch predictor
  // guesses.
  constexpr std::size_t kBuffered = 1024;
  std::uint32_t found[kBuffered + kFloats];
  std::size_t held = 0;
  const auto flush = [&] {
    for (std::size_t f = 0; f < held; ++f) count(found[f]);
    held = 0;
  };
  for (; i + kFloats <= n; i += kFloats) {
    const U32 magnitude = loadAs<U32>(x + i) & kMagnitude;
    const __mmask16 matches = _mm512_movepi32_mask((__m512i)(magnitude >> prefixShift == prefix));
    store(found + held, _mm512_maskz_compress_epi32(matches, (__m512i)magnitude));
    held += static_cast<std::size_t>(__builtin_popcount(matches));
    if (held >= kBuffered) flush();
  }
  flush();
#elif defined(__x86_64__)
  for (; i + kFloats <= n; i += kFloats) {
    const U32 magnitude = loadAs<U32>(x + i) & kMagnitude;
    const F32 matches = (F32)(magnitude >> prefixShift == prefix);
#if defined(HEDDLE_AVX2)
    int bits = _mm256_movemask_ps(matches);
#else
    int bits = _mm_movemask_ps(matches);
#endif
    for (; bits != 0; bits &= bits - 1)
      count(bitsOf(x[i + static_cast<std::size_t>(__builtin_ctz(bits))]) & kMagnitude);
  }
#endif
  for (; i < n; ++i)
    if ((bitsOf(x[i]) & kMagnitude) >> prefixShift == prefix) count(bitsOf(x[i]) & kMagnitude);
}

HEDDLE_INLINE void copyRun(float* dst, const float* src, std::size_t n) {
  std::size_t i = 0;
  for (; i + kFloats <= n; i += kFloats) store(dst + i, load(src + i));
  for (; i < n; ++i) dst[i] = src[i];
}

}  // namespace

// Radix selection from the top: 11, 10 and 10 bits of the 31-bit magnitude, each a pass with a histogram.
float magnitudeThresholdF32(const float* x, std::size_t n, std::uint32_t k) {
  if (k == 0) return __builtin_inff();
  if (k > n) return 0;
  // Four tables in turn: neighbours often share a digit, and one counter would wait for its own store each
  // time.
  constexpr std::uint32_t kDigits = 2048;
  constexpr std::size_t kTables = 4;
  std::uint32_t histogram[kTables][kDigits] = {};
  std::size_t i = 0;
  for (; i + kTables <= n; i += kTables)
    for (std::size_t t = 0; t < kTables; ++t) ++histogram[t][(bitsOf(x[i + t]) & kMagnitude) >> 20];
  for (; i < n; ++i) ++histogram[0][(bitsOf(x[i]) & kMagnitude) >> 20];
  for (std::uint32_t d = 0; d < kDigits; ++d)
    for (std::size_t t = 1; t < kTables; ++t) histogram[0][d] += histogram[t][d];

  std::uint64_t rank = k - 1;
  std::uint32_t prefix = findDigit(histogram[0], kDigits, rank);
  for (int shift = 10; shift >= 0; shift -= 10) {
    std::uint32_t* const digits = histogram[1];
    for (std::uint32_t d = 0; d < 1024; ++d) digits[d] = 0;
    countDigits(digits, x, n, prefix, shift);
    prefix = prefix << 10 | findDigit(digits, 1024, rank);
  }
  return floatOf(prefix);
}

void gatherBlocksF32(float* __restrict dst, const float* __restrict src, const std::uint32_t* __restrict rows,
                     const std::uint32_t* __restrict columns, std::size_t rowCount, std::size_t columnCount,
                     std::uint32_t, std::uint32_t sourceColumns, std::uint32_t inner) {
  for (std::size_t r = 0; r < rowCount; ++r) {
    const float* const row = src + std::size_t{rows[r]} * sourceColumns * inner;
    float* const out = dst + r * columnCount * inner;
    if (inner == 1)
      for (std::size_t c = 0; c < columnCount; ++c) out[c] = row[columns[c]];
    else
      for (std::size_t c = 0; c < columnCount; ++c)
        copyRun(out + c * inner, row + std::size_t{columns[c]} * inner, inner);
  }
}

void scatterBlocksF32(float* __restrict dst, const float* __restrict src,
                      const std::uint32_t* __restrict rows, const std::uint32_t* __restrict columns,
                      std::size_t rowCount, std::size_t columnCount, std::uint32_t,
                      std::uint32_t targetColumns, std::uint32_t inner) {
  for (std::size_t r = 0; r < rowCount; ++r) {
    float* const row = dst + std::size_t{rows[r]} * targetColumns * inner;
    const float* const in = src + r * columnCount * inner;
    if (inner == 1)
      for (std::size_t c = 0; c < columnCount; ++c) row[columns[c]] = in[c];
    else
      for (std::size_t c = 0; c < columnCount; ++c)
        copyRun(row + std::size_t{columns[c]} * inner, in + c * inner, inner);
  }
}

void gatherRowsU8F32(float* __restrict dst, const std::uint8_t* __restrict src,
                     const std::uint32_t* __restrict index, const float* __restrict scales,
                     const float* __restrict shifts, std::size_t rows, std::uint32_t, std::uint32_t cols,
                     std::uint32_t channels) {
  const std::size_t plane = cols / channels;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < channels; ++c) {
      const std::uint8_t* const in = src + std::size_t{index[r]} * cols + c * plane;
      float* const out = dst + r * cols + c * plane;
      const float scale = scales[c];
      const float shift = shifts[c];
      for (std::size_t j = 0; j < plane; ++j) out[j] = static_cast<float>(in[j]) * scale + shift;
    }
}

void gatherRowsF32(float* __restrict dst, const float* __restrict src, const std::uint32_t* __restrict index,
                   std::size_t rows, std::uint32_t, std::uint32_t cols) {
  for (std::size_t r = 0; r < rows; ++r) copyRun(dst + r * cols, src + std::size_t{index[r]} * cols, cols);
}

void gatherI32(std::int32_t* __restrict dst, const std::int32_t* __restrict src,
               const std::uint32_t* __restrict index, std::size_t rows, std::size_t) {
  for (std::size_t r = 0; r < rows; ++r) dst[r] = src[index[r]];
}

}  // namespace heddle::HEDDLE_ISA
