#include "planner.hpp"

#include <algorithm>

#include "dense_steps.hpp"

namespace heddle {
namespace {

constexpr std::size_t kCacheLine = 64;

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
    if (space.writable()) epilogue_.push_back(std::make_unique<PanelCopyStep>(region, space.dtype, *fast_, false));
  }
}

Steps Planner::plan(TapeName tape) {
  Steps steps;
  const bool batch = tape == kFull || tape == kTail;
  for (const TapeOp& op : program_.tapes[tape])
    steps.push_back(batch ? planOp(op) : std::make_unique<KernelStep>(op));
  return steps;
}

std::unique_ptr<Step> Planner::planOp(const TapeOp& op) {
  if (panels_) {
    const DenseOp dense = denseOp(op, program_);
    const std::size_t region = dense.form == DenseForm::none ? kNone : panels_->find(op.operands[dense.weight]);
    if (region != kNone) {
      auto step = std::make_unique<DenseStep>(op, dense, panels_->regions()[region], *fast_);
      scratchBytes_ = std::max(scratchBytes_, step->scratchBytes());
      return step;
    }
    if (isElementwise(op.kernel) && panels_->meets(op.operands[0])) return std::make_unique<PanelElementwiseStep>(op, *panels_);
  }
  return std::make_unique<KernelStep>(op);
}

}  // namespace heddle
