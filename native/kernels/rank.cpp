// Differences to a base kept or dropped by the rank of their magnitude.
#include "deltas.hpp"
#include "philox.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {
namespace {

constexpr std::uint32_t kMagnitude = 0x7fffffff;
constexpr std::uint32_t kInfinity = 0x7f800000;
constexpr std::uint32_t kQuietNan = 0x7fc00000;

/// Bits of |v|; every NaN counts as the quiet one.
HEDDLE_INLINE U32 magnitudeOf(F32 v) {
  const U32 m = bitsOf(v) & kMagnitude;
  return m > kInfinity ? U32{} + kQuietNan : m;
}
HEDDLE_INLINE std::uint32_t magnitudeOf(float v) {
  const std::uint32_t m = bitsOf(v) & kMagnitude;
  return m > kInfinity ? kQuietNan : m;
}

template <typename Deltas>
HEDDLE_INLINE void countMagnitudes(std::uint32_t* counts, Deltas deltas, std::size_t n, std::uint32_t prefix,
                                   std::uint32_t prefixShift, std::uint32_t shift, std::uint32_t last) {
  std::size_t i = 0;
  if (prefixShift >= 31 && prefix == 0) {
    std::uint32_t digits[kFloats];
    for (; i + kFloats <= n; i += kFloats) {
      store(digits, (magnitudeOf(deltas.vector(i)) >> shift) & last);
      for (std::size_t lane = 0; lane < kFloats; ++lane) ++counts[digits[lane]];
    }
  } else {
    // Few match, as a rule.
    for (; i + kFloats <= n; i += kFloats) {
      const U32 m = magnitudeOf(deltas.vector(i));
      unsigned matches = laneBits((I32)((m >> prefixShift) == prefix));
      if (matches == 0) continue;
      std::uint32_t digits[kFloats];
      store(digits, (m >> shift) & last);
      for (; matches != 0; matches &= matches - 1) ++counts[digits[__builtin_ctz(matches)]];
    }
  }
  for (; i < n; ++i) {
    const std::uint32_t m = magnitudeOf(deltas.scalar(i));
    if (m >> prefixShift == prefix) ++counts[(m >> shift) & last];
  }
}

template <typename Deltas>
HEDDLE_INLINE void keepBand(float* dst, std::uint32_t* quota, Deltas deltas, std::size_t n, std::uint32_t low,
                            std::uint32_t high) {
  const auto one = [=](std::size_t at) {
    const float d = deltas.scalar(at);
    const std::uint32_t m = magnitudeOf(d);
    bool keep = m > low && m <= high;
    if (m == high && quota[0] > 0) {
      --quota[0];
      keep = false;
    } else if (m == low && quota[1] > 0) {
      --quota[1];
      keep = true;
    }
    dst[at] = keep ? d : 0.0F;
  };
  std::size_t i = 0;
  for (; i + kFloats <= n; i += kFloats) {
    const F32 d = deltas.vector(i);
    const U32 m = magnitudeOf(d);
    const U32 atLow = (U32)(m == low);
    const U32 atHigh = (U32)(m == high);
    U32 keep = (U32)((m > low) & (m < high));
    const unsigned bits = laneBits((I32)(atLow | atHigh));
    if (bits != 0) {
      // Values of few bits have many ties: as long as a quota lasts for all of a vector, or is used up, they
      // are settled together.
      const auto highs = static_cast<std::uint32_t>(__builtin_popcount(laneBits((I32)atHigh)));
      const auto lows = static_cast<std::uint32_t>(__builtin_popcount(laneBits((I32)atLow)));
      const bool together =
          low != high && (quota[0] == 0 || quota[0] >= highs) && (quota[1] == 0 || quota[1] >= lows);
      if (!together) {
        for (std::size_t lane = 0; lane < kFloats; ++lane) one(i + lane);
        continue;
      }
      if (quota[0] == 0)
        keep |= atHigh;
      else
        quota[0] -= highs;
      if (quota[1] != 0) {
        keep |= atLow;
        quota[1] -= lows;
      }
    }
    store(dst + i, (F32)((U32)d & keep));
  }
  for (; i < n; ++i) one(i);
}

/// Linear buckets of a row: about one for every two elements, so that a bucket of a bell curve holds a few.
constexpr std::size_t kMostBuckets = 4096;
/// Ranks that are counted one by one before the whole row is sorted instead: each reads the row once, by
/// vectors, while sorting costs some thirty times that.
constexpr std::size_t kMostOpen = 256;

/// One row whose elements are kept by rank: magnitudes, and thresholds that go with the rank.
struct RankedRow {
  std::uint32_t* keys;   // bits of the magnitudes
  std::uint32_t* ranks;  // of each element, after `sort`; before, its bucket
  std::uint32_t* orders[2];
  std::size_t length;
  double least;
  double slope;
  bool expectation;  // kept elements are divided by their probability

