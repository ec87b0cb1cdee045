#include "job.hpp"

#include <cmath>

namespace heddle {
namespace {

constexpr double kMagic = 0x68656464;
constexpr double kVersion = 1;
constexpr double kMaxLength = 0x1p40;
constexpr std::size_t kMaxSpaces = 1 << 16;
constexpr std::size_t kMaxRuntimeScalars = 1 << 16;

[[noreturn]] void refuse(const std::string& what) {
  throw ProgramError("ERR_PROGRAM", "encoded program: " + what);
}

class Reader {
 public:
  Reader(const double* words, std::size_t count) : words_(words), count_(count) {}

  double number() {
    if (at_ >= count_) refuse("ends too early");
    return words_[at_++];
  }

  /// An integer from 0 to `limit`.
  std::size_t integer(const char* what, double limit) {
    const double value = number();
    if (!(value >= 0 && value <= limit) || value != std::floor(value))
      refuse(std::string(what) + " is out of range at word " + std::to_string(at_ - 1));
    return static_cast<std::size_t>(value);
  }

  std::size_t remaining() const { return count_ - at_; }

 private:
  const double* words_;
  std::size_t count_;
  std::size_t at_ = 0;
};

Operand readOperand(Reader& reader, const JobProgram& program, const OpSignature& signature, std::size_t i) {
  Operand operand{};
  operand.space =
      static_cast<std::uint32_t>(reader.integer("space", static_cast<double>(program.spaces.size()) - 1));
  operand.offset = reader.integer("offset", kMaxLength);
  operand.length = reader.integer("length", kMaxLength);
  if (operand.length == 0) return operand;
  const Space& space = program.spaces[operand.space];
  if (!space.isDataSet() && operand.offset + operand.length > space.length)
    refuse(std::string(signature.name) + ": operand " + std::to_string(i) + " reaches past its space");
  if (space.dtype != signature.dtypes[i])
    refuse(std::string(signature.name) + ": operand " + std::to_string(i) + " must be " +
           nameOf(signature.dtypes[i]));
  if (signature.writes[i] && !space.writable())
    refuse(std::string(signature.name) + ": operand " + std::to_string(i) +
           " writes a space that is read only");
  return operand;
}

TapeOp readOp(Reader& reader, const JobProgram& program) {
  TapeOp op{};
  op.kernel =
      static_cast<KernelId>(reader.integer("kernel", static_cast<double>(std::size(kSignatures)) - 1));
  const OpSignature& signature = op.signature();
  if (!signature.onTape) refuse(std::string(signature.name) + " cannot stand on a tape");
  for (std::size_t i = 0; i < signature.operandCount; ++i)
    op.operands[i] = readOperand(reader, program, signature, i);
  for (std::size_t i = 0; i < signature.scalarCount; ++i) {
    ScalarOperand& scalar = op.scalars[i];
    scalar.runtime = reader.integer("scalar kind", 1) == 1;
    if (scalar.runtime)
      scalar.index = static_cast<std::uint32_t>(
          reader.integer("run-time scalar", static_cast<double>(program.scalars.size()) - 1));
    else
      scalar.literal = reader.number();
  }
  return op;
}

}  // namespace

std::size_t bytesOf(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
      return 8;
    case Dtype::f32:
    case Dtype::i32:
    case Dtype::u32:
      return 4;
    case Dtype::u16:
      return 2;
    case Dtype::u8:
    case Dtype::i8:
      return 1;
  }
  return 1;
}

const char* nameOf(Dtype dtype) {
  constexpr const char* kNames[] = {"float32", "float64", "uint8", "int8", "uint16", "int32", "uint32"};
  return kNames[static_cast<std::size_t>(dtype)];
}

std::shared_ptr<const JobProgram> decodeJobProgram(const double* words, std::size_t count) {
  Reader reader(words, count);
  auto program = std::make_shared<JobProgram>();
  if (reader.number() != kMagic) refuse("is not one");
  if (reader.number() != kVersion) refuse("has another version");
  program->batchSize = reader.integer("batch size", 0x1p32);
  program->tailSize = reader.integer("tail size", 0x1p32);
  if (program->batchSize == 0 || program->tailSize >= program->batchSize) refuse("batch sizes do not fit");
  const std::size_t spaces = reader.integer("number of spaces", kMaxSpaces);
  std::size_t indexSpaces = 0;
  for (std::size_t i = 0; i < spaces; ++i) {
    Space space{};
    space.role = static_cast<SpaceRole>(reader.integer("role", static_cast<double>(SpaceRole::totals)));
    space.dtype = static_cast<Dtype>(reader.integer("dtype", static_cast<double>(Dtype::u32)));
    space.length = reader.integer("space length", kMaxLength);
    if (space.role == SpaceRole::index && (space.dtype != Dtype::u32 || space.length > program->batchSize))
      refuse("the index space must be uint32 and hold at most one batch");
    indexSpaces += space.role == SpaceRole::index;
    program->spaces.push_back(space);
  }
  if (indexSpaces > 1) refuse("has more than one index space");
  const std::size_t scalars = reader.integer("number of run-time scalars", kMaxRuntimeScalars);
  for (std::size_t i = 0; i < scalars; ++i) {
    RuntimeScalar scalar{};
    scalar.rule =
        static_cast<ScalarRule>(reader.integer("scalar rule", static_cast<double>(ScalarRule::multiply)));
    scalar.by = reader.number();
    program->scalars.push_back(scalar);
  }
  for (auto& tape : program->tapes) {
    // An op has at least one word, so that the count bounds what is reserved.
    const std::size_t ops = reader.integer("number of ops", static_cast<double>(reader.remaining()));
    tape.reserve(ops);
    for (std::size_t i = 0; i < ops; ++i) tape.push_back(readOp(reader, *program));
  }
  if (reader.remaining() != 0) refuse("has words left over");
  return program;
}

}  // namespace heddle
