#include "fast_levels.hpp"

#include <cstring>

#define HEDDLE_DECLARE_FAST(isa)         \
  namespace heddle::isa {                \
  extern const FastKernels kFastKernels; \
  }

#ifdef HEDDLE_HAS_base
HEDDLE_DECLARE_FAST(base)
#endif
#ifdef HEDDLE_HAS_avx2
HEDDLE_DECLARE_FAST(avx2)
#endif
#ifdef HEDDLE_HAS_avx512
HEDDLE_DECLARE_FAST(avx512)
#endif
#ifdef HEDDLE_HAS_neon
HEDDLE_DECLARE_FAST(neon)
#endif

namespace heddle {

const FastKernels* fastKernels([[maybe_unused]] const Level& level) {
#ifdef HEDDLE_HAS_base
  if (std::strcmp(level.name, "base") == 0) return &base::kFastKernels;
#endif
#ifdef HEDDLE_HAS_avx2
  if (std::strcmp(level.name, "avx2") == 0) return &avx2::kFastKernels;
#endif
#ifdef HEDDLE_HAS_avx512
  if (std::strcmp(level.name, "avx512") == 0) return &avx512::kFastKernels;
#endif
#ifdef HEDDLE_HAS_neon
  if (std::strcmp(level.name, "neon") == 0) return &neon::kFastKernels;
#endif
  return nullptr;
}

}  // namespace heddle
