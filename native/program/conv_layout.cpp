#include "conv_layout.hpp"

#include <algorithm>

#include "panel_layout.hpp"

namespace heddle {
namespace {

constexpr std::size_t kConvShapeScalars = 11;
// Entries, positions and places are 32-bit; gathers take signed offsets.
constexpr std::size_t kMostElements = std::size_t{1} << 31;

bool inside(const Operand& inner, const Operand& outer) {
  return inner.space == outer.space && inner.offset >= outer.offset &&
         inner.offset + inner.length <= outer.offset + outer.length;
}

/// Whether an op writes all of an operand without reading it. What is not known counts as reading.
bool overwrites(const TapeOp& op, std::size_t operand) {
  switch (op.kernel) {
    case KernelId::fillF32:
    case KernelId::addF32:
    case KernelId::subtractF32:
    case KernelId::multiplyF32:
    case KernelId::lerpF32:
    case KernelId::copyF32:
    case KernelId::gatherRowsU8F32:
    case KernelId::gatherRowsF32:
    case KernelId::gatherI32:
    case KernelId::conv2dF32:
    case KernelId::conv2dDataGradF32:
    case KernelId::maxPoolGradF32:
    case KernelId::maxPoolGatherF32:
    case KernelId::averagePoolF32:
    case KernelId::averagePoolGradF32:
    case KernelId::reluF32:
    case KernelId::reluGradF32:
    case KernelId::dropoutF32:
    case KernelId::squareF32:
    case KernelId::clipFactorsF32:
      return operand == 0;
    case KernelId::maxPoolF32:
    case KernelId::softmaxCrossEntropyF32:
      return operand < 2;
    case KernelId::gemmF32:
      return operand == 0 && op.scalars[6].is(0);
    case KernelId::conv2dWeightGradF32:
      return operand == 0 && op.scalars[12].is(0);
    case KernelId::conv2dWeightGradRowsF32:
      return operand == 0 && op.scalars[11].is(0);
    case KernelId::sumChannelsF32:
      return operand == 0 && op.scalars[4].is(0);
    case KernelId::sumSpatialRowsF32:
      return operand == 0 && op.scalars[1].is(0);
    case KernelId::weightedSumRowsF32:
      return operand == 0 && op.scalars[1].is(0);
    default:
      return false;
  }
}

/// Whether no op between two writes to any of an operand.
bool staysBetween(const TapeOp* from, const TapeOp* to, const Operand& operand) {
  for (const TapeOp* op = from + 1; op < to; ++op)
    for (std::size_t k = 0; k < op->signature().operandCount; ++k)
      if (op->signature().writes[k] && overlap(op->operands[k], operand)) return false;
  return true;
}

const TapeOp* findPool(const std::vector<TapeOp>& tape, std::size_t before, const Operand& places) {
  for (std::size_t i = before; i-- > 0;)
    if (tape[i].kernel == KernelId::maxPoolF32 && tape[i].operands[1] == places) return &tape[i];
  return nullptr;
}

}  // namespace

bool overlap(const Operand& a, const Operand& b) {
  return a.space == b.space && a.length > 0 && b.length > 0 && a.offset < b.offset + b.length &&
         b.offset < a.offset + a.length;
}

std::optional<ConvShape> convShape(const TapeOp& op, const JobProgram& program) {
  switch (op.kernel) {
    case KernelId::conv2dF32:
    case KernelId::conv2dDataGradF32:
    case KernelId::conv2dWeightGradF32:
    case KernelId::conv2dWeightGradRowsF32:
      break;
    default:
      return std::nullopt;
  }
  if (!hasFixedOperands(op, program)) return std::nullopt;
  OpArgs args{};
  for (std::size_t i = 0; i < op.signature().operandCount; ++i) args.lengths[i] = op.operands[i].length;
  for (std::size_t i = 0; i < kConvShapeScalars; ++i) {
    const ScalarOperand& scalar = op.scalars[i];
    if (scalar.runtime || !(scalar.literal >= 0 && scalar.literal < 65536)) return std::nullopt;
    if (i != 8 && scalar.literal == 0) return std::nullopt;
    args.scalars[i] = scalar.literal;
  }
  if (checkOp(op.kernel, args) != nullptr) return std::nullopt;
  const ConvShape s{op.integer(0), op.integer(1), op.integer(2), op.integer(3), op.integer(4), op.integer(5),
                    op.integer(6), op.integer(7), op.integer(8), op.integer(9), op.integer(10)};
  const bool fits = (s.outHeight - 1) * s.stride + s.kernelHeight <= s.paddedHeight() &&
                    (s.outWidth - 1) * s.stride + s.kernelWidth <= s.paddedWidth();
  const double weights = static_cast<double>(s.outChannels) * static_cast<double>(s.inChannels) *
                         static_cast<double>(s.kernelHeight * s.kernelWidth);
  const double image =
      static_cast<double>(s.paddedHeight() * s.paddedWidth()) * static_cast<double>(s.inChannels);
  const double outputs = static_cast<double>(s.batch * s.outPixels()) * static_cast<double>(s.outChannels);
  const auto most = static_cast<double>(kMostElements);
  if (!fits || weights >= most || image >= most || outputs >= most) return std::nullopt;
  return s;
}

bool isPool2(const TapeOp& op, const JobProgram& program) {
  if (op.kernel != KernelId::maxPoolF32 || !hasFixedOperands(op, program)) return false;
  OpArgs args{};
  for (std::size_t i = 0; i < 3; ++i) args.lengths[i] = op.operands[i].length;
  for (std::size_t i = 0; i < 8; ++i) {
    if (op.scalars[i].runtime || !(op.scalars[i].literal >= 1 && op.scalars[i].literal < 65536)) return false;
    args.scalars[i] = op.scalars[i].literal;
  }
  return op.scalars[4].is(2) && op.scalars[5].is(2) && 2 * op.integer(6) <= op.integer(2) &&
         2 * op.integer(7) <= op.integer(3) && op.operands[2].length < kMostElements &&
         checkOp(op.kernel, args) == nullptr;
}

std::size_t deltaOperand(const TapeOp& op) {
  switch (op.kernel) {
    case KernelId::conv2dDataGradF32:
    case KernelId::sumChannelsF32:
    case KernelId::sumSpatialRowsF32:
      return 1;
    case KernelId::conv2dWeightGradF32:
    case KernelId::conv2dWeightGradRowsF32:
      return 2;
    default:
      return kNone;
  }
}

bool isOnlyDelta(const std::vector<TapeOp>& tape, std::size_t writer, const Operand& region) {
  std::vector<Operand> replaced;
  for (std::size_t i = writer + 1; i < tape.size(); ++i) {
    const TapeOp& op = tape[i];
    std::vector<Operand> written;
    for (std::size_t k = 0; k < op.signature().operandCount; ++k) {
      const Operand& operand = op.operands[k];
      if (!overlap(operand, region)) continue;
      if (overwrites(op, k)) {
        written.push_back(operand);
        continue;
      }
      // Once other data has taken the place, reading that data is no reading of the delta.
      const bool isNew = std::any_of(replaced.begin(), replaced.end(),
                                     [&](const Operand& other) { return inside(operand, other); });
      const bool asDelta = replaced.empty() && deltaOperand(op) == k && operand == region;
      if (!isNew && !asDelta) return false;
    }
    replaced.insert(replaced.end(), written.begin(), written.end());
  }
  return true;
}

std::optional<PooledPattern> pooledPattern(const std::vector<TapeOp>& tape, std::size_t at,
                                           const JobProgram& program) {
  const TapeOp& grad = tape[at];
  if (grad.kernel != KernelId::maxPoolGradF32 || !hasFixedOperands(grad, program)) return std::nullopt;
  const TapeOp* pool = findPool(tape, at, grad.operands[2]);
  if (pool == nullptr || pool->operands[2].length != grad.operands[0].length) return std::nullopt;
  for (std::size_t i = 0; i < 8; ++i)
    if (pool->scalars[i].runtime || !(pool->scalars[i].literal >= 1 && pool->scalars[i].literal < 65536))
      return std::nullopt;
  const std::size_t window = pool->integer(4);
  const std::size_t pooledHeight = pool->integer(6);
  const std::size_t pooledWidth = pool->integer(7);
  // Windows side by side: every element of the image belongs to one at most, so that nothing is added up.
  if (pool->integer(5) != window || pooledHeight * window > pool->integer(2) ||
      pooledWidth * window > pool->integer(3))
    return std::nullopt;
  PooledPattern pattern{at, 1,  grad.operands[0], grad.operands[1], grad.operands[2],
                        {}, {}, pooledHeight,     pooledWidth,      window};
  if (grad.operands[1].length != grad.operands[2].length) return std::nullopt;
  if (at + 1 < tape.size()) {
    const TapeOp& relu = tape[at + 1];
    const bool follows = relu.kernel == KernelId::reluGradF32 && relu.operands[1] == grad.operands[0] &&
                         hasFixedOperands(relu, program) &&
                         relu.operands[2].length == grad.operands[0].length &&
                         relu.operands[0].length == grad.operands[0].length;
    // The rectifier's result may take the place of its input; else nothing else may read that input.
    if (follows && (relu.operands[0] == grad.operands[0] || isOnlyDelta(tape, at + 1, grad.operands[0]))) {
      pattern.ops = 2;
      pattern.delta = relu.operands[0];
      pattern.y = relu.operands[2];
      if (pool->operands[2] == pattern.y && pool->operands[0].length == pattern.places.length &&
          staysBetween(pool, &grad, pattern.y) && staysBetween(pool, &grad, pool->operands[0]) &&
          staysBetween(pool, &grad, pattern.places))
        pattern.pooled = pool->operands[0];
    }
  }
  if (!isOnlyDelta(tape, at + pattern.ops - 1, pattern.delta)) return std::nullopt;
  return pattern;
}

}  // namespace heddle
