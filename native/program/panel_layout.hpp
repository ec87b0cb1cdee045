// Which regions of a job's vectors are kept in panels from the first batch to the last.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "job.hpp"

namespace heddle {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);
/// Only these see panels: what comes before the first and after the last batch works on the vectors
/// themselves.
constexpr TapeName kBatchTapes[] = {kFull, kTail};

/// A [outputs, inputs] weight, or what goes with it element by element (velocity, gradient, centre, mask).
struct PanelRegion {
  std::uint32_t space;
  std::size_t offset;
  std::size_t outputs;
  std::size_t inputs;
  /// Regions of one group are permuted alike or not at all.
  std::size_t group;
  bool usable = true;
  /// Only products touch it, and every batch adds to all of it with a positive alpha: its zeros lose their
  /// sign at once.
  bool signless = true;
  /// Byte offset of its panels in the job's memory.
  std::size_t memory = 0;

  std::size_t length() const { return outputs * inputs; }
  bool overlaps(const Operand& o) const {
    return o.space == space && o.length > 0 && o.offset < offset + length() && offset < o.offset + o.length;
  }
  bool is(const Operand& o) const { return o.space == space && o.offset == offset && o.length == length(); }
};

/// The three products of a dense layer, as they stand on a tape.
enum class DenseForm { none, forward, dataGrad, update };

struct DenseOp {
  DenseForm form = DenseForm::none;
  std::size_t rows = 0;
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  /// Which operand of the gemm is the weight.
  std::size_t weight = 0;
};

DenseOp denseOp(const TapeOp& op, const JobProgram& program);

/// Whether every operand has the length that the op says; one in a data set has that of what the job binds.
bool hasFixedOperands(const TapeOp& op, const JobProgram& program);

/// Kernels whose vectors all have one length and whose element i depends on elements i alone.
bool isElementwise(KernelId kernel);

class PanelLayout {
 public:
  explicit PanelLayout(const JobProgram& program);

  const std::vector<PanelRegion>& regions() const { return regions_; }
  std::vector<PanelRegion>& regions() { return regions_; }
  /// The usable region that is exactly this operand, or kNone.
  std::size_t find(const Operand& operand) const;
  /// Whether an operand meets any usable region.
  bool meets(const Operand& operand) const;

 private:
  std::size_t add(std::uint32_t space, std::size_t offset, std::size_t outputs, std::size_t inputs);
  void join(std::size_t a, std::size_t b);
  void visit(const TapeOp& op);
  void link(const TapeOp& op, std::size_t operand, std::size_t region);
  bool addedToIn(const PanelRegion& region, TapeName tape) const;

  const JobProgram& program_;
  std::vector<PanelRegion> regions_;
  bool changed_ = false;
};

}  // namespace heddle
