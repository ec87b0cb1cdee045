#include "panel_layout.hpp"

#include <algorithm>

namespace heddle {
namespace {

// Operands and scalars of gemmF32 in the table's order.
enum GemmOperand { kC, kA, kB, kBias };
enum GemmScalar { kM, kN, kK, kTransA, kTransB, kAlpha, kBeta, kActivation };

bool isLive(const Operand& operand) { return operand.length > 0; }

}  // namespace

bool hasFixedOperands(const TapeOp& op, const JobProgram& program) {
  for (std::size_t i = 0; i < op.signature().operandCount; ++i)
    if (op.operands[i].length > 0 && program.spaces[op.operands[i].space].isDataSet()) return false;
  return true;
}

DenseOp denseOp(const TapeOp& op, const JobProgram& program) {
  DenseOp dense;
  if (op.kernel != KernelId::gemmF32 || !hasFixedOperands(op, program)) return dense;
  for (const int scalar : {kM, kN, kK, kTransA, kTransB, kActivation})
    if (op.scalars[scalar].runtime) return dense;
  OpArgs args{};
  for (std::size_t i = 0; i < 4; ++i) args.lengths[i] = op.operands[i].length;
  for (std::size_t i = 0; i < 8; ++i) args.scalars[i] = op.scalars[i].literal;
  const std::size_t m = op.integer(kM);
  const std::size_t n = op.integer(kN);
  const std::size_t k = op.integer(kK);
  if (m == 0 || n == 0 || k == 0 || checkOp(op.kernel, args) != nullptr) return dense;
  const bool transA = op.integer(kTransA) != 0;
  const bool transB = op.integer(kTransB) != 0;
  const bool plain = !isLive(op.operands[kBias]) && op.scalars[kActivation].is(0);
  if (!transA && transB && op.scalars[kBeta].is(0) && op.integer(kActivation) <= 3)
    return {DenseForm::forward, m, k, n, kB};
  if (!transA && !transB && plain && op.scalars[kBeta].is(0)) return {DenseForm::dataGrad, m, n, k, kB};
  if (transA && !transB && plain) return {DenseForm::update, k, n, m, kC};
  return dense;
}

bool isElementwise(KernelId kernel) {
  switch (kernel) {
    case KernelId::fillF32:
    case KernelId::copyF32:
    case KernelId::scaleF32:
    case KernelId::axpyF32:
    case KernelId::addF32:
    case KernelId::subtractF32:
    case KernelId::multiplyF32:
    case KernelId::lerpF32:
    case KernelId::applyMaskF32:
    case KernelId::multiplyAddF32:
    case KernelId::squareF32:
    case KernelId::accumulateSquaresF64:
    case KernelId::movingAverageSquaresF32:
    case KernelId::sgdStepF32:
    case KernelId::adamStepF32:
    case KernelId::addAffineTermF32:
    case KernelId::addAffineVectorF32:
      return true;
    default:
      return false;
  }
}

PanelLayout::PanelLayout(const JobProgram& program) : program_(program) {
  for (const TapeName tape : kBatchTapes)
    for (const TapeOp& op : program.tapes[tape]) {
      const DenseOp dense = denseOp(op, program);
      if (dense.form == DenseForm::none) continue;
      const Operand& weight = op.operands[dense.weight];
      if (program.spaces[weight.space].role != SpaceRole::arena)
        add(weight.space, weight.offset, dense.outputs, dense.inputs);
    }
  // Linking an optimiser step to its other vectors may add regions there, whose ops have to be looked at in
  // turn.
  do {
    changed_ = false;
    for (const TapeName tape : kBatchTapes)
      for (const TapeOp& op : program.tapes[tape]) visit(op);
  } while (changed_);
  for (const PanelRegion& region : regions_)
    if (!region.usable)
      for (PanelRegion& other : regions_)
        if (other.group == region.group) other.usable = false;
  std::erase_if(regions_, [](const PanelRegion& region) { return !region.usable; });
  for (PanelRegion& region : regions_)
    region.signless &= addedToIn(region, kFull) && (program.tailSize == 0 || addedToIn(region, kTail));
}

bool PanelLayout::addedToIn(const PanelRegion& region, TapeName tape) const {
  bool added = false;
  for (const TapeOp& op : program_.tapes[tape]) {
    const DenseOp dense = denseOp(op, program_);
    if (dense.form != DenseForm::update || !region.is(op.operands[dense.weight])) continue;
    if (!op.scalars[kBeta].is(1) || op.scalars[kAlpha].runtime || !(op.scalars[kAlpha].literal > 0))
      return false;
    added = true;
  }
  return added;
}

std::size_t PanelLayout::add(std::uint32_t space, std::size_t offset, std::size_t outputs,
                             std::size_t inputs) {
  const Operand whole{space, offset, outputs * inputs};
  std::size_t found = kNone;
  bool usable = true;
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    PanelRegion& region = regions_[i];
    if (region.is(whole) && region.outputs == outputs) {
      found = i;
    } else if (region.overlaps(whole)) {
      changed_ |= region.usable;
      region.usable = usable = false;
    }
  }
  if (found != kNone) {
    changed_ |= regions_[found].usable && !usable;
    regions_[found].usable &= usable;
    return found;
  }
  changed_ = true;
  PanelRegion region{space, offset, outputs, inputs, regions_.size()};
  region.usable = usable;
  regions_.push_back(region);
  return regions_.size() - 1;
}

