#include "planner.hpp"

#include <algorithm>

#include "dense_steps.hpp"

namespace heddle {
namespace {

constexpr std::size_t kCacheLine = 64;

/// Whether an op that reads a delta sees it in the form of these lists.
bool readsAs(const TapeOp& op, const ConvShape& lists) {
  const auto is = [&](std::size_t scalar, std::size_t value) {
    return op.scalars[scalar].is(static_cast<double>(value));
  };
  switch (op.kernel) {
    case KernelId::sumChannelsF32:
      return is(0, lists.batch) && is(1, lists.outChannels) && is(2, lists.outPixels());
    case KernelId::sumSpatialRowsF32:
      return is(0, lists.outPixels()) && op.operands[0].length == lists.batch * lists.outChannels;
    default:
      return is(0, lists.batch) && is(4, lists.outChannels) && is(9, lists.outHeight) &&
             is(10, lists.outWidth);
  }
}

/// Whether all ops that read the delta, up to where its place is written anew, can do with lists.
bool canList(const std::vector<TapeOp>& tape, std::size_t from, const Operand& delta, const ConvShape& shape,
             const JobProgram& program) {
  for (std::size_t i = from; i < tape.size(); ++i) {
    const TapeOp& op = tape[i];
    const std::size_t operand = deltaOperand(op);
    if (operand != kNone && op.operands[operand] == delta) {
      const bool isSum = op.kernel == KernelId::sumChannelsF32 || op.kernel == KernelId::sumSpatialRowsF32;
      if (!readsAs(op, shape) || (!isSum && !convShape(op, program)) || !hasFixedOperands(op, program))
        return false;
    }
    for (std::size_t k = 0; k < op.signature().operandCount; ++k)
      if (op.signature().writes[k] && overlap(op.operands[k], delta)) return true;
  }
  return true;
}

}  // namespace

Planner::Planner(const JobProgram& program, const Level& level, bool fastPaths, std::size_t memoryBytes)
    : program_(program), fast_(fastPaths ? fastKernels(level) : nullptr), memoryBytes_(memoryBytes) {
  if (fast_ != nullptr) layOutPanels();
}

std::size_t Planner::reserve(std::size_t bytes) {
  const std::size_t at = memoryBytes_;
  memoryBytes_ += (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  return at;
}

void Planner::layOutPanels() {
  panels_.emplace(program_);
  for (PanelRegion& region : panels_->regions()) {
    const Space& space = program_.spaces[region.space];
    const DenseShape shape{0, region.inputs, region.outputs};
    region.memory = reserve(shape.panelFloats() * bytesOf(space.dtype));
    prologue_.push_back(std::make_unique<PanelCopyStep>(region, space.dtype, *fast_, true));
    if (space.writable())
      epilogue_.push_back(std::make_unique<PanelCopyStep>(region, space.dtype, *fast_, false));
  }
}

Steps Planner::plan(TapeName tape) {
  if (fast_ != nullptr && (tape == kFull || tape == kTail)) return planBatch(program_.tapes[tape]);
  Steps steps;
  for (const TapeOp& op : program_.tapes[tape]) steps.push_back(std::make_unique<KernelStep>(op));
  return steps;
}

Steps Planner::planBatch(const std::vector<TapeOp>& tape) {
  Steps steps;
  listed_.clear();
  kept_.clear();
  for (std::size_t at = 0; at < tape.size();) {
    if (const std::size_t ops = planPooledLists(tape, at, steps)) {
      at += ops;
      continue;
    }
    const TapeOp& op = tape[at++];
    std::unique_ptr<Step> step = planFromLists(op, steps);
    steps.push_back(step ? std::move(step) : planOp(op));
    for (std::size_t i = 0; i < op.signature().operandCount; ++i)
      if (op.signature().writes[i]) {
        std::erase_if(listed_, [&](const Listed& lists) { return overlap(lists.delta, op.operands[i]); });
        std::erase_if(kept_, [&](const Kept& kept) { return overlap(kept.x, op.operands[i]); });
      }
  }
  return steps;
}

std::unique_ptr<Step> Planner::planOp(const TapeOp& op) {
  if (auto step = planDense(op)) return step;
  if (op.kernel == KernelId::conv2dF32 && !op.scalars[11].runtime) {
    if (const auto shape = convShape(op, program_)) {
      scratchBytes_ = std::max(scratchBytes_, fast_->convScratch(*shape));
      return std::make_unique<ConvForwardStep>(op, *shape, *fast_);
    }
  }
  if (isPool2(op, program_)) return std::make_unique<PoolStep>(op, *fast_);
  return std::make_unique<KernelStep>(op);
}

std::unique_ptr<Step> Planner::planDense(const TapeOp& op) {
  const DenseOp dense = denseOp(op, program_);
  const std::size_t region = dense.form == DenseForm::none ? kNone : panels_->find(op.operands[dense.weight]);
  if (region != kNone) {
    auto step =
        std::make_unique<DenseStep>(op, dense, panels_->regions()[region], keepInputs(op, dense), *fast_);
    scratchBytes_ = std::max(scratchBytes_, step->scratchBytes());
    return step;
  }
  if (isElementwise(op.kernel) && panels_->meets(op.operands[0]))
    return std::make_unique<PanelElementwiseStep>(op, *panels_);
  return nullptr;
}

std::size_t Planner::keepInputs(const TapeOp& op, const DenseOp& dense) {
  const Operand& x = op.operands[dense.form == DenseForm::forward ? 1 : 2];
  if (dense.form == DenseForm::dataGrad) return kNone;
  if (dense.form == DenseForm::update) {
    for (const Kept& kept : kept_)
      if (kept.x == x && kept.rows == dense.rows && kept.inputs == dense.inputs) return kept.memory;
    return kNone;
  }
  const std::size_t bytes = fast_->denseInputs({dense.rows, dense.inputs, dense.outputs});
  kept_.push_back({x, dense.rows, dense.inputs, reserve(bytes)});
  return kept_.back().memory;
}

const Planner::Listed* Planner::listed(const Operand& delta) const {
  for (const Listed& lists : listed_)
    if (lists.delta == delta) return &lists;
  return nullptr;
}

const Planner::Listed& Planner::makeLists(const Operand& delta, const ConvShape& shape,
                                          std::size_t capacity) {
  std::erase_if(listed_, [&](const Listed& lists) { return overlap(lists.delta, delta); });
  const std::size_t start = reserve((shape.batch * shape.outChannels + 1) * sizeof(std::uint32_t));
  const std::size_t position = reserve((capacity + kListSlack) * sizeof(std::uint32_t));
  const std::size_t value = reserve((capacity + kListSlack) * sizeof(float));
  listed_.push_back({delta, shape, {start, position, value}});
  return listed_.back();
}

std::size_t Planner::planPooledLists(const std::vector<TapeOp>& tape, std::size_t at, Steps& steps) {
  const auto pattern = pooledPattern(tape, at, program_);
  if (!pattern) return 0;
  // The first convolution that reads the delta says how it lies.
  for (std::size_t i = at + pattern->ops; i < tape.size(); ++i) {
    const auto shape = convShape(tape[i], program_);
    const std::size_t operand = deltaOperand(tape[i]);
    if (!shape || operand == kNone || !(tape[i].operands[operand] == pattern->delta)) continue;
    const std::size_t planes = shape->batch * shape->outChannels;
    const bool fits = pattern->dy.length == planes * pattern->pooledHeight * pattern->pooledWidth &&
                      pattern->pooledHeight * pattern->window <= shape->outHeight &&
                      pattern->pooledWidth * pattern->window <= shape->outWidth;
    if (!fits || !canList(tape, at + pattern->ops, pattern->delta, *shape, program_)) return 0;
    const Listed& lists = makeLists(pattern->delta, *shape, pattern->dy.length);
    steps.push_back(std::make_unique<PooledListStep>(*pattern, *shape, lists.memory, *fast_));
    return pattern->ops;
  }
  return 0;
}

std::unique_ptr<Step> Planner::planFromLists(const TapeOp& op, Steps& steps) {
  const std::size_t operand = deltaOperand(op);
  if (operand == kNone) return nullptr;
  const Listed* lists = listed(op.operands[operand]);
  const auto shape = convShape(op, program_);
  if (shape) {
    if (lists == nullptr) {
      lists = &makeLists(op.operands[operand], *shape, op.operands[operand].length);
      steps.push_back(std::make_unique<ListStep>(op.operands[operand], *shape, lists->memory, *fast_));
    }
    if (!readsAs(op, lists->shape)) return nullptr;
    scratchBytes_ = std::max(scratchBytes_, fast_->convScratch(*shape));
    return std::make_unique<FromListsStep>(op, *shape, lists->memory, *fast_);
  }
  if (lists == nullptr || !readsAs(op, lists->shape)) return nullptr;
  return std::make_unique<FromListsStep>(op, lists->shape, lists->memory, *fast_);
}

}  // namespace heddle
