// Generated from src/kernels/table.ts by scripts/generate-kernels.mjs; do not edit.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/lengths.hpp"
#include "table.hpp"

namespace heddle {

enum class Dtype : std::uint8_t { f32, f64, u8, i8, u16, i32, u32 };

constexpr std::size_t kMaxOperands = 5;
constexpr std::size_t kMaxScalars = 13;

/// One call of a kernel: operand pointers (null where an optional one is absent), their element counts, and the scalars.
struct OpArgs {
  void* operands[kMaxOperands];
  std::size_t lengths[kMaxOperands];
  double scalars[kMaxScalars];
};

/// What a tape has to give for a kernel.
struct OpSignature {
  const char* name;
  bool onTape;
  std::uint8_t operandCount;
  std::uint8_t scalarCount;
  Dtype dtypes[kMaxOperands];
  bool writes[kMaxOperands];
};
constexpr OpSignature kSignatures[] = {
    {"fillF32", true, 1, 1, {Dtype::f32}, {true}},
    {"copyF32", true, 2, 0, {Dtype::f32, Dtype::f32}, {true, false}},
    {"scaleF32", true, 1, 1, {Dtype::f32}, {true}},
    {"axpyF32", true, 2, 1, {Dtype::f32, Dtype::f32}, {true, false}},
    {"addF32", true, 3, 0, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"subtractF32", true, 3, 0, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"multiplyF32", true, 3, 0, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"lerpF32", true, 3, 1, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"applyMaskF32", true, 2, 0, {Dtype::f32, Dtype::u8}, {true, false}},
    {"addF64", true, 2, 0, {Dtype::f64, Dtype::f64}, {true, false}},
    {"copyF64", true, 2, 0, {Dtype::f64, Dtype::f64}, {true, false}},
    {"fillF64", true, 1, 1, {Dtype::f64}, {true}},
    {"dotF32", true, 2, 0, {Dtype::f32, Dtype::f32}, {false, false}},
    {"sumSquaresF32", true, 1, 0, {Dtype::f32}, {false}},
    {"maxAbsF32", true, 1, 0, {Dtype::f32}, {false}},
    {"allFiniteF32", true, 1, 0, {Dtype::f32}, {false}},
    {"dotAndNormsF32", true, 3, 0, {Dtype::f64, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"sumSegmentsF32", true, 3, 0, {Dtype::f64, Dtype::f32, Dtype::u32}, {true, false, false}},
    {"sumSquaresRowsF32", true, 2, 1, {Dtype::f64, Dtype::f32}, {true, false}},
    {"clipInPlaceF32", true, 1, 1, {Dtype::f32}, {true}},
    {"clipAccumulateF64", true, 2, 2, {Dtype::f64, Dtype::f32}, {true, false}},
    {"accumulateF64", true, 2, 1, {Dtype::f64, Dtype::f32}, {true, false}},
    {"maskedAccumulateF64", true, 4, 1, {Dtype::f64, Dtype::f64, Dtype::f32, Dtype::u8}, {true, true, false, false}},
    {"meanF32", true, 2, 1, {Dtype::f32, Dtype::f64}, {true, false}},
    {"meanOfHoldersF32", true, 3, 1, {Dtype::f32, Dtype::f64, Dtype::f64}, {true, false, false}},
    {"weightedSumF32", false, 0, 0, {}, {}},
    {"magnitudeThresholdF32", true, 1, 1, {Dtype::f32}, {false}},
    {"gatherBlocksF32", true, 4, 3, {Dtype::f32, Dtype::f32, Dtype::u32, Dtype::u32}, {true, false, false, false}},
    {"scatterBlocksF32", true, 4, 3, {Dtype::f32, Dtype::f32, Dtype::u32, Dtype::u32}, {true, false, false, false}},
    {"gatherRowsU8F32", true, 5, 3, {Dtype::f32, Dtype::u8, Dtype::u32, Dtype::f32, Dtype::f32}, {true, false, false, false, false}},
    {"gatherRowsF32", true, 3, 2, {Dtype::f32, Dtype::f32, Dtype::u32}, {true, false, false}},
    {"gatherI32", true, 3, 0, {Dtype::i32, Dtype::i32, Dtype::u32}, {true, false, false}},
    {"randomBitsU32", true, 1, 6, {Dtype::u32}, {true}},
    {"uniformF32", true, 1, 6, {Dtype::f32}, {true}},
    {"normalF32", true, 1, 7, {Dtype::f32}, {true}},
    {"addNormalF32", true, 1, 7, {Dtype::f32}, {true}},
    {"normalF64", true, 1, 7, {Dtype::f64}, {true}},
    {"bernoulliU8", true, 1, 7, {Dtype::u8}, {true}},
    {"permutationU32", true, 1, 4, {Dtype::u32}, {true}},
    {"encodeF16", true, 2, 0, {Dtype::u16, Dtype::f32}, {true, false}},
    {"decodeF16", true, 2, 0, {Dtype::f32, Dtype::u16}, {true, false}},
    {"encodeBf16", true, 2, 0, {Dtype::u16, Dtype::f32}, {true, false}},
    {"decodeBf16", true, 2, 0, {Dtype::f32, Dtype::u16}, {true, false}},
    {"encodeF16Stochastic", true, 2, 6, {Dtype::u16, Dtype::f32}, {true, false}},
    {"encodeBf16Stochastic", true, 2, 6, {Dtype::u16, Dtype::f32}, {true, false}},
    {"quantizeInt8", true, 3, 1, {Dtype::i8, Dtype::f32, Dtype::f32}, {true, true, false}},
    {"quantizeInt8Stochastic", true, 3, 7, {Dtype::i8, Dtype::f32, Dtype::f32}, {true, true, false}},
    {"dequantizeInt8", true, 3, 1, {Dtype::f32, Dtype::i8, Dtype::f32}, {true, false, false}},
    {"dequantizeAccumulateInt8", true, 3, 2, {Dtype::f64, Dtype::i8, Dtype::f32}, {true, false, false}},
    {"encodeF8E4m3", true, 2, 0, {Dtype::u8, Dtype::f32}, {true, false}},
    {"decodeF8E4m3", true, 2, 0, {Dtype::f32, Dtype::u8}, {true, false}},
    {"encodeF8E5m2", true, 2, 0, {Dtype::u8, Dtype::f32}, {true, false}},
    {"decodeF8E5m2", true, 2, 0, {Dtype::f32, Dtype::u8}, {true, false}},
    {"accumulateSquaresF64", true, 2, 0, {Dtype::f64, Dtype::f32}, {true, false}},
    {"movingAverageSquaresF32", true, 2, 1, {Dtype::f32, Dtype::f32}, {true, false}},
    {"scoreUnitsF64", true, 2, 1, {Dtype::f64, Dtype::f64}, {true, false}},
    {"fisherAverageF32", false, 0, 0, {}, {}},
    {"gemmF32", true, 4, 8, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false, false}},
    {"outerRowsF32", true, 3, 3, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"conv2dF32", true, 4, 12, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false, false}},
    {"conv2dDataGradF32", true, 3, 11, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"conv2dWeightGradF32", true, 3, 13, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"conv2dWeightGradRowsF32", true, 3, 12, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"maxPoolF32", true, 3, 8, {Dtype::f32, Dtype::u32, Dtype::f32}, {true, true, false}},
    {"maxPoolGradF32", true, 3, 0, {Dtype::f32, Dtype::f32, Dtype::u32}, {true, false, false}},
    {"maxPoolGatherF32", true, 3, 0, {Dtype::f32, Dtype::f32, Dtype::u32}, {true, false, false}},
    {"averagePoolF32", true, 2, 8, {Dtype::f32, Dtype::f32}, {true, false}},
    {"averagePoolGradF32", true, 2, 8, {Dtype::f32, Dtype::f32}, {true, false}},
    {"reluF32", true, 2, 0, {Dtype::f32, Dtype::f32}, {true, false}},
    {"reluGradF32", true, 3, 0, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"tanhF32", true, 2, 0, {Dtype::f32, Dtype::f32}, {true, false}},
    {"tanhGradF32", true, 3, 0, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"sigmoidF32", true, 2, 0, {Dtype::f32, Dtype::f32}, {true, false}},
    {"sigmoidGradF32", true, 3, 0, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"expF32", true, 2, 0, {Dtype::f32, Dtype::f32}, {true, false}},
    {"logF32", true, 2, 0, {Dtype::f32, Dtype::f32}, {true, false}},
    {"dropoutF32", true, 2, 7, {Dtype::f32, Dtype::f32}, {true, false}},
    {"softmaxF32", true, 2, 1, {Dtype::f32, Dtype::f32}, {true, false}},
    {"logSoftmaxF32", true, 2, 1, {Dtype::f32, Dtype::f32}, {true, false}},
    {"softmaxCrossEntropyF32", true, 4, 2, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::i32}, {true, true, false, false}},
    {"countCorrectF32", true, 4, 1, {Dtype::f64, Dtype::f32, Dtype::f32, Dtype::i32}, {true, false, false, false}},
    {"addBiasF32", true, 2, 3, {Dtype::f32, Dtype::f32}, {true, false}},
    {"sumChannelsF32", true, 2, 5, {Dtype::f32, Dtype::f32}, {true, false}},
    {"sumSpatialRowsF32", true, 2, 2, {Dtype::f32, Dtype::f32}, {true, false}},
    {"scaleRowsF32", true, 2, 1, {Dtype::f32, Dtype::f32}, {true, false}},
    {"weightedSumRowsF32", true, 3, 2, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"transposeF32", true, 2, 2, {Dtype::f32, Dtype::f32}, {true, false}},
    {"ghostNormRowsF32", true, 3, 3, {Dtype::f64, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"clipFactorsF32", true, 2, 2, {Dtype::f32, Dtype::f64}, {true, false}},
    {"multiplyAddF32", true, 3, 1, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"squareF32", true, 2, 0, {Dtype::f32, Dtype::f32}, {true, false}},
    {"sgdStepF32", true, 3, 4, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, true, false}},
    {"adamStepF32", true, 4, 7, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f32}, {true, true, true, false}},
    {"addAffineTermF32", true, 4, 1, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false, false}},
    {"addAffineVectorF32", true, 4, 0, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false, false}},
    {"clipByNormF32", true, 2, 1, {Dtype::f32, Dtype::f64}, {true, false}},
    {"deltaWeightedSumF32", false, 0, 0, {}, {}},
    {"dotDeltasF64", false, 0, 0, {}, {}},
    {"sumAbsDeltaF64", true, 3, 0, {Dtype::f64, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"electMeanF32", false, 0, 0, {}, {}},
    {"varianceF32", false, 0, 0, {}, {}},
    {"addUniqueDeltasF32", false, 0, 0, {}, {}},
    {"countUniqueF64", false, 0, 0, {}, {}},
    {"nearSwapF32", true, 3, 1, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"measureChangeF64", true, 3, 0, {Dtype::f64, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"deltaWeightedSumHalf", false, 0, 0, {}, {}},
    {"weightedSumHalf", false, 0, 0, {}, {}},
    {"countMagnitudesU32", true, 3, 4, {Dtype::u32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"keepBandF32", true, 4, 2, {Dtype::f32, Dtype::u32, Dtype::f32, Dtype::f32}, {true, true, false, false}},
    {"dropRankedDeltasF32", true, 4, 12, {Dtype::f32, Dtype::u32, Dtype::f32, Dtype::f32}, {true, true, false, false}},
    {"selectRankU32", true, 2, 1, {Dtype::u32, Dtype::u32}, {true, false}},
    {"dropDeltasF32", true, 3, 7, {Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"gateDeltaF32", true, 4, 0, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f32}, {true, false, false, false}},
    {"packNonZeroU8", true, 2, 0, {Dtype::u8, Dtype::f32}, {true, false}},
    {"gateBitsDeltaF32", true, 4, 0, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::u8}, {true, false, false, false}},
    {"accumulateGramF64", true, 2, 1, {Dtype::f64, Dtype::f32}, {true, false}},
    {"addProductF64", true, 3, 3, {Dtype::f64, Dtype::f64, Dtype::f32}, {true, false, false}},
    {"factorCholeskyF64", true, 1, 2, {Dtype::f64}, {true}},
    {"solveCholeskyF64", true, 2, 1, {Dtype::f64, Dtype::f64}, {true, false}},
    {"divergenceRowsF64", true, 3, 2, {Dtype::f64, Dtype::f32, Dtype::f32}, {true, false, false}},
    {"scoreDeltaRowsF32", true, 4, 1, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f64}, {true, false, false, false}},
    {"takeScoredRowsF32", true, 4, 2, {Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f64}, {true, false, false, false}},
    {"addDeltaGramF32", false, 0, 0, {}, {}},
    {"addDeltaGramHalf", false, 0, 0, {}, {}},
};

