// Turns the tapes of a program into steps: fast paths where a known pattern stands, one kernel call for everything else.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "job.hpp"
#include "levels.hpp"
#include "step.hpp"

namespace heddle {

class Planner {
 public:
  /// `memoryBytes`: what the arena spaces take; steps get their scratch behind it.
  Planner(const JobProgram& program, const Level& level, bool fastPaths, std::size_t memoryBytes);

  std::vector<std::unique_ptr<Step>> plan(TapeName tape);
  /// Steps that run once at the start and the end of a job: into layouts that only live as long as the job, and back.
  std::vector<std::unique_ptr<Step>> takePrologue() { return std::move(prologue_); }
  std::vector<std::unique_ptr<Step>> takeEpilogue() { return std::move(epilogue_); }
  std::size_t memoryBytes() const { return memoryBytes_; }

 private:
  const JobProgram& program_;
  const Level& level_;
  bool fastPaths_;
  std::size_t memoryBytes_;
  std::vector<std::unique_ptr<Step>> prologue_;
  std::vector<std::unique_ptr<Step>> epilogue_;
};

}  // namespace heddle