void PanelLayout::join(std::size_t a, std::size_t b) {
  const std::size_t from = regions_[b].group;
  const std::size_t to = regions_[a].group;
  if (from == to) return;
  for (PanelRegion& region : regions_)
    if (region.group == from) region.group = to;
}

void PanelLayout::visit(const TapeOp& op) {
  const DenseOp dense = denseOp(op, program_);
  for (std::size_t i = 0; i < op.signature().operandCount; ++i)
    for (std::size_t r = 0; r < regions_.size(); ++r) {
      if (!regions_[r].usable || !regions_[r].overlaps(op.operands[i])) continue;
      const bool asWeight = dense.form != DenseForm::none && dense.weight == i &&
                            regions_[r].is(op.operands[i]) && regions_[r].outputs == dense.outputs;
      if (asWeight) continue;
      regions_[r].signless = false;
      if (isElementwise(op.kernel)) {
        link(op, i, r);
      } else {
        changed_ |= regions_[r].usable;
        regions_[r].usable = false;
      }
    }
}

/// An elementwise op meets a region: its other vectors get the region that lies at the same place.
void PanelLayout::link(const TapeOp& op, std::size_t operand, std::size_t at) {
  const Operand& here = op.operands[operand];
  const PanelRegion region = regions_[at];
  bool usable = region.offset >= here.offset && region.offset + region.length() <= here.offset + here.length;
  for (std::size_t i = 0; usable && i < op.signature().operandCount; ++i) {
    const Operand& other = op.operands[i];
    if (i == operand || !isLive(other)) continue;
    usable = other.length == here.length && program_.spaces[other.space].role != SpaceRole::arena;
    if (!usable) break;
    const std::size_t linked =
        add(other.space, other.offset + (region.offset - here.offset), region.outputs, region.inputs);
    join(at, linked);
  }
  if (usable) return;
  changed_ |= regions_[at].usable;
  regions_[at].usable = false;
}

std::size_t PanelLayout::find(const Operand& operand) const {
  for (std::size_t i = 0; i < regions_.size(); ++i)
    if (regions_[i].is(operand)) return i;
  return kNone;
}

bool PanelLayout::meets(const Operand& operand) const {
  return std::any_of(regions_.begin(), regions_.end(),
                     [&](const PanelRegion& region) { return region.overlaps(operand); });
}

}  // namespace heddle