namespace dispatch_detail {
/// Integers arrive as float64; out of range is undefined in C++, so it is clamped to 0 and caught by the checks.
template <typename T>
constexpr T scalarAs(double value) {
  if constexpr (static_cast<T>(0.5) != 0) {
    return static_cast<T>(value);
  } else if constexpr (static_cast<T>(-1) < 0) {
    return value >= -2147483648.0 && value <= 2147483647.0 ? static_cast<T>(value) : T{0};
  } else {
    return value >= 0 && value <= 4294967295.0 ? static_cast<T>(value) : T{0};
  }
}
}  // namespace dispatch_detail

/// The first requirement that the op does not obey, or the name of the first operand whose length does not follow from the
/// others and the scalars; null when all agree.
inline const char* checkOp(KernelId id, const OpArgs& op) {
  using namespace dispatch_detail;
  switch (id) {
    case KernelId::fillF32: {
      [[maybe_unused]] const auto value = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      return nullptr;
    }
    case KernelId::copyF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "src";
      return nullptr;
    }
    case KernelId::scaleF32: {
      [[maybe_unused]] const auto factor = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::axpyF32: {
      [[maybe_unused]] const auto a = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "y";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::addF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "a";
      if (op.lengths[2] != Extent{n}) return "b";
      return nullptr;
    }
    case KernelId::subtractF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "a";
      if (op.lengths[2] != Extent{n}) return "b";
      return nullptr;
    }
    case KernelId::multiplyF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "a";
      if (op.lengths[2] != Extent{n}) return "b";
      return nullptr;
    }
    case KernelId::lerpF32: {
      [[maybe_unused]] const auto t = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "a";
      if (op.lengths[2] != Extent{n}) return "b";
      return nullptr;
    }
    case KernelId::applyMaskF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      if (op.lengths[1] != Extent{n}) return "mask";
      return nullptr;
    }
    case KernelId::addF64: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "src";
      return nullptr;
    }
    case KernelId::copyF64: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "src";
      return nullptr;
    }
    case KernelId::fillF64: {
      [[maybe_unused]] const auto value = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      return nullptr;
    }
    case KernelId::dotF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "a";
      if (op.lengths[1] != Extent{n}) return "b";
      return nullptr;
    }
    case KernelId::sumSquaresF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::maxAbsF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::allFiniteF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::dotAndNormsF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[1];
      if (op.lengths[0] != Extent{3}) return "out";
      if (op.lengths[1] != Extent{n}) return "a";
      if (op.lengths[2] != Extent{n}) return "b";
      return nullptr;
    }
    case KernelId::sumSegmentsF32: {
      [[maybe_unused]] const std::size_t segments = op.lengths[0];
      [[maybe_unused]] const std::size_t n = op.lengths[1];
      if (op.lengths[0] != Extent{segments}) return "out";
      if (op.lengths[1] != Extent{n}) return "x";
      if (op.lengths[2] != Extent{segments} + Extent{1}) return "offsets";
      return nullptr;
    }
    case KernelId::sumSquaresRowsF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t rows = op.lengths[0];
      if (op.lengths[0] != Extent{rows}) return "out";
      if (op.lengths[1] != Extent{rows} * Extent{cols}) return "x";
      return nullptr;
    }
    case KernelId::clipInPlaceF32: {
      [[maybe_unused]] const auto maxNorm = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::clipAccumulateF64: {
      [[maybe_unused]] const auto maxNorm = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto weight = scalarAs<double>(op.scalars[1]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "acc";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::accumulateF64: {
      [[maybe_unused]] const auto weight = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "acc";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::maskedAccumulateF64: {
      [[maybe_unused]] const auto weight = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "acc";
      if (op.lengths[1] != Extent{n}) return "counts";
      if (op.lengths[2] != Extent{n}) return "x";
      if (op.lengths[3] != Extent{n}) return "mask";
      return nullptr;
    }
    case KernelId::meanF32: {
      [[maybe_unused]] const auto denominator = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "acc";
      return nullptr;
    }
    case KernelId::meanOfHoldersF32: {
      [[maybe_unused]] const auto minCount = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "acc";
      if (op.lengths[2] != Extent{n}) return "counts";
      return nullptr;
    }
    case KernelId::magnitudeThresholdF32: {
      [[maybe_unused]] const auto k = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::gatherBlocksF32: {
      [[maybe_unused]] const auto sourceRows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto sourceColumns = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto inner = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const std::size_t rowCount = op.lengths[2];
      [[maybe_unused]] const std::size_t columnCount = op.lengths[3];
      if (op.lengths[0] != Extent{rowCount} * Extent{columnCount} * Extent{inner}) return "dst";
      if (op.lengths[1] != Extent{sourceRows} * Extent{sourceColumns} * Extent{inner}) return "src";
      if (op.lengths[2] != Extent{rowCount}) return "rows";
      if (op.lengths[3] != Extent{columnCount}) return "columns";
      return nullptr;
    }
    case KernelId::scatterBlocksF32: {
      [[maybe_unused]] const auto targetRows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto targetColumns = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto inner = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const std::size_t rowCount = op.lengths[2];
      [[maybe_unused]] const std::size_t columnCount = op.lengths[3];
      if (op.lengths[0] != Extent{targetRows} * Extent{targetColumns} * Extent{inner}) return "dst";
      if (op.lengths[1] != Extent{rowCount} * Extent{columnCount} * Extent{inner}) return "src";
      if (op.lengths[2] != Extent{rowCount}) return "rows";
      if (op.lengths[3] != Extent{columnCount}) return "columns";
      return nullptr;
    }
    case KernelId::gatherRowsU8F32: {
      [[maybe_unused]] const auto sourceRows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const std::size_t rows = op.lengths[2];
      if (!(divides(Extent{channels}, Extent{cols}))) return "channels divides cols";
      if (op.lengths[0] != Extent{rows} * Extent{cols}) return "dst";
      if (op.lengths[1] != Extent{sourceRows} * Extent{cols}) return "src";
      if (op.lengths[2] != Extent{rows}) return "index";
      if (op.lengths[3] != Extent{channels}) return "scales";
      if (op.lengths[4] != Extent{channels}) return "shifts";
      return nullptr;
    }
    case KernelId::gatherRowsF32: {
      [[maybe_unused]] const auto sourceRows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const std::size_t rows = op.lengths[2];
      if (op.lengths[0] != Extent{rows} * Extent{cols}) return "dst";
      if (op.lengths[1] != Extent{sourceRows} * Extent{cols}) return "src";
      if (op.lengths[2] != Extent{rows}) return "index";
      return nullptr;
    }
    case KernelId::gatherI32: {
      [[maybe_unused]] const std::size_t rows = op.lengths[0];
      [[maybe_unused]] const std::size_t sourceRows = op.lengths[1];
      if (op.lengths[0] != Extent{rows}) return "dst";
      if (op.lengths[1] != Extent{sourceRows}) return "src";
      if (op.lengths[2] != Extent{rows}) return "index";
      return nullptr;
    }
    case KernelId::randomBitsU32: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "out";
      return nullptr;
    }
    case KernelId::uniformF32: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "out";
      return nullptr;
    }
    case KernelId::normalF32: {
      [[maybe_unused]] const auto stddev = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "out";
      return nullptr;
    }
    case KernelId::addNormalF32: {
      [[maybe_unused]] const auto stddev = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::normalF64: {
      [[maybe_unused]] const auto stddev = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "out";
      return nullptr;
    }
    case KernelId::bernoulliU8: {
      [[maybe_unused]] const auto probability = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "out";
      return nullptr;
    }
    case KernelId::permutationU32: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "out";
      return nullptr;
    }
    case KernelId::encodeF16: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "codes";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::decodeF16: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      if (op.lengths[1] != Extent{n}) return "codes";
      return nullptr;
    }
    case KernelId::encodeBf16: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "codes";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::decodeBf16: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      if (op.lengths[1] != Extent{n}) return "codes";
      return nullptr;
    }
    case KernelId::encodeF16Stochastic: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "codes";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::encodeBf16Stochastic: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "codes";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::quantizeInt8: {
      [[maybe_unused]] const auto block = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (!(Extent{1} <= Extent{block})) return "1 <= block";
      if (op.lengths[0] != Extent{n}) return "codes";
      if (op.lengths[1] != ceilDivide(Extent{n}, Extent{block})) return "scales";
      if (op.lengths[2] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::quantizeInt8Stochastic: {
      [[maybe_unused]] const auto block = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (!(Extent{1} <= Extent{block})) return "1 <= block";
      if (op.lengths[0] != Extent{n}) return "codes";
      if (op.lengths[1] != ceilDivide(Extent{n}, Extent{block})) return "scales";
      if (op.lengths[2] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::dequantizeInt8: {
      [[maybe_unused]] const auto block = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (!(Extent{1} <= Extent{block})) return "1 <= block";
      if (op.lengths[0] != Extent{n}) return "x";
      if (op.lengths[1] != Extent{n}) return "codes";
      if (op.lengths[2] != ceilDivide(Extent{n}, Extent{block})) return "scales";
      return nullptr;
    }
    case KernelId::dequantizeAccumulateInt8: {
      [[maybe_unused]] const auto block = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto weight = scalarAs<double>(op.scalars[1]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (!(Extent{1} <= Extent{block})) return "1 <= block";
      if (op.lengths[0] != Extent{n}) return "acc";
      if (op.lengths[1] != Extent{n}) return "codes";
      if (op.lengths[2] != ceilDivide(Extent{n}, Extent{block})) return "scales";
      return nullptr;
    }
    case KernelId::encodeF8E4m3: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "codes";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::decodeF8E4m3: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      if (op.lengths[1] != Extent{n}) return "codes";
      return nullptr;
    }
    case KernelId::encodeF8E5m2: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "codes";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::decodeF8E5m2: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      if (op.lengths[1] != Extent{n}) return "codes";
      return nullptr;
    }
    case KernelId::accumulateSquaresF64: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "acc";
      if (op.lengths[1] != Extent{n}) return "g";
      return nullptr;
    }
    case KernelId::movingAverageSquaresF32: {
      [[maybe_unused]] const auto decay = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "v";
      if (op.lengths[1] != Extent{n}) return "g";
      return nullptr;
    }
    case KernelId::scoreUnitsF64: {
      [[maybe_unused]] const auto rowLength = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t units = op.lengths[0];
      if (op.lengths[0] != Extent{units}) return "scores";
      if (op.lengths[1] != Extent{units} * Extent{rowLength}) return "fisher";
      return nullptr;
    }
    case KernelId::gemmF32: {
      [[maybe_unused]] const auto m = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto k = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto transA = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto transB = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto alpha = scalarAs<float>(op.scalars[5]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[6]);
      [[maybe_unused]] const auto activation = scalarAs<std::uint32_t>(op.scalars[7]);
      if (!(Extent{activation} <= Extent{3})) return "activation <= 3";
      if (op.lengths[0] != Extent{m} * Extent{n}) return "c";
      if (op.lengths[1] != Extent{m} * Extent{k}) return "a";
      if (op.lengths[2] != Extent{k} * Extent{n}) return "b";
      if (op.lengths[3] != 0 && op.lengths[3] != Extent{n}) return "bias";
      return nullptr;
    }
    case KernelId::outerRowsF32: {
      [[maybe_unused]] const auto m = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[2]);
      [[maybe_unused]] const std::size_t rows = divideLength(op.lengths[0], Extent{m} * Extent{n});
      if (op.lengths[0] != Extent{rows} * Extent{m} * Extent{n}) return "out";
      if (op.lengths[1] != Extent{rows} * Extent{m}) return "a";
      if (op.lengths[2] != Extent{rows} * Extent{n}) return "b";
      return nullptr;
    }
    case KernelId::conv2dF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto inChannels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto outChannels = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto kernelHeight = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto kernelWidth = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto padding = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[10]);
      [[maybe_unused]] const auto activation = scalarAs<std::uint32_t>(op.scalars[11]);
      if (!(Extent{1} <= Extent{stride})) return "1 <= stride";
      if (!(Extent{outHeight} * Extent{stride} + Extent{kernelHeight} <= Extent{height} + Extent{2} * Extent{padding} + Extent{stride})) return "outHeight*stride+kernelHeight <= height+2*padding+stride";
      if (!(Extent{outWidth} * Extent{stride} + Extent{kernelWidth} <= Extent{width} + Extent{2} * Extent{padding} + Extent{stride})) return "outWidth*stride+kernelWidth <= width+2*padding+stride";
      if (!(Extent{activation} <= Extent{3})) return "activation <= 3";
      if (op.lengths[0] != Extent{batch} * Extent{outChannels} * Extent{outHeight} * Extent{outWidth}) return "y";
      if (op.lengths[1] != Extent{batch} * Extent{inChannels} * Extent{height} * Extent{width}) return "x";
      if (op.lengths[2] != Extent{outChannels} * Extent{inChannels} * Extent{kernelHeight} * Extent{kernelWidth}) return "w";
      if (op.lengths[3] != 0 && op.lengths[3] != Extent{outChannels}) return "bias";
      return nullptr;
    }
    case KernelId::conv2dDataGradF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto inChannels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto outChannels = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto kernelHeight = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto kernelWidth = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto padding = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[10]);
      if (!(Extent{1} <= Extent{stride})) return "1 <= stride";
      if (!(Extent{outHeight} * Extent{stride} + Extent{kernelHeight} <= Extent{height} + Extent{2} * Extent{padding} + Extent{stride})) return "outHeight*stride+kernelHeight <= height+2*padding+stride";
      if (!(Extent{outWidth} * Extent{stride} + Extent{kernelWidth} <= Extent{width} + Extent{2} * Extent{padding} + Extent{stride})) return "outWidth*stride+kernelWidth <= width+2*padding+stride";
      if (op.lengths[0] != Extent{batch} * Extent{inChannels} * Extent{height} * Extent{width}) return "dx";
      if (op.lengths[1] != Extent{batch} * Extent{outChannels} * Extent{outHeight} * Extent{outWidth}) return "dy";
      if (op.lengths[2] != Extent{outChannels} * Extent{inChannels} * Extent{kernelHeight} * Extent{kernelWidth}) return "w";
      return nullptr;
    }
    case KernelId::conv2dWeightGradF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto inChannels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto outChannels = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto kernelHeight = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto kernelWidth = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto padding = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[10]);
      [[maybe_unused]] const auto alpha = scalarAs<float>(op.scalars[11]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[12]);
      if (!(Extent{1} <= Extent{stride})) return "1 <= stride";
      if (!(Extent{outHeight} * Extent{stride} + Extent{kernelHeight} <= Extent{height} + Extent{2} * Extent{padding} + Extent{stride})) return "outHeight*stride+kernelHeight <= height+2*padding+stride";
      if (!(Extent{outWidth} * Extent{stride} + Extent{kernelWidth} <= Extent{width} + Extent{2} * Extent{padding} + Extent{stride})) return "outWidth*stride+kernelWidth <= width+2*padding+stride";
      if (op.lengths[0] != Extent{outChannels} * Extent{inChannels} * Extent{kernelHeight} * Extent{kernelWidth}) return "dw";
      if (op.lengths[1] != Extent{batch} * Extent{inChannels} * Extent{height} * Extent{width}) return "x";
      if (op.lengths[2] != Extent{batch} * Extent{outChannels} * Extent{outHeight} * Extent{outWidth}) return "dy";
      return nullptr;
    }
    case KernelId::conv2dWeightGradRowsF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto inChannels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto outChannels = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto kernelHeight = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto kernelWidth = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto padding = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[10]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[11]);
      if (!(Extent{1} <= Extent{stride})) return "1 <= stride";
      if (!(Extent{outHeight} * Extent{stride} + Extent{kernelHeight} <= Extent{height} + Extent{2} * Extent{padding} + Extent{stride})) return "outHeight*stride+kernelHeight <= height+2*padding+stride";
      if (!(Extent{outWidth} * Extent{stride} + Extent{kernelWidth} <= Extent{width} + Extent{2} * Extent{padding} + Extent{stride})) return "outWidth*stride+kernelWidth <= width+2*padding+stride";
      if (op.lengths[0] != Extent{batch} * Extent{outChannels} * Extent{inChannels} * Extent{kernelHeight} * Extent{kernelWidth}) return "out";
      if (op.lengths[1] != Extent{batch} * Extent{inChannels} * Extent{height} * Extent{width}) return "x";
      if (op.lengths[2] != Extent{batch} * Extent{outChannels} * Extent{outHeight} * Extent{outWidth}) return "dy";
      return nullptr;
    }
    case KernelId::maxPoolF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto size = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[7]);
      if (!(Extent{1} <= Extent{size})) return "1 <= size";
      if (!(Extent{1} <= Extent{stride})) return "1 <= stride";
      if (!(Extent{outHeight} * Extent{stride} + Extent{size} <= Extent{height} + Extent{stride})) return "outHeight*stride+size <= height+stride";
      if (!(Extent{outWidth} * Extent{stride} + Extent{size} <= Extent{width} + Extent{stride})) return "outWidth*stride+size <= width+stride";
      if (op.lengths[0] != Extent{batch} * Extent{channels} * Extent{outHeight} * Extent{outWidth}) return "y";
      if (op.lengths[1] != Extent{batch} * Extent{channels} * Extent{outHeight} * Extent{outWidth}) return "argmax";
      if (op.lengths[2] != Extent{batch} * Extent{channels} * Extent{height} * Extent{width}) return "x";
      return nullptr;
    }
    case KernelId::maxPoolGradF32: {
      [[maybe_unused]] const std::size_t inputs = op.lengths[0];
      [[maybe_unused]] const std::size_t outputs = op.lengths[1];
      if (op.lengths[0] != Extent{inputs}) return "dx";
      if (op.lengths[1] != Extent{outputs}) return "dy";
      if (op.lengths[2] != Extent{outputs}) return "argmax";
      return nullptr;
    }
    case KernelId::maxPoolGatherF32: {
      [[maybe_unused]] const std::size_t outputs = op.lengths[0];
      [[maybe_unused]] const std::size_t inputs = op.lengths[1];
      if (op.lengths[0] != Extent{outputs}) return "y";
      if (op.lengths[1] != Extent{inputs}) return "x";
      if (op.lengths[2] != Extent{outputs}) return "argmax";
      return nullptr;
    }
    case KernelId::averagePoolF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto size = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[7]);
      if (!(Extent{1} <= Extent{size})) return "1 <= size";
      if (!(Extent{1} <= Extent{stride})) return "1 <= stride";
      if (!(Extent{outHeight} * Extent{stride} + Extent{size} <= Extent{height} + Extent{stride})) return "outHeight*stride+size <= height+stride";
      if (!(Extent{outWidth} * Extent{stride} + Extent{size} <= Extent{width} + Extent{stride})) return "outWidth*stride+size <= width+stride";
      if (op.lengths[0] != Extent{batch} * Extent{channels} * Extent{outHeight} * Extent{outWidth}) return "y";
      if (op.lengths[1] != Extent{batch} * Extent{channels} * Extent{height} * Extent{width}) return "x";
      return nullptr;
    }
    case KernelId::averagePoolGradF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto size = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[7]);
      if (!(Extent{1} <= Extent{size})) return "1 <= size";
      if (!(Extent{1} <= Extent{stride})) return "1 <= stride";
      if (!(Extent{outHeight} * Extent{stride} + Extent{size} <= Extent{height} + Extent{stride})) return "outHeight*stride+size <= height+stride";
      if (!(Extent{outWidth} * Extent{stride} + Extent{size} <= Extent{width} + Extent{stride})) return "outWidth*stride+size <= width+stride";
      if (op.lengths[0] != Extent{batch} * Extent{channels} * Extent{height} * Extent{width}) return "dx";
      if (op.lengths[1] != Extent{batch} * Extent{channels} * Extent{outHeight} * Extent{outWidth}) return "dy";
      return nullptr;
    }
    case KernelId::reluF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "y";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::reluGradF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dx";
      if (op.lengths[1] != Extent{n}) return "dy";
      if (op.lengths[2] != Extent{n}) return "y";
      return nullptr;
    }
    case KernelId::tanhF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "y";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::tanhGradF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dx";
      if (op.lengths[1] != Extent{n}) return "dy";
      if (op.lengths[2] != Extent{n}) return "y";
      return nullptr;
    }
    case KernelId::sigmoidF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "y";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::sigmoidGradF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dx";
      if (op.lengths[1] != Extent{n}) return "dy";
      if (op.lengths[2] != Extent{n}) return "y";
      return nullptr;
    }
    case KernelId::expF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "y";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::logF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "y";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::dropoutF32: {
      [[maybe_unused]] const auto rate = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "y";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::softmaxF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t rows = divideLength(op.lengths[0], Extent{cols});
      if (op.lengths[0] != Extent{rows} * Extent{cols}) return "p";
      if (op.lengths[1] != Extent{rows} * Extent{cols}) return "z";
      return nullptr;
    }
    case KernelId::logSoftmaxF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t rows = divideLength(op.lengths[0], Extent{cols});
      if (op.lengths[0] != Extent{rows} * Extent{cols}) return "logp";
      if (op.lengths[1] != Extent{rows} * Extent{cols}) return "z";
      return nullptr;
    }
    case KernelId::softmaxCrossEntropyF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto scale = scalarAs<float>(op.scalars[1]);
      [[maybe_unused]] const std::size_t rows = op.lengths[0];
      if (op.lengths[0] != Extent{rows}) return "loss";
      if (op.lengths[1] != 0 && op.lengths[1] != Extent{rows} * Extent{cols}) return "delta";
      if (op.lengths[2] != Extent{rows} * Extent{cols}) return "z";
      if (op.lengths[3] != Extent{rows}) return "labels";
      return nullptr;
    }
    case KernelId::countCorrectF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t rows = op.lengths[1];
      if (op.lengths[0] != Extent{3}) return "totals";
      if (op.lengths[1] != Extent{rows}) return "loss";
      if (op.lengths[2] != Extent{rows} * Extent{cols}) return "z";
      if (op.lengths[3] != Extent{rows}) return "labels";
      return nullptr;
    }
    case KernelId::addBiasF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto spatial = scalarAs<std::uint32_t>(op.scalars[2]);
      if (op.lengths[0] != Extent{batch} * Extent{channels} * Extent{spatial}) return "y";
      if (op.lengths[1] != Extent{channels}) return "bias";
      return nullptr;
    }
    case KernelId::sumChannelsF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto spatial = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto alpha = scalarAs<float>(op.scalars[3]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[4]);
      if (op.lengths[0] != Extent{channels}) return "db";
      if (op.lengths[1] != Extent{batch} * Extent{channels} * Extent{spatial}) return "dy";
      return nullptr;
    }
    case KernelId::sumSpatialRowsF32: {
      [[maybe_unused]] const auto spatial = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[1]);
      [[maybe_unused]] const std::size_t rows = op.lengths[0];
      if (op.lengths[0] != Extent{rows}) return "out";
      if (op.lengths[1] != Extent{rows} * Extent{spatial}) return "dy";
      return nullptr;
    }
    case KernelId::scaleRowsF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t rows = op.lengths[1];
      if (op.lengths[0] != Extent{rows} * Extent{cols}) return "x";
      if (op.lengths[1] != Extent{rows}) return "factors";
      return nullptr;
    }
    case KernelId::weightedSumRowsF32: {
      [[maybe_unused]] const auto rows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[1]);
      [[maybe_unused]] const std::size_t cols = op.lengths[0];
      if (op.lengths[0] != Extent{cols}) return "dst";
      if (op.lengths[1] != Extent{rows} * Extent{cols}) return "x";
      if (op.lengths[2] != Extent{rows}) return "factors";
      return nullptr;
    }
    case KernelId::transposeF32: {
      [[maybe_unused]] const auto rows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[1]);
      if (op.lengths[0] != Extent{rows} * Extent{cols}) return "dst";
      if (op.lengths[1] != Extent{rows} * Extent{cols}) return "src";
      return nullptr;
    }
    case KernelId::ghostNormRowsF32: {
      [[maybe_unused]] const auto aCols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto bCols = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto withBias = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const std::size_t rows = op.lengths[0];
      if (op.lengths[0] != Extent{rows}) return "norms2";
      if (op.lengths[1] != Extent{rows} * Extent{aCols}) return "a";
      if (op.lengths[2] != Extent{rows} * Extent{bCols}) return "b";
      return nullptr;
    }
    case KernelId::clipFactorsF32: {
      [[maybe_unused]] const auto maxNorm = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto scale = scalarAs<float>(op.scalars[1]);
      [[maybe_unused]] const std::size_t rows = op.lengths[0];
      if (op.lengths[0] != Extent{rows}) return "factors";
      if (op.lengths[1] != Extent{rows}) return "norms2";
      return nullptr;
    }
    case KernelId::multiplyAddF32: {
      [[maybe_unused]] const auto scale = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "y";
      if (op.lengths[1] != Extent{n}) return "a";
      if (op.lengths[2] != Extent{n}) return "b";
      return nullptr;
    }
    case KernelId::squareF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "y";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::sgdStepF32: {
      [[maybe_unused]] const auto lr = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto momentum = scalarAs<float>(op.scalars[1]);
      [[maybe_unused]] const auto nesterov = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto weightDecay = scalarAs<float>(op.scalars[3]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "w";
      if (op.lengths[1] != 0 && op.lengths[1] != Extent{n}) return "velocity";
      if (op.lengths[2] != Extent{n}) return "g";
      return nullptr;
    }
    case KernelId::adamStepF32: {
      [[maybe_unused]] const auto lr = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto beta1 = scalarAs<float>(op.scalars[1]);
      [[maybe_unused]] const auto beta2 = scalarAs<float>(op.scalars[2]);
      [[maybe_unused]] const auto epsilon = scalarAs<float>(op.scalars[3]);
      [[maybe_unused]] const auto weightDecay = scalarAs<float>(op.scalars[4]);
      [[maybe_unused]] const auto beta1Power = scalarAs<double>(op.scalars[5]);
      [[maybe_unused]] const auto beta2Power = scalarAs<double>(op.scalars[6]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "w";
      if (op.lengths[1] != Extent{n}) return "m";
      if (op.lengths[2] != Extent{n}) return "v";
      if (op.lengths[3] != Extent{n}) return "g";
      return nullptr;
    }
    case KernelId::addAffineTermF32: {
      [[maybe_unused]] const auto a = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "g";
      if (op.lengths[1] != Extent{n}) return "w";
      if (op.lengths[2] != 0 && op.lengths[2] != Extent{n}) return "center";
      if (op.lengths[3] != 0 && op.lengths[3] != Extent{n}) return "v";
      return nullptr;
    }
    case KernelId::addAffineVectorF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "g";
      if (op.lengths[1] != Extent{n}) return "a";
      if (op.lengths[2] != Extent{n}) return "w";
      if (op.lengths[3] != Extent{n}) return "center";
      return nullptr;
    }
    case KernelId::clipByNormF32: {
      [[maybe_unused]] const auto maxNorm = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "x";
      if (op.lengths[1] != Extent{1}) return "norm2";
      return nullptr;
    }
    case KernelId::sumAbsDeltaF64: {
      [[maybe_unused]] const std::size_t n = op.lengths[1];
      if (op.lengths[0] != Extent{1}) return "sum";
      if (op.lengths[1] != Extent{n}) return "x";
      if (op.lengths[2] != 0 && op.lengths[2] != Extent{n}) return "base";
      return nullptr;
    }
    case KernelId::nearSwapF32: {
      [[maybe_unused]] const auto t = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "base";
      if (op.lengths[2] != Extent{n}) return "y";
      return nullptr;
    }
    case KernelId::measureChangeF64: {
      [[maybe_unused]] const std::size_t n = op.lengths[1];
      if (op.lengths[0] != Extent{2}) return "sums";
      if (op.lengths[1] != Extent{n}) return "x";
      if (op.lengths[2] != Extent{n}) return "base";
      return nullptr;
    }
    case KernelId::countMagnitudesU32: {
      [[maybe_unused]] const auto prefix = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto prefixShift = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto shift = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto digits = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const std::size_t n = op.lengths[1];
      if (op.lengths[0] != Extent{digits}) return "counts";
      if (op.lengths[1] != Extent{n}) return "x";
      if (op.lengths[2] != 0 && op.lengths[2] != Extent{n}) return "base";
      return nullptr;
    }
    case KernelId::keepBandF32: {
      [[maybe_unused]] const auto lowBits = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto highBits = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{2}) return "quota";
      if (op.lengths[2] != Extent{n}) return "x";
      if (op.lengths[3] != 0 && op.lengths[3] != Extent{n}) return "base";
      return nullptr;
    }
    case KernelId::dropRankedDeltasF32: {
      [[maybe_unused]] const auto length = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto least = scalarAs<double>(op.scalars[2]);
      [[maybe_unused]] const auto slope = scalarAs<double>(op.scalars[3]);
      [[maybe_unused]] const auto expectation = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto lead = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[10]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[11]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (!(divides(Extent{length} * Extent{stride}, Extent{n}))) return "length*stride divides n";
      if (!(Extent{lead} <= Extent{3})) return "lead <= 3";
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{4} * Extent{length}) return "scratch";
      if (op.lengths[2] != Extent{n}) return "x";
      if (op.lengths[3] != 0 && op.lengths[3] != Extent{n}) return "base";
      return nullptr;
    }
    case KernelId::selectRankU32: {
      [[maybe_unused]] const auto rank = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t n = op.lengths[1];
      if (op.lengths[0] != Extent{2}) return "found";
      if (op.lengths[1] != Extent{n}) return "counts";
      return nullptr;
    }
    case KernelId::dropDeltasF32: {
      [[maybe_unused]] const auto probability = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "x";
      if (op.lengths[2] != 0 && op.lengths[2] != Extent{n}) return "base";
      return nullptr;
    }
    case KernelId::gateDeltaF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "x";
      if (op.lengths[2] != Extent{n}) return "base";
      if (op.lengths[3] != Extent{n}) return "gate";
      return nullptr;
    }
    case KernelId::packNonZeroU8: {
      [[maybe_unused]] const std::size_t n = op.lengths[1];
      if (op.lengths[0] != ceilDivide(Extent{n}, Extent{8})) return "bits";
      if (op.lengths[1] != Extent{n}) return "x";
      return nullptr;
    }
    case KernelId::gateBitsDeltaF32: {
      [[maybe_unused]] const std::size_t n = op.lengths[0];
      if (op.lengths[0] != Extent{n}) return "dst";
      if (op.lengths[1] != Extent{n}) return "x";
      if (op.lengths[2] != Extent{n}) return "base";
      if (op.lengths[3] != ceilDivide(Extent{n}, Extent{8})) return "bits";
      return nullptr;
    }
    case KernelId::accumulateGramF64: {
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t rows = divideLength(op.lengths[1], Extent{width});
      if (op.lengths[0] != Extent{width} * Extent{width}) return "gram";
      if (op.lengths[1] != Extent{rows} * Extent{width}) return "x";
      return nullptr;
    }
    case KernelId::addProductF64: {
      [[maybe_unused]] const auto m = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto k = scalarAs<std::uint32_t>(op.scalars[2]);
      if (op.lengths[0] != Extent{m} * Extent{n}) return "c";
      if (op.lengths[1] != Extent{m} * Extent{k}) return "a";
      if (op.lengths[2] != Extent{k} * Extent{n}) return "b";
      return nullptr;
    }
    case KernelId::factorCholeskyF64: {
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto leastPivot = scalarAs<double>(op.scalars[1]);
      if (op.lengths[0] != Extent{n} * Extent{n}) return "a";
      return nullptr;
    }
    case KernelId::solveCholeskyF64: {
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t m = divideLength(op.lengths[0], Extent{n});
      if (op.lengths[0] != Extent{n} * Extent{m}) return "x";
      if (op.lengths[1] != Extent{n} * Extent{n}) return "factor";
      return nullptr;
    }
    case KernelId::divergenceRowsF64: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto floor = scalarAs<double>(op.scalars[1]);
      [[maybe_unused]] const std::size_t rows = op.lengths[0];
      if (op.lengths[0] != Extent{rows}) return "dst";
      if (op.lengths[1] != Extent{rows} * Extent{cols}) return "x";
      if (op.lengths[2] != Extent{rows} * Extent{cols}) return "base";
      return nullptr;
    }
    case KernelId::scoreDeltaRowsF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const std::size_t rows = op.lengths[3];
      if (op.lengths[0] != Extent{rows} * Extent{cols}) return "dst";
      if (op.lengths[1] != Extent{rows} * Extent{cols}) return "x";
      if (op.lengths[2] != Extent{rows} * Extent{cols}) return "base";
      if (op.lengths[3] != Extent{rows}) return "factors";
      return nullptr;
    }
    case KernelId::takeScoredRowsF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto least = scalarAs<float>(op.scalars[1]);
      [[maybe_unused]] const std::size_t rows = op.lengths[3];
      if (op.lengths[0] != Extent{rows} * Extent{cols}) return "dst";
      if (op.lengths[1] != Extent{rows} * Extent{cols}) return "x";
      if (op.lengths[2] != Extent{rows} * Extent{cols}) return "base";
      if (op.lengths[3] != Extent{rows}) return "factors";
      return nullptr;
    }
    default:
      return "kernel";
  }
}