  HEDDLE_INLINE double probabilityAt(std::size_t rank) const {
    return least + slope * static_cast<double>(rank);
  }
  HEDDLE_INLINE bool keeps(std::uint32_t word, std::size_t rank) const {
    return static_cast<double>(word) + 1.0 <= probabilityAt(rank) * 0x1p32;
  }

  /// What becomes of delta d of that rank.
  HEDDLE_INLINE float settled(float d, std::uint32_t word, std::size_t rank) const {
    if (!keeps(word, rank)) return 0.0F;
    return expectation ? static_cast<float>(static_cast<double>(d) / probabilityAt(rank)) : d;
  }

  /// Ranks from a stable radix sort of the 31 bits, in three digits of 11.
  void sort() const {
    constexpr std::size_t kDigits = 2048;
    std::uint32_t counts[3][kDigits] = {};
    for (std::size_t j = 0; j < length; ++j) {
      const std::uint32_t key = keys[j];
      ++counts[0][key & 2047];
      ++counts[1][key >> 11 & 2047];
      ++counts[2][key >> 22];
      orders[0][j] = static_cast<std::uint32_t>(j);
    }
    const std::uint32_t* from = orders[0];
    std::uint32_t* to = orders[1];
    for (std::uint32_t digit = 0; digit < 3; ++digit) {
      std::uint32_t next = 0;
      for (std::uint32_t& count : counts[digit]) {
        const std::uint32_t held = count;
        count = next;
        next += held;
      }
      const std::uint32_t shift = 11 * digit;
      for (std::size_t r = 0; r < length; ++r) to[counts[digit][keys[from[r]] >> shift & 2047]++] = from[r];
      from = to;
      to = orders[digit & 1];
    }
    for (std::size_t r = 0; r < length; ++r) ranks[from[r]] = static_cast<std::uint32_t>(r);
  }

