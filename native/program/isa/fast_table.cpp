#include "dense.hpp"

namespace heddle::HEDDLE_ISA {

extern const FastKernels kFastKernels;
const FastKernels kFastKernels = {packPanels, unpackPanels, denseScratch, denseForward, denseDataGrad, denseUpdate};

}  // namespace heddle::HEDDLE_ISA
