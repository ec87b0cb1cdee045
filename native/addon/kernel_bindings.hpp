#pragma once
#include <node_api.h>

#include "levels.hpp"

namespace heddle {

/// An object with one function for every kernel of the table, bound to a level.
napi_value bindKernels(napi_env env, const Level& level);

}  // namespace heddle