  /// Rank of element j, by comparing it with all.
  std::size_t rankOf(std::size_t j) const {
    const std::uint32_t key = keys[j];
    I32 counts{};
    std::size_t i = 0;
    for (; i + kFloats <= length; i += kFloats) counts -= (I32)(loadAs<U32>(keys + i) < key);
    std::size_t rank = 0;
    for (std::size_t lane = 0; lane < kFloats; ++lane) rank += static_cast<std::size_t>(counts[lane]);
    for (; i < length; ++i) rank += keys[i] < key ? 1 : 0;
    counts = I32{};
    for (i = 0; i + kFloats <= j; i += kFloats) counts -= (I32)(loadAs<U32>(keys + i) == key);
    for (std::size_t lane = 0; lane < kFloats; ++lane) rank += static_cast<std::size_t>(counts[lane]);
    for (; i < j; ++i) rank += keys[i] == key ? 1 : 0;
    return rank;
  }
};

/// Calls use(first, count, words) for consecutive pieces of `length` elements from `from` of the stream on.
template <typename Use>
HEDDLE_INLINE void forEachWords(const Stream& stream, std::size_t from, std::size_t length, Use use) {
  constexpr std::size_t kPiece = 1024;
  std::uint32_t words[kPiece + kBatch];
  for (std::size_t first = 0; first < length; first += kPiece) {
    const std::size_t count = length - first < kPiece ? length - first : kPiece;
    const std::size_t skipped = (from + first) % 4;
    fillWords(words, stream, from + first - skipped, count + skipped);
    use(first, count, static_cast<const std::uint32_t*>(words + skipped));
  }
}

void dropSorted(float* d, const RankedRow& row, std::size_t stride, const Stream& stream, std::size_t from) {
  row.sort();
  if (stride == 1) {
    forEachWords(stream, from, row.length,
                 [&](std::size_t first, std::size_t count, const std::uint32_t* words) {
                   for (std::size_t j = 0; j < count; ++j)
                     d[first + j] = row.settled(d[first + j], words[j], row.ranks[first + j]);
                 });
    return;
  }
  for (std::size_t j = 0; j < row.length; ++j)
    forEachWords(stream, from + j * stride, 1, [&](std::size_t, std::size_t, const std::uint32_t* words) {
      d[j * stride] = row.settled(d[j * stride], words[0], row.ranks[j]);
    });
}

/// Zeroes what a row of deltas drops. Most elements are settled without their rank: by a word that keeps or
/// drops at every rank, or at every rank that the element's bucket leaves possible.
void dropByBuckets(float* d, const RankedRow& row, std::uint32_t largest, const Stream& stream,
                   std::size_t from) {
  const std::size_t length = row.length;
  std::size_t buckets = 64;
  while (buckets < kMostBuckets && 2 * buckets < length) buckets *= 2;
  const float scale = static_cast<float>(buckets) / floatOf(largest);
  if (row.expectation || largest == 0 || largest >= kInfinity || !(scale < 3e38F)) {
    dropSorted(d, row, 1, stream, from);
    return;
  }
  std::uint32_t starts[kMostBuckets + 1];
  for (std::size_t b = 0; b <= buckets; ++b) starts[b] = 0;
  const I32 last = I32{} + static_cast<std::int32_t>(buckets - 1);
  std::size_t i = 0;
  for (; i + kFloats <= length; i += kFloats) {
    const I32 bucket = __builtin_convertvector(floatOf(loadAs<U32>(row.keys + i)) * scale, I32);
    store(row.ranks + i, bucket < last ? bucket : last);
    for (std::size_t lane = 0; lane < kFloats; ++lane) ++starts[row.ranks[i + lane]];
  }
  for (; i < length; ++i) {
    const auto bucket = static_cast<std::uint32_t>(floatOf(row.keys[i]) * scale);
    row.ranks[i] = bucket < buckets ? bucket : static_cast<std::uint32_t>(buckets - 1);
    ++starts[row.ranks[i]];
  }
  std::uint32_t next = 0;
  for (std::size_t b = 0; b <= buckets; ++b) {
    const std::uint32_t count = starts[b];
    starts[b] = next;
    next += count;
  }

  // Words below the first bound keep, words from the second on drop, whatever the rank.
  const double ends[2] = {row.least * 0x1p32,
                          (row.least + row.slope * static_cast<double>(length - 1)) * 0x1p32};
  const double low = ends[0] < ends[1] ? ends[0] : ends[1];
  const double high = ends[0] < ends[1] ? ends[1] : ends[0];
  constexpr double kMost = 4294967295.0;
  const std::uint32_t keepBelow = !(low > 0) ? 0 : static_cast<std::uint32_t>(low < kMost ? low : kMost);
  const bool canDrop = high <= kMost;
  const std::uint32_t dropFrom = !canDrop ? 0 : high > 0 ? static_cast<std::uint32_t>(high) : 0;
  struct {
    std::uint32_t at;
    std::uint32_t word;
  } open[kMostOpen];
  std::size_t opened = 0;
  const auto settle = [&](std::size_t j, std::uint32_t word) {
    const std::uint32_t bucket = row.ranks[j];
    const bool first = row.keeps(word, starts[bucket]);
    if (first == row.keeps(word, starts[bucket + 1] - 1)) {
      if (!first) d[j] = 0.0F;
      return;
    }
    if (opened < kMostOpen) open[opened] = {static_cast<std::uint32_t>(j), word};
    ++opened;
  };
  forEachWords(stream, from, length, [&](std::size_t first, std::size_t count, const std::uint32_t* words) {
    std::size_t j = 0;
    for (; j + kFloats <= count; j += kFloats) {
      const U32 w = loadAs<U32>(words + j);
      const U32 drops = canDrop ? (U32)(w >= dropFrom) : U32{};
      store(d + first + j, (F32)(loadAs<U32>(d + first + j) & ~drops));
      for (unsigned left = laneBits((I32)(~(drops | (U32)(w < keepBelow)))); left != 0; left &= left - 1) {
        const std::size_t lane = static_cast<std::size_t>(__builtin_ctz(left));
        settle(first + j + lane, words[j + lane]);
      }
    }
    for (; j < count; ++j) settle(first + j, words[j]);
  });
  if (opened > kMostOpen) {
    dropSorted(d, row, 1, stream, from);
    return;
  }
  for (std::size_t k = 0; k < opened; ++k)
    if (!row.keeps(open[k].word, row.rankOf(open[k].at))) d[open[k].at] = 0.0F;
}

}  // namespace

