#pragma once
#include "isa/fast.hpp"
#include "levels.hpp"

namespace heddle {

/// Fast-path kernels of a level, or null where there are none.
const FastKernels* fastKernels(const Level& level);

}  // namespace heddle
