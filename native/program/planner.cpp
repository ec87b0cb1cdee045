#include "planner.hpp"

namespace heddle {

Planner::Planner(const JobProgram& program, const Level& level, bool fastPaths, std::size_t memoryBytes)
    : program_(program), level_(level), fastPaths_(fastPaths), memoryBytes_(memoryBytes) {}

std::vector<std::unique_ptr<Step>> Planner::plan(TapeName tape) {
  std::vector<std::unique_ptr<Step>> steps;
  for (const TapeOp& op : program_.tapes[tape]) steps.push_back(std::make_unique<KernelStep>(op));
  return steps;
}

}  // namespace heddle
