#include "dense_steps.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace heddle {
namespace {

/// Panels of elements that are not float32 (a mask, a float64 accumulator).
template <typename T>
void permute(T* panels, T* weights, const PanelRegion& region, bool pack) {
  for (std::size_t n = 0; n < panelCount(region.outputs) * kPanel; ++n)
    for (std::size_t k = 0; k < region.inputs; ++k) {
      T& packed = panels[(n / kPanel * region.inputs + k) * kPanel + n % kPanel];
      if (n >= region.outputs) {
        if (pack) packed = T{};
      } else if (pack) {
        packed = weights[n * region.inputs + k];
      } else {
        weights[n * region.inputs + k] = packed;
      }
    }
}

}  // namespace

void PanelCopyStep::run(const JobProgram&, Run& run) const {
  std::byte* panels = run.memory + region_.memory;
  std::byte* weights = run.spaces[region_.space] + region_.offset * bytesOf(dtype_);
  switch (dtype_) {
    case Dtype::f32: {
      auto* values = reinterpret_cast<float*>(panels);
      if (!pack_) {
        fast_.unpackPanels(reinterpret_cast<float*>(weights), values, region_.outputs, region_.inputs);
        break;
      }
      fast_.packPanels(values, reinterpret_cast<float*>(weights), region_.outputs, region_.inputs);
      // Adding +0 turns -0 into +0. The first update would do so to every weight; done here, updates may skip
      // dead inputs.
      if (region_.signless)
        for (std::size_t i = 0; i < panelCount(region_.outputs) * kPanel * region_.inputs; ++i)
          values[i] += 0.0f;
      break;
    }
    case Dtype::f64:
      permute(reinterpret_cast<double*>(panels), reinterpret_cast<double*>(weights), region_, pack_);
      break;
    default:
      permute(reinterpret_cast<std::uint8_t*>(panels), reinterpret_cast<std::uint8_t*>(weights), region_,
              pack_);
      break;
  }
}

DenseStep::DenseStep(const TapeOp& op, const DenseOp& dense, const PanelRegion& region, std::size_t kept,
                     const FastKernels& fast)
    : op_(op),
      form_(dense.form),
      shape_{dense.rows, dense.inputs, dense.outputs},
      panels_(region.memory),
      kept_(kept),
      signless_(region.signless),
      fast_(fast) {}

void DenseStep::run(const JobProgram&, Run& run) const {
  auto* panels = reinterpret_cast<float*>(run.memory + panels_);
  float* c = run.at<float>(op_.operands[0]);
  const float* a = run.at<float>(op_.operands[1]);
  const float* b = run.at<float>(op_.operands[2]);
  const auto alpha = static_cast<float>(run.value(op_.scalars[5]));
  std::byte* kept = kept_ == kNone ? nullptr : run.memory + kept_;
  switch (form_) {
    case DenseForm::forward: {
      const auto activation = op_.integer(7);
      const std::size_t n = shape_.rows * shape_.outputs;
      fast_.denseForward(c, a, panels, run.at<float>(op_.operands[3]), shape_, alpha, activation == 1, kept,
                         run.scratch);
      if (activation == 2) run.kernels.tanhF32(c, c, n);
      if (activation == 3) run.kernels.sigmoidF32(c, c, n);
      break;
    }
    case DenseForm::dataGrad:
      fast_.denseDataGrad(c, a, panels, shape_, alpha, run.scratch);
      break;
    case DenseForm::update: {
      const auto beta = static_cast<float>(run.value(op_.scalars[6]));
      // An input that is 0 in all rows adds alpha * (+0): nothing to a weight that is not -0, and -0 nothing
      // at all.
      const bool addsNothing = alpha < 0 || (alpha > 0 && signless_);
      const bool skipDead = beta == 1 && std::isfinite(alpha) && addsNothing;
      fast_.denseUpdate(panels, a, b, shape_, alpha, beta, skipDead, kept, run.scratch);
      break;
    }
    case DenseForm::none:
      break;
  }
}

PanelElementwiseStep::PanelElementwiseStep(const TapeOp& op, const PanelLayout& layout) : op_(op) {
  const Operand& whole = op.operands[0];
  std::vector<PanelRegion> inside;
  for (const PanelRegion& region : layout.regions())
    if (region.overlaps(whole)) inside.push_back(region);
  std::sort(inside.begin(), inside.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
  std::size_t at = 0;
  const auto gap = [&](std::size_t end) {
    Piece piece{at, end - at, {}};
    std::fill_n(piece.memory, kMaxOperands, kNone);
    if (piece.length > 0) pieces_.push_back(piece);
  };
  for (const PanelRegion& region : inside) {
    const std::size_t first = region.offset - whole.offset;
    gap(first);
    Piece piece{first, panelCount(region.outputs) * kPanel * region.inputs, {}};
    for (std::size_t i = 0; i < op.signature().operandCount; ++i) {
      const Operand& operand = op.operands[i];
      piece.memory[i] = kNone;
      if (operand.length > 0)
        piece.memory[i] =
            layout.regions()[layout.find({operand.space, operand.offset + first, region.length()})].memory;
    }
    pieces_.push_back(piece);
    at = first + region.length();
  }
  gap(whole.length);
}

void PanelElementwiseStep::run(const JobProgram& program, Run& run) const {
  const OpArgs whole = resolve(op_, program, run);
  for (const Piece& piece : pieces_) {
    OpArgs args = whole;
    for (std::size_t i = 0; i < op_.signature().operandCount; ++i) {
      if (whole.lengths[i] == 0) continue;
      args.lengths[i] = piece.length;
      args.operands[i] = piece.memory[i] == kNone ? static_cast<std::byte*>(whole.operands[i]) +
                                                        piece.first * bytesOf(op_.signature().dtypes[i])
                                                  : run.memory + piece.memory[i];
    }
    runOp(run.kernels, op_.kernel, args);
  }
}

}  // namespace heddle
