// Local jobs on the pool, as functions of the addon.
#pragma once
#include <napi.h>

namespace heddle {

/// Adds `createPool`, `destroyPool`, `compileProgram` and `runJob` (src/train/native-runner.ts) to the
/// exports.
void registerJobs(Napi::Env env, Napi::Object exports);

}  // namespace heddle
