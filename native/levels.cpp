#include "levels.hpp"

#include <cstring>

#define HEDDLE_DECLARE_LEVEL(isa)        \
  namespace heddle::isa {                \
  extern const KernelTable kKernelTable; \
  }

#ifdef HEDDLE_HAS_base
HEDDLE_DECLARE_LEVEL(base)
#endif
#ifdef HEDDLE_HAS_avx2
HEDDLE_DECLARE_LEVEL(avx2)
#endif
#ifdef HEDDLE_HAS_avx512
HEDDLE_DECLARE_LEVEL(avx512)
#endif
#ifdef HEDDLE_HAS_neon
HEDDLE_DECLARE_LEVEL(neon)
#endif

namespace heddle {
namespace {

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
// The test by level name includes the operating system's saved register state.
bool hasV2() { return __builtin_cpu_supports("x86-64-v2") != 0; }
bool hasV3() { return __builtin_cpu_supports("x86-64-v3") != 0; }
bool hasV4() { return __builtin_cpu_supports("x86-64-v4") != 0; }
#elif defined(_M_X64)
bool hasV2() { return true; }
bool hasV3() { return false; }
bool hasV4() { return false; }
#else
bool always() { return true; }
#endif

const Level kLevels[] = {
#ifdef HEDDLE_HAS_base
#if defined(__x86_64__) || defined(_M_X64)
    {"base", false, &base::kKernelTable, hasV2},
#else
    {"base", false, &base::kKernelTable, always},
#endif
#endif
#ifdef HEDDLE_HAS_avx2
    {"avx2", true, &avx2::kKernelTable, hasV3},
#endif
#ifdef HEDDLE_HAS_avx512
    {"avx512", true, &avx512::kKernelTable, hasV4},
#endif
#ifdef HEDDLE_HAS_neon
    {"neon", true, &neon::kKernelTable, always},
#endif
};

}  // namespace

const Level* levels(std::size_t* count) {
  *count = sizeof(kLevels) / sizeof(kLevels[0]);
  return kLevels;
}

const Level* findLevel(const char* name) {
  for (const Level& level : kLevels)
    if (std::strcmp(level.name, name) == 0) return &level;
  return nullptr;
}

const Level* bestLevel() {
  const Level* best = nullptr;
  for (const Level& level : kLevels)
    if (level.runsHere()) best = &level;
  return best;
}

}  // namespace heddle
