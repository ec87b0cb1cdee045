// Turns the tapes of a program into steps: fast paths where a known pattern stands, one kernel call for everything else.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

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
  /// Steps that run before the first and after the last batch: into layouts that only live in between, and back.
  Steps takePrologue() { return std::move(prologue_); }
  Steps takeEpilogue() { return std::move(epilogue_); }
  std::size_t memoryBytes() const { return memoryBytes_; }
  std::size_t scratchBytes() const { return scratchBytes_; }

 private:
  std::size_t reserve(std::size_t bytes);
  void layOutPanels();
  std::unique_ptr<Step> planOp(const TapeOp& op);

  const JobProgram& program_;
  const FastKernels* fast_;
  std::optional<PanelLayout> panels_;
  std::size_t memoryBytes_;
  std::size_t scratchBytes_ = 0;
  Steps prologue_;
  Steps epilogue_;
};

}  // namespace heddle
