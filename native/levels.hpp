// The instruction sets that are compiled in, and which of them this processor can run.
#pragma once
#include <cstddef>

#include "table.hpp"

namespace heddle {

struct Level {
  const char* name;
  /// Products and sums of a gemm or convolution chain are fused (profile "fma") or not ("plain").
  bool fused;
  const KernelTable* kernels;
  bool (*runsHere)();
};

/// All compiled levels, the slowest first.
const Level* levels(std::size_t* count);

/// The level of that name, or null.
const Level* findLevel(const char* name);

/// The fastest level that runs here; null only on a processor below x86-64-v2.
const Level* bestLevel();

}  // namespace heddle
