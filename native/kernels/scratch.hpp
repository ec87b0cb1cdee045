// Working memory of one thread, for packed panels.
#pragma once
#include <cstddef>

namespace heddle::HEDDLE_ISA {
constexpr std::size_t kScratchFloats = 65536;
/// kScratchFloats floats, aligned to a cache line; they hold nothing between calls. Defined in gemm.cpp.
float* kernelScratch();
}  // namespace heddle::HEDDLE_ISA
