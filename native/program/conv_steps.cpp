#include "conv_steps.hpp"

namespace heddle {

void ConvForwardStep::run(const JobProgram&, Run& run) const {
  float* y = run.at<float>(op_.operands[0]);
  const std::size_t activation = op_.integer(11);
  fast_.convForward(y, run.at<float>(op_.operands[1]), run.at<float>(op_.operands[2]),
                    run.at<float>(op_.operands[3]), shape_, activation == 1, run.scratch);
  if (activation == 2) run.kernels.tanhF32(y, y, op_.operands[0].length);
  if (activation == 3) run.kernels.sigmoidF32(y, y, op_.operands[0].length);
}

void PoolStep::run(const JobProgram&, Run& run) const {
  fast_.maxPool2(run.at<float>(op_.operands[0]), run.at<std::uint32_t>(op_.operands[1]),
                 run.at<float>(op_.operands[2]), op_.integer(0) * op_.integer(1), op_.integer(2),
                 op_.integer(3), op_.integer(6), op_.integer(7));
}

void ListStep::run(const JobProgram&, Run& run) const {
  fast_.listDelta(lists_.in(run.memory), run.at<float>(delta_), shape_);
}

void PooledListStep::run(const JobProgram&, Run& run) const {
  const PooledDelta pooled{run.at<float>(pattern_.dy),
                           run.at<std::uint32_t>(pattern_.places),
                           run.at<float>(pattern_.y),
                           run.at<float>(pattern_.pooled),
                           pattern_.pooledHeight,
                           pattern_.pooledWidth,
                           pattern_.window};
  fast_.listPooledDelta(lists_.in(run.memory), pooled, shape_);
}

void FromListsStep::run(const JobProgram&, Run& run) const {
  const DeltaLists lists = lists_.in(run.memory);
  float* result = run.at<float>(op_.operands[0]);
  const auto value = [&](std::size_t scalar) { return static_cast<float>(run.value(op_.scalars[scalar])); };
  switch (op_.kernel) {
    case KernelId::conv2dDataGradF32:
      fast_.convDataGrad(result, lists, run.at<float>(op_.operands[2]), shape_, run.scratch);
      break;
    case KernelId::conv2dWeightGradF32:
      fast_.convWeightGrad(result, run.at<float>(op_.operands[1]), lists, shape_, value(11), value(12), false,
                           run.scratch);
      break;
    case KernelId::conv2dWeightGradRowsF32:
      fast_.convWeightGrad(result, run.at<float>(op_.operands[1]), lists, shape_, 1, value(11), true,
                           run.scratch);
      break;
    case KernelId::sumChannelsF32:
      fast_.sumLists(result, lists, shape_, value(3), value(4));
      break;
    default:
      fast_.sumListRows(result, lists, shape_, value(1));
      break;
  }
}

}  // namespace heddle