/// Runs one op that checkOp has passed.
inline void runOp(const KernelTable& kernels, KernelId id, const OpArgs& op) {
  using namespace dispatch_detail;
  switch (id) {
    case KernelId::fillF32: {
      [[maybe_unused]] const auto value = scalarAs<float>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.fillF32(static_cast<float*>(op.operands[0]), n, value);
      return;
    }
    case KernelId::copyF32: {
      const std::size_t n = op.lengths[0];
      kernels.copyF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::scaleF32: {
      [[maybe_unused]] const auto factor = scalarAs<float>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.scaleF32(static_cast<float*>(op.operands[0]), n, factor);
      return;
    }
    case KernelId::axpyF32: {
      [[maybe_unused]] const auto a = scalarAs<float>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.axpyF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n, a);
      return;
    }
    case KernelId::addF32: {
      const std::size_t n = op.lengths[0];
      kernels.addF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n);
      return;
    }
    case KernelId::subtractF32: {
      const std::size_t n = op.lengths[0];
      kernels.subtractF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n);
      return;
    }
    case KernelId::multiplyF32: {
      const std::size_t n = op.lengths[0];
      kernels.multiplyF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n);
      return;
    }
    case KernelId::lerpF32: {
      [[maybe_unused]] const auto t = scalarAs<float>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.lerpF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, t);
      return;
    }
    case KernelId::applyMaskF32: {
      const std::size_t n = op.lengths[0];
      kernels.applyMaskF32(static_cast<float*>(op.operands[0]), static_cast<const std::uint8_t*>(op.operands[1]), n);
      return;
    }
    case KernelId::addF64: {
      const std::size_t n = op.lengths[0];
      kernels.addF64(static_cast<double*>(op.operands[0]), static_cast<const double*>(op.operands[1]), n);
      return;
    }
    case KernelId::copyF64: {
      const std::size_t n = op.lengths[0];
      kernels.copyF64(static_cast<double*>(op.operands[0]), static_cast<const double*>(op.operands[1]), n);
      return;
    }
    case KernelId::fillF64: {
      [[maybe_unused]] const auto value = scalarAs<double>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.fillF64(static_cast<double*>(op.operands[0]), n, value);
      return;
    }
    case KernelId::dotF32: {
      const std::size_t n = op.lengths[0];
      kernels.dotF32(static_cast<const float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::sumSquaresF32: {
      const std::size_t n = op.lengths[0];
      kernels.sumSquaresF32(static_cast<const float*>(op.operands[0]), n);
      return;
    }
    case KernelId::maxAbsF32: {
      const std::size_t n = op.lengths[0];
      kernels.maxAbsF32(static_cast<const float*>(op.operands[0]), n);
      return;
    }
    case KernelId::allFiniteF32: {
      const std::size_t n = op.lengths[0];
      kernels.allFiniteF32(static_cast<const float*>(op.operands[0]), n);
      return;
    }
    case KernelId::dotAndNormsF32: {
      const std::size_t n = op.lengths[1];
      kernels.dotAndNormsF32(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n);
      return;
    }
    case KernelId::sumSegmentsF32: {
      const std::size_t segments = op.lengths[0];
      const std::size_t n = op.lengths[1];
      kernels.sumSegmentsF32(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const std::uint32_t*>(op.operands[2]), segments, n);
      return;
    }
    case KernelId::sumSquaresRowsF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t rows = op.lengths[0];
      kernels.sumSquaresRowsF32(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), rows, cols);
      return;
    }
    case KernelId::clipInPlaceF32: {
      [[maybe_unused]] const auto maxNorm = scalarAs<double>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.clipInPlaceF32(static_cast<float*>(op.operands[0]), n, maxNorm);
      return;
    }
    case KernelId::clipAccumulateF64: {
      [[maybe_unused]] const auto maxNorm = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto weight = scalarAs<double>(op.scalars[1]);
      const std::size_t n = op.lengths[0];
      kernels.clipAccumulateF64(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n, maxNorm, weight);
      return;
    }
    case KernelId::accumulateF64: {
      [[maybe_unused]] const auto weight = scalarAs<double>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.accumulateF64(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n, weight);
      return;
    }
    case KernelId::maskedAccumulateF64: {
      [[maybe_unused]] const auto weight = scalarAs<double>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.maskedAccumulateF64(static_cast<double*>(op.operands[0]), static_cast<double*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const std::uint8_t*>(op.operands[3]), n, weight);
      return;
    }
    case KernelId::meanF32: {
      [[maybe_unused]] const auto denominator = scalarAs<double>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.meanF32(static_cast<float*>(op.operands[0]), static_cast<const double*>(op.operands[1]), n, denominator);
      return;
    }
    case KernelId::meanOfHoldersF32: {
      [[maybe_unused]] const auto minCount = scalarAs<double>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.meanOfHoldersF32(static_cast<float*>(op.operands[0]), static_cast<const double*>(op.operands[1]), static_cast<const double*>(op.operands[2]), n, minCount);
      return;
    }
    case KernelId::magnitudeThresholdF32: {
      [[maybe_unused]] const auto k = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.magnitudeThresholdF32(static_cast<const float*>(op.operands[0]), n, k);
      return;
    }
    case KernelId::gatherBlocksF32: {
      [[maybe_unused]] const auto sourceRows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto sourceColumns = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto inner = scalarAs<std::uint32_t>(op.scalars[2]);
      const std::size_t rowCount = op.lengths[2];
      const std::size_t columnCount = op.lengths[3];
      kernels.gatherBlocksF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const std::uint32_t*>(op.operands[2]), static_cast<const std::uint32_t*>(op.operands[3]), rowCount, columnCount, sourceRows, sourceColumns, inner);
      return;
    }
    case KernelId::scatterBlocksF32: {
      [[maybe_unused]] const auto targetRows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto targetColumns = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto inner = scalarAs<std::uint32_t>(op.scalars[2]);
      const std::size_t rowCount = op.lengths[2];
      const std::size_t columnCount = op.lengths[3];
      kernels.scatterBlocksF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const std::uint32_t*>(op.operands[2]), static_cast<const std::uint32_t*>(op.operands[3]), rowCount, columnCount, targetRows, targetColumns, inner);
      return;
    }
    case KernelId::gatherRowsU8F32: {
      [[maybe_unused]] const auto sourceRows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[2]);
      const std::size_t rows = op.lengths[2];
      kernels.gatherRowsU8F32(static_cast<float*>(op.operands[0]), static_cast<const std::uint8_t*>(op.operands[1]), static_cast<const std::uint32_t*>(op.operands[2]), static_cast<const float*>(op.operands[3]), static_cast<const float*>(op.operands[4]), rows, sourceRows, cols, channels);
      return;
    }
    case KernelId::gatherRowsF32: {
      [[maybe_unused]] const auto sourceRows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[1]);
      const std::size_t rows = op.lengths[2];
      kernels.gatherRowsF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const std::uint32_t*>(op.operands[2]), rows, sourceRows, cols);
      return;
    }
    case KernelId::gatherI32: {
      const std::size_t rows = op.lengths[0];
      const std::size_t sourceRows = op.lengths[1];
      kernels.gatherI32(static_cast<std::int32_t*>(op.operands[0]), static_cast<const std::int32_t*>(op.operands[1]), static_cast<const std::uint32_t*>(op.operands[2]), rows, sourceRows);
      return;
    }
    case KernelId::randomBitsU32: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[5]);
      const std::size_t n = op.lengths[0];
      kernels.randomBitsU32(static_cast<std::uint32_t*>(op.operands[0]), n, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::uniformF32: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[5]);
      const std::size_t n = op.lengths[0];
      kernels.uniformF32(static_cast<float*>(op.operands[0]), n, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::normalF32: {
      [[maybe_unused]] const auto stddev = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      const std::size_t n = op.lengths[0];
      kernels.normalF32(static_cast<float*>(op.operands[0]), n, stddev, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::addNormalF32: {
      [[maybe_unused]] const auto stddev = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      const std::size_t n = op.lengths[0];
      kernels.addNormalF32(static_cast<float*>(op.operands[0]), n, stddev, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::normalF64: {
      [[maybe_unused]] const auto stddev = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      const std::size_t n = op.lengths[0];
      kernels.normalF64(static_cast<double*>(op.operands[0]), n, stddev, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::bernoulliU8: {
      [[maybe_unused]] const auto probability = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      const std::size_t n = op.lengths[0];
      kernels.bernoulliU8(static_cast<std::uint8_t*>(op.operands[0]), n, probability, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::permutationU32: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[3]);
      const std::size_t n = op.lengths[0];
      kernels.permutationU32(static_cast<std::uint32_t*>(op.operands[0]), n, key0, key1, step, site);
      return;
    }
    case KernelId::encodeF16: {
      const std::size_t n = op.lengths[0];
      kernels.encodeF16(static_cast<std::uint16_t*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::decodeF16: {
      const std::size_t n = op.lengths[0];
      kernels.decodeF16(static_cast<float*>(op.operands[0]), static_cast<const std::uint16_t*>(op.operands[1]), n);
      return;
    }
    case KernelId::encodeBf16: {
      const std::size_t n = op.lengths[0];
      kernels.encodeBf16(static_cast<std::uint16_t*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::decodeBf16: {
      const std::size_t n = op.lengths[0];
      kernels.decodeBf16(static_cast<float*>(op.operands[0]), static_cast<const std::uint16_t*>(op.operands[1]), n);
      return;
    }
    case KernelId::encodeF16Stochastic: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[5]);
      const std::size_t n = op.lengths[0];
      kernels.encodeF16Stochastic(static_cast<std::uint16_t*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::encodeBf16Stochastic: {
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[5]);
      const std::size_t n = op.lengths[0];
      kernels.encodeBf16Stochastic(static_cast<std::uint16_t*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::quantizeInt8: {
      [[maybe_unused]] const auto block = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.quantizeInt8(static_cast<std::int8_t*>(op.operands[0]), static_cast<float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, block);
      return;
    }
    case KernelId::quantizeInt8Stochastic: {
      [[maybe_unused]] const auto block = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      const std::size_t n = op.lengths[0];
      kernels.quantizeInt8Stochastic(static_cast<std::int8_t*>(op.operands[0]), static_cast<float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, block, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::dequantizeInt8: {
      [[maybe_unused]] const auto block = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.dequantizeInt8(static_cast<float*>(op.operands[0]), static_cast<const std::int8_t*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, block);
      return;
    }
    case KernelId::dequantizeAccumulateInt8: {
      [[maybe_unused]] const auto block = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto weight = scalarAs<double>(op.scalars[1]);
      const std::size_t n = op.lengths[0];
      kernels.dequantizeAccumulateInt8(static_cast<double*>(op.operands[0]), static_cast<const std::int8_t*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, block, weight);
      return;
    }
    case KernelId::encodeF8E4m3: {
      const std::size_t n = op.lengths[0];
      kernels.encodeF8E4m3(static_cast<std::uint8_t*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::decodeF8E4m3: {
      const std::size_t n = op.lengths[0];
      kernels.decodeF8E4m3(static_cast<float*>(op.operands[0]), static_cast<const std::uint8_t*>(op.operands[1]), n);
      return;
    }
    case KernelId::encodeF8E5m2: {
      const std::size_t n = op.lengths[0];
      kernels.encodeF8E5m2(static_cast<std::uint8_t*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::decodeF8E5m2: {
      const std::size_t n = op.lengths[0];
      kernels.decodeF8E5m2(static_cast<float*>(op.operands[0]), static_cast<const std::uint8_t*>(op.operands[1]), n);
      return;
    }
    case KernelId::accumulateSquaresF64: {
      const std::size_t n = op.lengths[0];
      kernels.accumulateSquaresF64(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::movingAverageSquaresF32: {
      [[maybe_unused]] const auto decay = scalarAs<float>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.movingAverageSquaresF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n, decay);
      return;
    }
    case KernelId::scoreUnitsF64: {
      [[maybe_unused]] const auto rowLength = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t units = op.lengths[0];
      kernels.scoreUnitsF64(static_cast<double*>(op.operands[0]), static_cast<const double*>(op.operands[1]), units, rowLength);
      return;
    }
    case KernelId::gemmF32: {
      [[maybe_unused]] const auto m = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto k = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto transA = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto transB = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto alpha = scalarAs<float>(op.scalars[5]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[6]);
      [[maybe_unused]] const auto activation = scalarAs<std::uint32_t>(op.scalars[7]);
      kernels.gemmF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const float*>(op.operands[3]), m, n, k, transA, transB, alpha, beta, activation);
      return;
    }
    case KernelId::outerRowsF32: {
      [[maybe_unused]] const auto m = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[2]);
      const std::size_t rows = divideLength(op.lengths[0], Extent{m} * Extent{n});
      kernels.outerRowsF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), rows, m, n, beta);
      return;
    }
    case KernelId::conv2dF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto inChannels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto outChannels = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto kernelHeight = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto kernelWidth = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto padding = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[10]);
      [[maybe_unused]] const auto activation = scalarAs<std::uint32_t>(op.scalars[11]);
      kernels.conv2dF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const float*>(op.operands[3]), batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding, outHeight, outWidth, activation);
      return;
    }
    case KernelId::conv2dDataGradF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto inChannels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto outChannels = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto kernelHeight = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto kernelWidth = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto padding = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[10]);
      kernels.conv2dDataGradF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding, outHeight, outWidth);
      return;
    }
    case KernelId::conv2dWeightGradF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto inChannels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto outChannels = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto kernelHeight = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto kernelWidth = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto padding = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[10]);
      [[maybe_unused]] const auto alpha = scalarAs<float>(op.scalars[11]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[12]);
      kernels.conv2dWeightGradF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding, outHeight, outWidth, alpha, beta);
      return;
    }
    case KernelId::conv2dWeightGradRowsF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto inChannels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto outChannels = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto kernelHeight = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto kernelWidth = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto padding = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[10]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[11]);
      kernels.conv2dWeightGradRowsF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), batch, inChannels, height, width, outChannels, kernelHeight, kernelWidth, stride, padding, outHeight, outWidth, beta);
      return;
    }
    case KernelId::maxPoolF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto size = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[7]);
      kernels.maxPoolF32(static_cast<float*>(op.operands[0]), static_cast<std::uint32_t*>(op.operands[1]), static_cast<const float*>(op.operands[2]), batch, channels, height, width, size, stride, outHeight, outWidth);
      return;
    }
    case KernelId::maxPoolGradF32: {
      const std::size_t inputs = op.lengths[0];
      const std::size_t outputs = op.lengths[1];
      kernels.maxPoolGradF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const std::uint32_t*>(op.operands[2]), inputs, outputs);
      return;
    }
    case KernelId::maxPoolGatherF32: {
      const std::size_t outputs = op.lengths[0];
      const std::size_t inputs = op.lengths[1];
      kernels.maxPoolGatherF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const std::uint32_t*>(op.operands[2]), outputs, inputs);
      return;
    }
    case KernelId::averagePoolF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto size = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[7]);
      kernels.averagePoolF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), batch, channels, height, width, size, stride, outHeight, outWidth);
      return;
    }
    case KernelId::averagePoolGradF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto height = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto size = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto outHeight = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto outWidth = scalarAs<std::uint32_t>(op.scalars[7]);
      kernels.averagePoolGradF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), batch, channels, height, width, size, stride, outHeight, outWidth);
      return;
    }
    case KernelId::reluF32: {
      const std::size_t n = op.lengths[0];
      kernels.reluF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::reluGradF32: {
      const std::size_t n = op.lengths[0];
      kernels.reluGradF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n);
      return;
    }
    case KernelId::tanhF32: {
      const std::size_t n = op.lengths[0];
      kernels.tanhF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::tanhGradF32: {
      const std::size_t n = op.lengths[0];
      kernels.tanhGradF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n);
      return;
    }
    case KernelId::sigmoidF32: {
      const std::size_t n = op.lengths[0];
      kernels.sigmoidF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::sigmoidGradF32: {
      const std::size_t n = op.lengths[0];
      kernels.sigmoidGradF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n);
      return;
    }
    case KernelId::expF32: {
      const std::size_t n = op.lengths[0];
      kernels.expF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::logF32: {
      const std::size_t n = op.lengths[0];
      kernels.logF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::dropoutF32: {
      [[maybe_unused]] const auto rate = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      const std::size_t n = op.lengths[0];
      kernels.dropoutF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n, rate, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::softmaxF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t rows = divideLength(op.lengths[0], Extent{cols});
      kernels.softmaxF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), rows, cols);
      return;
    }
    case KernelId::logSoftmaxF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t rows = divideLength(op.lengths[0], Extent{cols});
      kernels.logSoftmaxF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), rows, cols);
      return;
    }
    case KernelId::softmaxCrossEntropyF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto scale = scalarAs<float>(op.scalars[1]);
      const std::size_t rows = op.lengths[0];
      kernels.softmaxCrossEntropyF32(static_cast<float*>(op.operands[0]), static_cast<float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const std::int32_t*>(op.operands[3]), rows, cols, scale);
      return;
    }
    case KernelId::countCorrectF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t rows = op.lengths[1];
      kernels.countCorrectF32(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const std::int32_t*>(op.operands[3]), rows, cols);
      return;
    }
    case KernelId::addBiasF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto spatial = scalarAs<std::uint32_t>(op.scalars[2]);
      kernels.addBiasF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), batch, channels, spatial);
      return;
    }
    case KernelId::sumChannelsF32: {
      [[maybe_unused]] const auto batch = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto channels = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto spatial = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto alpha = scalarAs<float>(op.scalars[3]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[4]);
      kernels.sumChannelsF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), batch, channels, spatial, alpha, beta);
      return;
    }
    case KernelId::sumSpatialRowsF32: {
      [[maybe_unused]] const auto spatial = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[1]);
      const std::size_t rows = op.lengths[0];
      kernels.sumSpatialRowsF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), rows, spatial, beta);
      return;
    }
    case KernelId::scaleRowsF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t rows = op.lengths[1];
      kernels.scaleRowsF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), rows, cols);
      return;
    }
    case KernelId::weightedSumRowsF32: {
      [[maybe_unused]] const auto rows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto beta = scalarAs<float>(op.scalars[1]);
      const std::size_t cols = op.lengths[0];
      kernels.weightedSumRowsF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), cols, rows, beta);
      return;
    }
    case KernelId::transposeF32: {
      [[maybe_unused]] const auto rows = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[1]);
      kernels.transposeF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), rows, cols);
      return;
    }
    case KernelId::ghostNormRowsF32: {
      [[maybe_unused]] const auto aCols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto bCols = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto withBias = scalarAs<std::uint32_t>(op.scalars[2]);
      const std::size_t rows = op.lengths[0];
      kernels.ghostNormRowsF32(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), rows, aCols, bCols, withBias);
      return;
    }
    case KernelId::clipFactorsF32: {
      [[maybe_unused]] const auto maxNorm = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto scale = scalarAs<float>(op.scalars[1]);
      const std::size_t rows = op.lengths[0];
      kernels.clipFactorsF32(static_cast<float*>(op.operands[0]), static_cast<const double*>(op.operands[1]), rows, maxNorm, scale);
      return;
    }
    case KernelId::multiplyAddF32: {
      [[maybe_unused]] const auto scale = scalarAs<float>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.multiplyAddF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, scale);
      return;
    }
    case KernelId::squareF32: {
      const std::size_t n = op.lengths[0];
      kernels.squareF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::sgdStepF32: {
      [[maybe_unused]] const auto lr = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto momentum = scalarAs<float>(op.scalars[1]);
      [[maybe_unused]] const auto nesterov = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto weightDecay = scalarAs<float>(op.scalars[3]);
      const std::size_t n = op.lengths[0];
      kernels.sgdStepF32(static_cast<float*>(op.operands[0]), static_cast<float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, lr, momentum, nesterov, weightDecay);
      return;
    }
    case KernelId::adamStepF32: {
      [[maybe_unused]] const auto lr = scalarAs<float>(op.scalars[0]);
      [[maybe_unused]] const auto beta1 = scalarAs<float>(op.scalars[1]);
      [[maybe_unused]] const auto beta2 = scalarAs<float>(op.scalars[2]);
      [[maybe_unused]] const auto epsilon = scalarAs<float>(op.scalars[3]);
      [[maybe_unused]] const auto weightDecay = scalarAs<float>(op.scalars[4]);
      [[maybe_unused]] const auto beta1Power = scalarAs<double>(op.scalars[5]);
      [[maybe_unused]] const auto beta2Power = scalarAs<double>(op.scalars[6]);
      const std::size_t n = op.lengths[0];
      kernels.adamStepF32(static_cast<float*>(op.operands[0]), static_cast<float*>(op.operands[1]), static_cast<float*>(op.operands[2]), static_cast<const float*>(op.operands[3]), n, lr, beta1, beta2, epsilon, weightDecay, beta1Power, beta2Power);
      return;
    }
    case KernelId::addAffineTermF32: {
      [[maybe_unused]] const auto a = scalarAs<float>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.addAffineTermF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const float*>(op.operands[3]), n, a);
      return;
    }
    case KernelId::addAffineVectorF32: {
      const std::size_t n = op.lengths[0];
      kernels.addAffineVectorF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const float*>(op.operands[3]), n);
      return;
    }
    case KernelId::clipByNormF32: {
      [[maybe_unused]] const auto maxNorm = scalarAs<double>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.clipByNormF32(static_cast<float*>(op.operands[0]), static_cast<const double*>(op.operands[1]), n, maxNorm);
      return;
    }
    case KernelId::sumAbsDeltaF64: {
      const std::size_t n = op.lengths[1];
      kernels.sumAbsDeltaF64(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n);
      return;
    }
    case KernelId::nearSwapF32: {
      [[maybe_unused]] const auto t = scalarAs<double>(op.scalars[0]);
      const std::size_t n = op.lengths[0];
      kernels.nearSwapF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, t);
      return;
    }
    case KernelId::measureChangeF64: {
      const std::size_t n = op.lengths[1];
      kernels.measureChangeF64(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n);
      return;
    }
    case KernelId::countMagnitudesU32: {
      [[maybe_unused]] const auto prefix = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto prefixShift = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto shift = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto digits = scalarAs<std::uint32_t>(op.scalars[3]);
      const std::size_t n = op.lengths[1];
      kernels.countMagnitudesU32(static_cast<std::uint32_t*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, prefix, prefixShift, shift, digits);
      return;
    }
    case KernelId::keepBandF32: {
      [[maybe_unused]] const auto lowBits = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto highBits = scalarAs<std::uint32_t>(op.scalars[1]);
      const std::size_t n = op.lengths[0];
      kernels.keepBandF32(static_cast<float*>(op.operands[0]), static_cast<std::uint32_t*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const float*>(op.operands[3]), n, lowBits, highBits);
      return;
    }
    case KernelId::dropRankedDeltasF32: {
      [[maybe_unused]] const auto length = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto stride = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto least = scalarAs<double>(op.scalars[2]);
      [[maybe_unused]] const auto slope = scalarAs<double>(op.scalars[3]);
      [[maybe_unused]] const auto expectation = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto lead = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[6]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[7]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[8]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[9]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[10]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[11]);
      const std::size_t n = op.lengths[0];
      kernels.dropRankedDeltasF32(static_cast<float*>(op.operands[0]), static_cast<std::uint32_t*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const float*>(op.operands[3]), n, length, stride, least, slope, expectation, lead, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::selectRankU32: {
      [[maybe_unused]] const auto rank = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t n = op.lengths[1];
      kernels.selectRankU32(static_cast<std::uint32_t*>(op.operands[0]), static_cast<const std::uint32_t*>(op.operands[1]), n, rank);
      return;
    }
    case KernelId::dropDeltasF32: {
      [[maybe_unused]] const auto probability = scalarAs<double>(op.scalars[0]);
      [[maybe_unused]] const auto key0 = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto key1 = scalarAs<std::uint32_t>(op.scalars[2]);
      [[maybe_unused]] const auto blockLow = scalarAs<std::uint32_t>(op.scalars[3]);
      [[maybe_unused]] const auto blockHigh = scalarAs<std::uint32_t>(op.scalars[4]);
      [[maybe_unused]] const auto step = scalarAs<std::uint32_t>(op.scalars[5]);
      [[maybe_unused]] const auto site = scalarAs<std::uint32_t>(op.scalars[6]);
      const std::size_t n = op.lengths[0];
      kernels.dropDeltasF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), n, probability, key0, key1, blockLow, blockHigh, step, site);
      return;
    }
    case KernelId::gateDeltaF32: {
      const std::size_t n = op.lengths[0];
      kernels.gateDeltaF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const float*>(op.operands[3]), n);
      return;
    }
    case KernelId::packNonZeroU8: {
      const std::size_t n = op.lengths[1];
      kernels.packNonZeroU8(static_cast<std::uint8_t*>(op.operands[0]), static_cast<const float*>(op.operands[1]), n);
      return;
    }
    case KernelId::gateBitsDeltaF32: {
      const std::size_t n = op.lengths[0];
      kernels.gateBitsDeltaF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const std::uint8_t*>(op.operands[3]), n);
      return;
    }
    case KernelId::accumulateGramF64: {
      [[maybe_unused]] const auto width = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t rows = divideLength(op.lengths[1], Extent{width});
      kernels.accumulateGramF64(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), rows, width);
      return;
    }
    case KernelId::addProductF64: {
      [[maybe_unused]] const auto m = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[1]);
      [[maybe_unused]] const auto k = scalarAs<std::uint32_t>(op.scalars[2]);
      kernels.addProductF64(static_cast<double*>(op.operands[0]), static_cast<const double*>(op.operands[1]), static_cast<const float*>(op.operands[2]), m, n, k);
      return;
    }
    case KernelId::factorCholeskyF64: {
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto leastPivot = scalarAs<double>(op.scalars[1]);
      kernels.factorCholeskyF64(static_cast<double*>(op.operands[0]), n, leastPivot);
      return;
    }
    case KernelId::solveCholeskyF64: {
      [[maybe_unused]] const auto n = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t m = divideLength(op.lengths[0], Extent{n});
      kernels.solveCholeskyF64(static_cast<double*>(op.operands[0]), static_cast<const double*>(op.operands[1]), m, n);
      return;
    }
    case KernelId::divergenceRowsF64: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto floor = scalarAs<double>(op.scalars[1]);
      const std::size_t rows = op.lengths[0];
      kernels.divergenceRowsF64(static_cast<double*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), rows, cols, floor);
      return;
    }
    case KernelId::scoreDeltaRowsF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      const std::size_t rows = op.lengths[3];
      kernels.scoreDeltaRowsF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const double*>(op.operands[3]), rows, cols);
      return;
    }
    case KernelId::takeScoredRowsF32: {
      [[maybe_unused]] const auto cols = scalarAs<std::uint32_t>(op.scalars[0]);
      [[maybe_unused]] const auto least = scalarAs<float>(op.scalars[1]);
      const std::size_t rows = op.lengths[3];
      kernels.takeScoredRowsF32(static_cast<float*>(op.operands[0]), static_cast<const float*>(op.operands[1]), static_cast<const float*>(op.operands[2]), static_cast<const double*>(op.operands[3]), rows, cols, least);
      return;
    }
    default:
      return;
  }
}

}  // namespace heddle
