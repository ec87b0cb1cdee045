// Steps over weights in panels.
#pragma once
#include <vector>

#include "fast_levels.hpp"
#include "panel_layout.hpp"
#include "step.hpp"

namespace heddle {

/// Into panels at the start of a job, or back at its end.
class PanelCopyStep : public Step {
 public:
  PanelCopyStep(const PanelRegion& region, Dtype dtype, const FastKernels& fast, bool pack)
      : region_(region), dtype_(dtype), fast_(fast), pack_(pack) {}
  void run(const JobProgram& program, Run& run) const override;

 private:
  PanelRegion region_;
  Dtype dtype_;
  const FastKernels& fast_;
  bool pack_;
};

/// One of the three products of a dense layer.
class DenseStep : public Step {
 public:
  /// `kept`: where in the job's memory a forward product leaves its inputs by column, or an update finds
  /// them; or kNone.
  DenseStep(const TapeOp& op, const DenseOp& dense, const PanelRegion& region, std::size_t kept,
            const FastKernels& fast);
  void check(const JobProgram& program, const Run& run) const override {
    KernelStep(op_).check(program, run);
  }
  void run(const JobProgram& program, Run& run) const override;
  std::size_t scratchBytes() const { return fast_.denseScratch(shape_); }

 private:
  TapeOp op_;
  DenseForm form_;
  DenseShape shape_;
  std::size_t panels_;
  std::size_t kept_;
  bool signless_;
  const FastKernels& fast_;
};

/// An elementwise op whose vectors are partly in panels: one call for each region and for each gap between
/// them.
class PanelElementwiseStep : public Step {
 public:
  PanelElementwiseStep(const TapeOp& op, const PanelLayout& layout);
  void check(const JobProgram& program, const Run& run) const override {
    KernelStep(op_).check(program, run);
  }
  void run(const JobProgram& program, Run& run) const override;

 private:
  struct Piece {
    std::size_t first;
    std::size_t length;
    /// Byte offset of each operand's panels in the job's memory; kNone: the operand itself, from `first`.
    std::size_t memory[kMaxOperands];
  };
  TapeOp op_;
  std::vector<Piece> pieces_;
};

}  // namespace heddle
