// What the planner has to know about convolutions on a tape: their shapes, and where a delta may live as a
// list of its non-zeros instead of as an array.
#pragma once
#include <cstddef>
#include <optional>

#include "isa/fast.hpp"
#include "job.hpp"

namespace heddle {

/// The shape of a conv2d* op that the fast paths can run: literal, with every window inside the padded image.
std::optional<ConvShape> convShape(const TapeOp& op, const JobProgram& program);

/// Whether an op is a max pool by 2 x 2 windows side by side, of literal sizes.
bool isPool2(const TapeOp& op, const JobProgram& program);

/// Which operand of an op is a delta that may come as lists, or kNone.
std::size_t deltaOperand(const TapeOp& op);

/// Whether the array that op `writer` leaves in `region` is read as a delta by convolutions and bias sums
/// only, so that it need not be written when they get lists.
bool isOnlyDelta(const std::vector<TapeOp>& tape, std::size_t writer, const Operand& region);

bool overlap(const Operand& a, const Operand& b);

/// Max-pool gradient, with the rectifier's behind it if there is one, whose result is only a delta.
struct PooledPattern {
  /// Ops that the lists stand for: `first` and, with a rectifier, the one behind it.
  std::size_t first;
  std::size_t ops;
  Operand delta;
  Operand dy;
  Operand places;
  /// Length 0 without rectifier.
  Operand y;
  /// The pool's output, if it holds what `y` has at the places; else length 0.
  Operand pooled;
  std::size_t pooledHeight;
  std::size_t pooledWidth;
  std::size_t window;
};

/// The pattern that begins at op `at` of a tape and yields the delta of a convolution of the given tape, if
/// there is one.
std::optional<PooledPattern> pooledPattern(const std::vector<TapeOp>& tape, std::size_t at,
                                           const JobProgram& program);

}  // namespace heddle
