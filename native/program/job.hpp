// A local job as data: spaces, run-time scalars and four tapes of kernel calls (src/program/tape.ts), decoded
// and checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "dispatch.hpp"

namespace heddle {

/// What is wrong with a program or with what a job binds to it; `code` is the error code that TypeScript
/// shows.
class ProgramError : public std::runtime_error {
 public:
  ProgramError(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;
};

enum class SpaceRole : std::uint8_t {
  arena,
  slot,
  gradient,
  state,
  constant,
  examples,
  labels,
  index,
  totals
};

struct Space {
  SpaceRole role;
  Dtype dtype;
  /// Elements; `examples` and `labels` have as many as the job binds.
  std::size_t length;

  /// An operand here is the whole bound array, whatever length it names.
  bool isDataSet() const { return role == SpaceRole::examples || role == SpaceRole::labels; }

  bool writable() const {
    return role != SpaceRole::constant && role != SpaceRole::examples && role != SpaceRole::labels &&
           role != SpaceRole::index;
  }
};

struct Operand {
  std::uint32_t space;
  std::size_t offset;
  /// Elements; 0: the optional operand is not there.
  std::size_t length;

  bool operator==(const Operand&) const = default;
};

struct ScalarOperand {
  bool runtime;
  std::uint32_t index;
  double literal;

  bool is(double value) const { return !runtime && literal == value; }
};

struct TapeOp {
  KernelId kernel;
  Operand operands[kMaxOperands];
  ScalarOperand scalars[kMaxScalars];

  const OpSignature& signature() const { return kSignatures[static_cast<std::size_t>(kernel)]; }
  std::size_t integer(std::size_t scalar) const { return static_cast<std::size_t>(scalars[scalar].literal); }
};

enum class ScalarRule : std::uint8_t { constant, increment, multiply };

struct RuntimeScalar {
  ScalarRule rule;
  double by;
};

enum TapeName : std::size_t { kBefore, kFull, kTail, kAfter, kTapeCount };

/// Immutable; what `encodeJobProgram` writes.
struct JobProgram {
  std::size_t batchSize;
  std::size_t tailSize;
  std::vector<Space> spaces;
  std::vector<RuntimeScalar> scalars;
  std::vector<TapeOp> tapes[kTapeCount];
};

std::size_t bytesOf(Dtype dtype);
const char* nameOf(Dtype dtype);

/// Decodes and checks: every number in range, every operand inside its space and of the kernel's dtype,
/// nothing written that is read only. Throws ProgramError.
std::shared_ptr<const JobProgram> decodeJobProgram(const double* words, std::size_t count);

}  // namespace heddle
