#include "kernel_bindings.hpp"

#include "call.hpp"

namespace heddle {
namespace {

constexpr std::size_t ceilDivide(std::size_t a, std::size_t b) { return b == 0 ? 0 : (a + b - 1) / b; }
// The other factor of a length; one that does not divide is caught by the length check that follows.
constexpr std::size_t divideLength(std::size_t length, std::size_t factor) {
  return factor == 0 ? 0 : length / factor;
}

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
