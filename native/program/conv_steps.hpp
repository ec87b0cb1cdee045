// Steps of convolutions: forward, and gradients from lists of the delta's non-zeros.
#pragma once
#include "conv_layout.hpp"
#include "fast_levels.hpp"
#include "step.hpp"

namespace heddle {

/// Where a delta's lists lie in the job's memory.
struct ListMemory {
  std::size_t start;
  std::size_t position;
  std::size_t value;

  DeltaLists in(std::byte* memory) const {
    return {reinterpret_cast<std::uint32_t*>(memory + start),
            reinterpret_cast<std::uint32_t*>(memory + position), reinterpret_cast<float*>(memory + value)};
  }
};

class ConvForwardStep : public Step {
 public:
  ConvForwardStep(const TapeOp& op, const ConvShape& shape, const FastKernels& fast)
      : op_(op), shape_(shape), fast_(fast) {}
  void check(const JobProgram& program, const Run& run) const override {
    KernelStep(op_).check(program, run);
  }
  void run(const JobProgram& program, Run& run) const override;

 private:
  TapeOp op_;
  ConvShape shape_;
  const FastKernels& fast_;
};

/// Max pooling by 2 x 2 windows side by side.
class PoolStep : public Step {
 public:
  PoolStep(const TapeOp& op, const FastKernels& fast) : op_(op), fast_(fast) {}
  void check(const JobProgram& program, const Run& run) const override {
    KernelStep(op_).check(program, run);
  }
  void run(const JobProgram& program, Run& run) const override;

 private:
  TapeOp op_;
  const FastKernels& fast_;
};

/// Lists the elements of an array that are not 0.
class ListStep : public Step {
 public:
  ListStep(const Operand& delta, const ConvShape& shape, const ListMemory& lists, const FastKernels& fast)
      : delta_(delta), shape_(shape), lists_(lists), fast_(fast) {}
  void run(const JobProgram& program, Run& run) const override;

 private:
  Operand delta_;
  ConvShape shape_;
  ListMemory lists_;
  const FastKernels& fast_;
};

/// Lists what a max pool and a rectifier hand back, without the array between.
class PooledListStep : public Step {
 public:
  PooledListStep(const PooledPattern& pattern, const ConvShape& shape, const ListMemory& lists,
                 const FastKernels& fast)
      : pattern_(pattern), shape_(shape), lists_(lists), fast_(fast) {}
  void run(const JobProgram& program, Run& run) const override;

 private:
  PooledPattern pattern_;
  ConvShape shape_;
  ListMemory lists_;
  const FastKernels& fast_;
};

/// Any op that reads a delta, from its lists.
class FromListsStep : public Step {
 public:
  FromListsStep(const TapeOp& op, const ConvShape& shape, const ListMemory& lists, const FastKernels& fast)
      : op_(op), shape_(shape), lists_(lists), fast_(fast) {}
  void check(const JobProgram& program, const Run& run) const override {
    KernelStep(op_).check(program, run);
  }
  void run(const JobProgram& program, Run& run) const override;

 private:
  TapeOp op_;
  ConvShape shape_;
  ListMemory lists_;
  const FastKernels& fast_;
};

}  // namespace heddle
