#include "executor.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>

#include "planner.hpp"
#include "step.hpp"

namespace heddle {
namespace {

constexpr std::size_t kCacheLine = 64;

std::size_t roundUp(std::size_t bytes) { return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine; }

[[noreturn]] void refuse(const std::string& what) { throw ProgramError("ERR_JOB_BINDING", what); }

void checkInput(const JobProgram& program, const JobInput& input) {
  if (input.spaces.size() != program.spaces.size())
    refuse("a job must bind one array or nothing to every space");
  if (input.scalars.size() != program.scalars.size())
    refuse("a job must give " + std::to_string(program.scalars.size()) + " run-time scalars");
  for (std::size_t i = 0; i < program.spaces.size(); ++i) {
    const Space& space = program.spaces[i];
    if (space.role == SpaceRole::arena || space.role == SpaceRole::index) continue;
    if (input.spaces[i].length < space.length)
      refuse("space " + std::to_string(i) + " needs " + std::to_string(space.length) +
             " elements, the job binds " + std::to_string(input.spaces[i].length));
  }
}

void advance(const JobProgram& program, Run& run) {
  for (std::size_t i = 0; i < program.scalars.size(); ++i) {
    const RuntimeScalar& scalar = program.scalars[i];
    if (scalar.rule == ScalarRule::increment) run.scalars[i] += scalar.by;
    if (scalar.rule == ScalarRule::multiply) run.scalars[i] *= scalar.by;
  }
}

}  // namespace

JobMemory::~JobMemory() { ::operator delete (data_, std::align_val_t{kCacheLine}); }

std::byte* JobMemory::reserve(std::size_t bytes) {
  if (bytes > size_) {
    ::operator delete (data_, std::align_val_t{kCacheLine});
    data_ = nullptr;
    size_ = 0;
    data_ = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{kCacheLine}));
    size_ = bytes;
  }
  return data_;
}

Plan::Plan(std::shared_ptr<const JobProgram> program, const Level& level, const CompileOptions& options)
    : program_(std::move(program)), level_(level) {
  arenaOffsets_.resize(program_->spaces.size());
  for (std::size_t i = 0; i < program_->spaces.size(); ++i) {
    const Space& space = program_->spaces[i];
    if (space.role != SpaceRole::arena) continue;
    arenaOffsets_[i] = memoryBytes_;
    memoryBytes_ += roundUp(space.length * bytesOf(space.dtype));
  }
  Planner planner(*program_, level_, options.fastPaths, memoryBytes_);
  for (std::size_t tape = 0; tape < kTapeCount; ++tape)
    steps_[tape] = planner.plan(static_cast<TapeName>(tape));
  prologue_ = planner.takePrologue();
  epilogue_ = planner.takeEpilogue();
  scratchOffset_ = roundUp(planner.memoryBytes());
  memoryBytes_ = scratchOffset_ + roundUp(planner.scratchBytes());
}

Plan::~Plan() = default;

bool Plan::run(const JobInput& input, JobMemory& memory, const std::atomic<bool>& cancelled) const {
  const JobProgram& program = *program_;
  checkInput(program, input);
  std::size_t indexSpace = program.spaces.size();
  std::size_t batchRead = 0;
  for (std::size_t i = 0; i < program.spaces.size(); ++i)
    if (program.spaces[i].role == SpaceRole::index) {
      indexSpace = i;
      batchRead = program.spaces[i].length;
    }
  // A batch may be read whole behind the last example: what stands there is example 0.
  const std::size_t orderBytes = roundUp((input.indexLength + batchRead) * sizeof(std::uint32_t));
  std::byte* base = memory.reserve(memoryBytes_ + 2 * orderBytes + kCacheLine);
  auto* order = reinterpret_cast<std::uint32_t*>(base + memoryBytes_);
  auto* permutation = reinterpret_cast<std::uint32_t*>(base + memoryBytes_ + orderBytes);

  const std::size_t full = input.indexLength / program.batchSize;
  // A last batch of any other size is left out.
  const bool hasTail = program.tailSize != 0 && input.indexLength % program.batchSize == program.tailSize;
  const std::uint64_t batches =
      std::min<std::uint64_t>(input.maxSteps, (full + hasTail) * std::uint64_t{input.epochs});
  Run run{*level_.kernels, {}, {}, input.scalars, base, base + scratchOffset_};
  for (std::size_t i = 0; i < program.spaces.size(); ++i) {
    const Space& space = program.spaces[i];
    const bool own = space.role == SpaceRole::arena;
    run.spaces.push_back(own               ? base + arenaOffsets_[i]
                         : i == indexSpace ? reinterpret_cast<std::byte*>(order)
                                           : static_cast<std::byte*>(input.spaces[i].data));
    run.lengths.push_back(own || space.role == SpaceRole::index ? space.length : input.spaces[i].length);
  }
  std::copy_n(input.index, input.indexLength, order);
  std::fill_n(order + input.indexLength, batchRead, 0u);

  const auto execute = [&](const std::vector<std::unique_ptr<Step>>& steps) {
    for (const auto& step : steps) step->run(program, run);
  };
  for (const auto& steps : steps_)
    for (const auto& step : steps) step->check(program, run);

  execute(steps_[kBefore]);
  if (batches > 0) execute(prologue_);
  std::uint64_t steps = 0;
  for (std::size_t epoch = 0; steps < batches; ++epoch) {
    if (input.shuffle) {
      run.kernels.permutationU32(permutation, input.indexLength, input.key0, input.key1,
                                 static_cast<std::uint32_t>(epoch), 0);
      for (std::size_t i = 0; i < input.indexLength; ++i) order[i] = input.index[permutation[i]];
    }
    for (std::size_t batch = 0; batch < full + hasTail && steps < batches; ++batch, ++steps) {
      if (cancelled.load(std::memory_order_relaxed)) return false;
      if (indexSpace < program.spaces.size())
        run.spaces[indexSpace] = reinterpret_cast<std::byte*>(order + batch * program.batchSize);
      execute(steps_[batch < full ? kFull : kTail]);
      advance(program, run);
    }
  }
  if (batches > 0) execute(epilogue_);
  execute(steps_[kAfter]);
  return true;
}

}  // namespace heddle
