#include "kernel_bindings.hpp"

#include "call.hpp"

namespace heddle {
namespace {

#include "generated/bindings.inc"

}  // namespace

napi_value bindKernels(napi_env env, const Level& level) {
  napi_value result;
  napi_create_object(env, &result);
  for (const Binding& binding : kBindings) {
    napi_value function;
    void* data = const_cast<KernelTable*>(level.kernels);
    napi_create_function(env, binding.name, NAPI_AUTO_LENGTH, binding.function, data, &function);
    napi_set_named_property(env, result, binding.name, function);
  }
  return result;
}

}  // namespace heddle
