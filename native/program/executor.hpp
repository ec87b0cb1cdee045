// Runs local jobs: compiles a program once for a level, then interprets its tapes over the arrays that a job
// binds.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "job.hpp"
#include "levels.hpp"

namespace heddle {

/// Memory of one pool thread, reused from job to job; grows between jobs only.
class JobMemory {
 public:
  JobMemory() = default;
  JobMemory(const JobMemory&) = delete;
  JobMemory& operator=(const JobMemory&) = delete;
  ~JobMemory();
  /// At least `bytes`, aligned to a cache line; what it held before has no meaning. Throws std::bad_alloc.
  std::byte* reserve(std::size_t bytes);

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

struct BoundSpace {
  void* data = nullptr;
  /// Elements.
  std::size_t length = 0;
};

/// What one job gives beside its program. Pointers stay valid until `runJob` returns.
struct JobInput {
  /// One per space of the program; `arena` and `index` spaces are left empty.
  std::vector<BoundSpace> spaces;
  const std::uint32_t* index = nullptr;
  std::size_t indexLength = 0;
  std::size_t epochs = 1;
  /// Most batches over all epochs.
  std::uint64_t maxSteps = UINT64_MAX;
  bool shuffle = false;
  std::uint32_t key0 = 0;
  std::uint32_t key1 = 0;
  /// Start values of the run-time scalars.
  std::vector<double> scalars;
};

struct CompileOptions {
  /// Off: every op is one call of its kernel. The bits are the same; tests compare the two.
  bool fastPaths = true;
};

class Step;

/// A program made ready for a level. Immutable, shared by all jobs and threads.
class Plan {
 public:
  Plan(std::shared_ptr<const JobProgram> program, const Level& level, const CompileOptions& options);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const JobProgram& program() const { return *program_; }
  /// Runs one job on the calling thread. Throws ProgramError on what does not fit; returns false if it was
  /// cancelled, which is looked at before every batch. `memory` is used by this call alone.
  bool run(const JobInput& input, JobMemory& memory, const std::atomic<bool>& cancelled) const;

 private:
  std::shared_ptr<const JobProgram> program_;
  const Level& level_;
  std::vector<std::unique_ptr<Step>> prologue_;
  std::vector<std::unique_ptr<Step>> steps_[kTapeCount];
  std::vector<std::unique_ptr<Step>> epilogue_;
  /// Byte offset of each arena space in the job's memory.
  std::vector<std::size_t> arenaOffsets_;
  std::size_t scratchOffset_ = 0;
  std::size_t memoryBytes_ = 0;
};

}  // namespace heddle
