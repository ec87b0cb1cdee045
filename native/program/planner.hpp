// Turns the tapes of a program into steps: fast paths where a known pattern stands, one kernel call for
// everything else.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "conv_steps.hpp"
#include "fast_levels.hpp"
#include "job.hpp"
#include "panel_layout.hpp"
#include "step.hpp"

namespace heddle {

using Steps = std::vector<std::unique_ptr<Step>>;

class Planner {
 public:
  /// `memoryBytes`: what the arena spaces take; steps get what they keep behind it.
  Planner(const JobProgram& program, const Level& level, bool fastPaths, std::size_t memoryBytes);

  Steps plan(TapeName tape);
  /// Steps that run before the first and after the last batch: into layouts that only live in between, and
  /// back.
  Steps takePrologue() { return std::move(prologue_); }
  Steps takeEpilogue() { return std::move(epilogue_); }
  std::size_t memoryBytes() const { return memoryBytes_; }
  std::size_t scratchBytes() const { return scratchBytes_; }

 private:
  /// A delta that exists as lists at this point of the tape.
  struct Listed {
    Operand delta;
    ConvShape shape;
    ListMemory memory;
  };

  /// Inputs of a dense layer that a forward product has kept at this point of the tape.
  struct Kept {
    Operand x;
    std::size_t rows;
    std::size_t inputs;
    std::size_t memory;
  };

  std::size_t reserve(std::size_t bytes);
  void layOutPanels();
  Steps planBatch(const std::vector<TapeOp>& tape);
  std::unique_ptr<Step> planOp(const TapeOp& op);
  std::unique_ptr<Step> planDense(const TapeOp& op);
  std::size_t keepInputs(const TapeOp& op, const DenseOp& dense);
  const Listed* listed(const Operand& delta) const;
  const Listed& makeLists(const Operand& delta, const ConvShape& shape, std::size_t capacity);
  /// Plans the lists that stand for the ops from `at` on, if there are any. Returns how many ops they stand
  /// for.
  std::size_t planPooledLists(const std::vector<TapeOp>& tape, std::size_t at, Steps& steps);
  std::unique_ptr<Step> planFromLists(const TapeOp& op, Steps& steps);

  const JobProgram& program_;
  const FastKernels* fast_;
  std::optional<PanelLayout> panels_;
  std::vector<Listed> listed_;
  std::vector<Kept> kept_;
  std::size_t memoryBytes_;
  std::size_t scratchBytes_ = 0;
  Steps prologue_;
  Steps epilogue_;
};

}  // namespace heddle
