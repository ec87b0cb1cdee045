// What a plan is made of: steps, each a kernel call or a fast path that stands for several.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "job.hpp"
#include "levels.hpp"

namespace heddle {

/// State of a running job.
struct Run {
  const KernelTable& kernels;
  /// First byte of each space.
  std::vector<std::byte*> spaces;
  /// Elements of each space.
  std::vector<std::size_t> lengths;
  /// Current values of the run-time scalars.
  std::vector<double> scalars;
  /// The job's memory: arena spaces, panels, and what steps keep from one op to another.
  std::byte* memory;
  /// Memory that a step may use while it runs.
  std::byte* scratch;

  template <typename T>
  T* at(const Operand& operand) const {
    return operand.length == 0 ? nullptr : reinterpret_cast<T*>(spaces[operand.space]) + operand.offset;
  }
  double value(const ScalarOperand& scalar) const {
    return scalar.runtime ? scalars[scalar.index] : scalar.literal;
  }
};

class Step {
 public:
  virtual ~Step() = default;
  /// Once before a job: throws ProgramError if what is bound does not fit.
  virtual void check(const JobProgram&, const Run&) const {}
  virtual void run(const JobProgram&, Run&) const = 0;
};

/// The operands of an op in this job: pointers, lengths and scalar values.
OpArgs resolve(const TapeOp& op, const JobProgram& program, const Run& run);

/// Any op as one call of its kernel.
class KernelStep : public Step {
 public:
  explicit KernelStep(const TapeOp& op, bool valuesAreChecked = false);
  void check(const JobProgram& program, const Run& run) const override;
  void run(const JobProgram& program, Run& run) const override;

 private:
  TapeOp op_;
  /// Lengths follow from run-time scalars that change, so that they are checked at every call.
  bool checkAlways_;
  /// The indices that the op reads are known to be in range.
  bool valuesAreChecked_;
};

/// The operand of `kernel` whose values are indices, or -1; `bound` is the exclusive upper bound of the
/// values.
int indexOperand(KernelId kernel, const OpArgs& args, std::size_t* bound);

}  // namespace heddle
