// Entry of the Node addon: which levels there are, and the kernels of one of them.
#include <napi.h>

#include <cstdint>
#include <string>

#include "jobs.hpp"
#include "kernel_bindings.hpp"
#include "levels.hpp"

namespace heddle {
namespace {

Napi::Value listLevels(const Napi::CallbackInfo& info) {
  std::size_t count = 0;
  const Level* all = levels(&count);
  auto list = Napi::Array::New(info.Env(), count);
  for (std::size_t i = 0; i < count; ++i) {
    auto level = Napi::Object::New(info.Env());
    level.Set("name", all[i].name);
    level.Set("profile", all[i].fused ? "fma" : "plain");
    level.Set("runsHere", all[i].runsHere());
    list.Set(static_cast<std::uint32_t>(i), level);
  }
  return list;
}

Napi::Value kernelsOf(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  const Level* level = findLevel(name.c_str());
  if (level == nullptr || !level->runsHere())
    throw Napi::Error::New(info.Env(), "no such level here: " + name);
  return Napi::Value(info.Env(), bindKernels(info.Env(), *level));
}

// Address of a typed array's data modulo 64, so that TypeScript can cut an aligned piece out of an ordinary
// buffer.
Napi::Value misalignment(const Napi::CallbackInfo& info) {
  void* data = nullptr;
  napi_get_typedarray_info(info.Env(), info[0], nullptr, nullptr, &data, nullptr, nullptr);
  return Napi::Number::New(info.Env(), static_cast<double>(reinterpret_cast<std::uintptr_t>(data) % 64));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("levels", Napi::Function::New<listLevels>(env, "levels"));
  exports.Set("kernels", Napi::Function::New<kernelsOf>(env, "kernels"));
  exports.Set("misalignment", Napi::Function::New<misalignment>(env, "misalignment"));
  registerJobs(env, exports);
  return exports;
}

}  // namespace
}  // namespace heddle

namespace {
Napi::Object initAddon(Napi::Env env, Napi::Object exports) { return heddle::init(env, exports); }
}  // namespace
NODE_API_MODULE(heddle, initAddon)
