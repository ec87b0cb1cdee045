#include "step.hpp"

#include <initializer_list>
#include <string>

namespace heddle {
namespace {

[[noreturn]] void refuse(const TapeOp& op, const std::string& what) {
  throw ProgramError("ERR_SHAPE_MISMATCH", std::string(op.signature().name) + ": " + what);
}

/// Products of sizes beyond this could wrap and slip through a comparison of lengths.
constexpr double kMaxProduct = 0x1p52;

void checkProduct(const TapeOp& op, const OpArgs& args, std::initializer_list<int> scalars) {
  double product = 1;
  for (const int i : scalars) product *= args.scalars[i];
  if (!(product >= 0 && product <= kMaxProduct)) refuse(op, "sizes are out of range");
}

/// What the lengths alone do not say: sizes whose product could wrap, and pooling windows that leave the
/// image.
void checkGeometry(const TapeOp& op, const OpArgs& args) {
  switch (op.kernel) {
    case KernelId::conv2dF32:
    case KernelId::conv2dDataGradF32:
    case KernelId::conv2dWeightGradF32:
    case KernelId::conv2dWeightGradRowsF32:
      checkProduct(op, args, {0, 1, 2, 3});
      checkProduct(op, args, {0, 4, 9, 10});
      checkProduct(op, args, {0, 4, 1, 5, 6});
      break;
    case KernelId::maxPoolF32:
    case KernelId::averagePoolF32:
    case KernelId::averagePoolGradF32:
      checkProduct(op, args, {0, 1, 2, 3});
      checkProduct(op, args, {0, 1, 6, 7});
      for (const int axis : {0, 1}) {
        const double last = (args.scalars[6 + axis] - 1) * args.scalars[5] + args.scalars[4];
        if (args.scalars[6 + axis] > 0 && last > args.scalars[2 + axis])
          refuse(op, "a window leaves the image");
      }
      break;
    case KernelId::addBiasF32:
    case KernelId::sumChannelsF32:
      checkProduct(op, args, {0, 1, 2});
      break;
    case KernelId::gatherBlocksF32:
    case KernelId::scatterBlocksF32:
      checkProduct(op, args, {0, 1, 2});
      break;
    default:
      break;
  }
}

void checkLengths(const TapeOp& op, const OpArgs& args) {
  checkGeometry(op, args);
  if (const char* operand = checkOp(op.kernel, args))
    refuse(op, std::string("length of ") + operand + " does not fit the others");
}

/// Whether all values lie below the bound; of signed values negative ones do not.
bool allBelow(const void* values, std::size_t n, std::size_t bound) {
  const auto* words = static_cast<const std::uint32_t*>(values);
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = words[i] > largest ? words[i] : largest;
  return n == 0 || largest < bound;
}

void checkValues(const TapeOp& op, const OpArgs& args) {
  const auto refuseIndex = [&] {
    throw ProgramError("ERR_INDEX_RANGE",
                       std::string(op.signature().name) + ": an index or label is out of range");
  };
  std::size_t bound = 0;
  const int operand = indexOperand(op.kernel, args, &bound);
  if (operand >= 0 && !allBelow(args.operands[operand], args.lengths[operand], bound)) refuseIndex();
  switch (op.kernel) {
    case KernelId::gatherBlocksF32:
    case KernelId::scatterBlocksF32:
      if (!allBelow(args.operands[3], args.lengths[3], static_cast<std::size_t>(args.scalars[1])))
        refuseIndex();
      break;
    case KernelId::sumSegmentsF32: {
      const auto* offsets = static_cast<const std::uint32_t*>(args.operands[2]);
      for (std::size_t i = 0; i < args.lengths[2]; ++i)
        if (offsets[i] > args.lengths[1] || (i > 0 && offsets[i] < offsets[i - 1])) refuseIndex();
      break;
    }
    default:
      break;
  }
}

}  // namespace

int indexOperand(KernelId kernel, const OpArgs& args, std::size_t* bound) {
  switch (kernel) {
    case KernelId::gatherRowsU8F32:
    case KernelId::gatherRowsF32:
      *bound = static_cast<std::size_t>(args.scalars[0]);
      return 2;
    case KernelId::gatherI32:
      *bound = args.lengths[1];
      return 2;
    case KernelId::gatherBlocksF32:
    case KernelId::scatterBlocksF32:
      *bound = static_cast<std::size_t>(args.scalars[0]);
      return 2;
    case KernelId::maxPoolGradF32:
      *bound = args.lengths[0];
      return 2;
    case KernelId::maxPoolGatherF32:
      *bound = args.lengths[1];
      return 2;
    case KernelId::softmaxCrossEntropyF32:
    case KernelId::countCorrectF32:
      *bound = static_cast<std::size_t>(args.scalars[0]);
      return 3;
    default:
      return -1;
  }
}

OpArgs resolve(const TapeOp& op, const JobProgram& program, const Run& run) {
  OpArgs args;
  const OpSignature& signature = op.signature();
  for (std::size_t i = 0; i < signature.operandCount; ++i) {
    const Operand& operand = op.operands[i];
    const Space& space = program.spaces[operand.space];
    const bool whole = space.isDataSet() && operand.length > 0;
    args.lengths[i] = whole ? run.lengths[operand.space] : operand.length;
    const std::size_t offset = whole ? 0 : operand.offset;
    args.operands[i] =
        args.lengths[i] == 0 ? nullptr : run.spaces[operand.space] + offset * bytesOf(space.dtype);
  }
  for (std::size_t i = 0; i < signature.scalarCount; ++i) args.scalars[i] = run.value(op.scalars[i]);
  return args;
}

KernelStep::KernelStep(const TapeOp& op, bool valuesAreChecked)
    : op_(op), checkAlways_(false), valuesAreChecked_(valuesAreChecked) {
  for (std::size_t i = 0; i < op.signature().scalarCount; ++i) checkAlways_ |= op.scalars[i].runtime;
}

void KernelStep::check(const JobProgram& program, const Run& run) const {
  checkLengths(op_, resolve(op_, program, run));
}

void KernelStep::run(const JobProgram& program, Run& run) const {
  const OpArgs args = resolve(op_, program, run);
  if (checkAlways_) checkLengths(op_, args);
  if (!valuesAreChecked_) checkValues(op_, args);
  runOp(run.kernels, op_.kernel, args);
}

}  // namespace heddle