void countMagnitudesU32(std::uint32_t* counts, const float* x, const float* base, std::size_t n,
                        std::uint32_t prefix, std::uint32_t prefixShift, std::uint32_t shift,
                        std::uint32_t digits) {
  withDeltas(x, base, [=](auto deltas) {
    countMagnitudes(counts, deltas, n, prefix, prefixShift, shift, digits - 1);
  });
}

void keepBandF32(float* dst, std::uint32_t* quota, const float* x, const float* base, std::size_t n,
                 std::uint32_t lowBits, std::uint32_t highBits) {
  withDeltas(x, base, [=](auto deltas) { keepBand(dst, quota, deltas, n, lowBits, highBits); });
}

void dropRankedDeltasF32(float* dst, std::uint32_t* scratch, const float* x, const float* base, std::size_t n,
                         std::uint32_t length, std::uint32_t stride, double least, double slope,
                         std::uint32_t expectation, std::uint32_t lead, std::uint32_t key0,
                         std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh,
                         std::uint32_t step, std::uint32_t site) {
  const Stream stream(key0, key1, blockLow, blockHigh, step, site);
  const std::size_t size = length;
  const RankedRow row{scratch, scratch + size,  {scratch + 2 * size, scratch + 3 * size}, size, least,
                      slope,   expectation != 0};
  withDeltas(x, base, [&](auto deltas) {
    if (stride == 1) {
      for (std::size_t first = 0; first < n; first += size) {
        U32 largest{};
        std::size_t j = 0;
        for (; j + kFloats <= size; j += kFloats) {
          const F32 d = deltas.vector(first + j);
          const U32 key = magnitudeOf(d);
          store(dst + first + j, d);
          store(row.keys + j, key);
          largest = (U32)larger((I32)key, (I32)largest);
        }
        std::uint32_t most = 0;
        for (std::size_t lane = 0; lane < kFloats; ++lane) most = largest[lane] > most ? largest[lane] : most;
        for (; j < size; ++j) {
          const float d = deltas.scalar(first + j);
          dst[first + j] = d;
          row.keys[j] = magnitudeOf(d);
          most = row.keys[j] > most ? row.keys[j] : most;
        }
        dropByBuckets(dst + first, row, most, stream, lead + first);
      }
      return;
    }
    for (std::size_t group = 0; group < n; group += size * stride)
      for (std::size_t first = group; first < group + stride; ++first) {
        for (std::size_t j = 0; j < size; ++j) {
          const float d = deltas.scalar(first + j * stride);
          dst[first + j * stride] = d;
          row.keys[j] = magnitudeOf(d);
        }
        dropSorted(dst + first, row, stride, stream, lead + first);
      }
  });
}

void selectRankU32(std::uint32_t* found, const std::uint32_t* counts, std::size_t n, std::uint32_t rank) {
  constexpr std::size_t kBlockDigits = 256;
  std::size_t end = n;
  // Whole blocks that the rank lies beyond; the block that holds it is walked digit by digit.
  while (end > kBlockDigits) {
    std::uint32_t sum = 0;
    for (std::size_t i = end - kBlockDigits; i < end; ++i) sum += counts[i];
    if (rank <= sum) break;
    rank -= sum;
    end -= kBlockDigits;
  }
  std::size_t digit = end == 0 ? 0 : end - 1;
  while (digit > 0 && rank > counts[digit]) rank -= counts[digit--];
  found[0] = static_cast<std::uint32_t>(digit);
  found[1] = rank;
}

}  // namespace heddle::HEDDLE_ISA
