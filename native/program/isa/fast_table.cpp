#include "conv.hpp"
#include "dense.hpp"

namespace heddle::HEDDLE_ISA {

extern const FastKernels kFastKernels;
const FastKernels kFastKernels = {
    packPanels,   unpackPanels,   denseScratch, denseInputs, denseForward, denseDataGrad,
    denseUpdate,  convScratch,    convForward,  maxPool2,    listDelta,    listPooledDelta,
    convDataGrad, convWeightGrad, sumLists,     sumListRows,
};

}  // namespace heddle::HEDDLE_ISA
