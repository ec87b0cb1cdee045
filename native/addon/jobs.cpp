#include "jobs.hpp"

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "levels.hpp"
#include "pool/pool.hpp"
#include "program/executor.hpp"

namespace heddle {
namespace {

constexpr napi_type_tag kPoolTag = {0x6865646c65706f6f, 0x9d1c3f0a5b7e4a21};
constexpr napi_type_tag kProgramTag = {0x6865646c6570726f, 0x4c2a9e7781d3f605};

Napi::Error coded(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

class AddonPool;

/// A job between its start and the settling of its promise. Made and destroyed on the JavaScript thread.
struct PendingJob {
  explicit PendingJob(Napi::Env env) : promise(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred promise;
  /// Keeps the arrays, whose memory the job uses, from being collected.
  std::vector<Napi::ObjectReference> arrays;
  /// Keeps the pool until its jobs have settled.
  std::shared_ptr<AddonPool> pool;
  bool finished = false;
  std::exception_ptr error;
};

/// A thread pool that belongs to one environment (the main thread or a worker).
class AddonPool {
 public:
  AddonPool(Napi::Env env, std::size_t workers) : env_(env), pool_(workers) {
    settle_ = Napi::ThreadSafeFunction::New(env, Napi::Function(), "heddle jobs", 0, 1);
    settle_.Unref(env);
    // Registered after the function above, so that it runs before that one's own cleanup.
    napi_add_env_cleanup_hook(env, &AddonPool::onEnvironmentEnd, this);
  }
  ~AddonPool() {
    if (stopped_) return;
    napi_remove_env_cleanup_hook(env_, &AddonPool::onEnvironmentEnd, this);
    stop();
  }

  bool stopped() const { return stopped_; }

  void start(const std::shared_ptr<PoolJob>& job, PendingJob* pending) {
    if (pending_++ == 0) settle_.Ref(env_);
    job->done = [this, pending](bool finished, std::exception_ptr error) {
      pending->finished = finished;
      pending->error = std::move(error);
      // After the environment's end nobody waits; what JavaScript held is gone with it.
      settle_.BlockingCall(
          pending, [this](Napi::Env env, Napi::Function, PendingJob* settled) { settleJob(env, settled); });
    };
    pool_.submit(job);
  }

  void destroy() {
    if (stopped_) return;
    napi_remove_env_cleanup_hook(env_, &AddonPool::onEnvironmentEnd, this);
    stop();
  }

 private:
  static void onEnvironmentEnd(void* self) { static_cast<AddonPool*>(self)->stop(); }

  void stop() {
    stopped_ = true;
    pool_.stop();
    settle_.Release();
  }

  void settleJob(Napi::Env env, PendingJob* job) {
    const std::unique_ptr<PendingJob> owned(job);
    if (--pending_ == 0 && !stopped_) settle_.Unref(env);
    if (job->error) {
      try {
        std::rethrow_exception(job->error);
      } catch (const ProgramError& error) {
        job->promise.Reject(coded(env, error.code(), error.what()).Value());
      } catch (const std::bad_alloc&) {
        job->promise.Reject(
            coded(env, "ERR_OUT_OF_MEMORY", "a job's scratch memory could not be allocated").Value());
      } catch (const std::exception& error) {
        job->promise.Reject(coded(env, "ERR_INTERNAL", error.what()).Value());
      }
    } else {
      job->promise.Resolve(Napi::Boolean::New(env, job->finished));
    }
  }

  Napi::Env env_;
  ThreadPool pool_;
  Napi::ThreadSafeFunction settle_;
  std::size_t pending_ = 0;
  bool stopped_ = false;
};

using PoolHandle = std::shared_ptr<AddonPool>;
using ProgramHandle = std::shared_ptr<const Plan>;

template <typename T>
T& handle(const Napi::CallbackInfo& info, std::size_t i, const napi_type_tag& tag, const char* what) {
  if (!info[i].IsExternal() || !info[i].As<Napi::External<T>>().CheckTypeTag(&tag))
    throw coded(info.Env(), "ERR_INVALID_ARGUMENT",
                std::string("argument ") + std::to_string(i) + " must be a " + what);
  return *info[i].As<Napi::External<T>>().Data();
}

template <typename T>
Napi::Value wrap(Napi::Env env, T value, const napi_type_tag& tag) {
  auto external =
      Napi::External<T>::New(env, new T(std::move(value)), [](Napi::Env, T* held) { delete held; });
  external.TypeTag(&tag);
  return external;
}

napi_typedarray_type arrayTypeOf(Dtype dtype) {
  constexpr napi_typedarray_type kTypes[] = {napi_float32_array, napi_float64_array, napi_uint8_array,
                                             napi_int8_array,    napi_uint16_array,  napi_int32_array,
                                             napi_uint32_array};
  return kTypes[static_cast<std::size_t>(dtype)];
}

BoundSpace arrayArgument(Napi::Env env, const Napi::Value& value, napi_typedarray_type wanted,
                         const std::string& name) {
  BoundSpace bound;
  napi_typedarray_type type = napi_int8_array;
  if (!value.IsTypedArray() ||
      napi_get_typedarray_info(env, value, &type, &bound.length, &bound.data, nullptr, nullptr) != napi_ok ||
      type != wanted)
    throw coded(env, "ERR_DTYPE", name + " has the wrong type of array");
  return bound;
}

double numberOption(const Napi::Object& options, const char* name, double low, double high) {
  const Napi::Value value = options.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= low && number <= high) || number != std::floor(number))
    throw coded(options.Env(), "ERR_INVALID_ARGUMENT",
                std::string("option ") + name + " must be an integer in range");
  return number;
}

const Level& levelArgument(const Napi::CallbackInfo& info, std::size_t i) {
  const Level* level =
      info[i].IsString() ? findLevel(info[i].As<Napi::String>().Utf8Value().c_str()) : nullptr;
  if (level == nullptr || !level->runsHere())
    throw coded(info.Env(), "ERR_INVALID_ARGUMENT", "no such level here");
  return *level;
}

/// createPool(workers) -> pool
Napi::Value createPool(const Napi::CallbackInfo& info) {
  const double workers = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
  if (!(workers >= 1 && workers <= 1024))
    throw coded(info.Env(), "ERR_INVALID_ARGUMENT", "workers must be an integer from 1 to 1024");
  return wrap(info.Env(), std::make_shared<AddonPool>(info.Env(), static_cast<std::size_t>(workers)),
              kPoolTag);
}

/// destroyPool(pool): cancels what runs or waits and joins the threads.
void destroyPool(const Napi::CallbackInfo& info) { handle<PoolHandle>(info, 0, kPoolTag, "pool")->destroy(); }

/// compileProgram(words: Float64Array, level: string, fastPaths: boolean) -> program
Napi::Value compileProgram(const Napi::CallbackInfo& info) {
  const BoundSpace words = arrayArgument(info.Env(), info[0], napi_float64_array, "an encoded program");
  const Level& level = levelArgument(info, 1);
  CompileOptions options;
  options.fastPaths = info[2].ToBoolean();
  try {
    auto program = decodeJobProgram(static_cast<const double*>(words.data), words.length);
    return wrap(info.Env(), ProgramHandle(std::make_shared<Plan>(std::move(program), level, options)),
                kProgramTag);
  } catch (const ProgramError& error) {
    throw coded(info.Env(), error.code(), error.what());
  }
}

bool overlap(const BoundSpace& a, std::size_t aBytes, const BoundSpace& b, std::size_t bBytes) {
  const auto aStart = reinterpret_cast<std::uintptr_t>(a.data);
  const auto bStart = reinterpret_cast<std::uintptr_t>(b.data);
  return aStart < bStart + bBytes && bStart < aStart + aBytes;
}

/// A space that a job writes is memory of its own: what another space of the same array held would depend on
/// the executor.
void checkOverlap(Napi::Env env, const JobProgram& program, const std::vector<BoundSpace>& bound) {
  const auto bytes = [&](std::size_t i) { return bound[i].length * bytesOf(program.spaces[i].dtype); };
  for (std::size_t i = 0; i < bound.size(); ++i)
    for (std::size_t j = 0; program.spaces[i].writable() && j < bound.size(); ++j)
      if (i != j && bytes(i) > 0 && bytes(j) > 0 && overlap(bound[i], bytes(i), bound[j], bytes(j)))
        throw coded(env, "ERR_JOB_BINDING",
                    "spaces " + std::to_string(i) + " and " + std::to_string(j) +
                        " share memory, and the job writes to it");
}

JobInput readJob(const Napi::CallbackInfo& info, const JobProgram& program, PendingJob& pending) {
  const Napi::Env env = info.Env();
  JobInput input;
  const auto keep = [&](const Napi::Value& value) {
    pending.arrays.push_back(Napi::Persistent(value.As<Napi::Object>()));
  };
  if (!info[2].IsArray()) throw coded(env, "ERR_INVALID_ARGUMENT", "spaces must be an array");
  const auto spaces = info[2].As<Napi::Array>();
  if (spaces.Length() != program.spaces.size())
    throw coded(env, "ERR_JOB_BINDING", "spaces do not match the program");
  for (std::uint32_t i = 0; i < spaces.Length(); ++i) {
    const Napi::Value value = spaces.Get(i);
    const Space& space = program.spaces[i];
    if (value.IsNull() || value.IsUndefined()) {
      input.spaces.push_back({});
      continue;
    }
    input.spaces.push_back(arrayArgument(env, value, arrayTypeOf(space.dtype), "space " + std::to_string(i)));
    keep(value);
  }
  checkOverlap(env, program, input.spaces);
  const BoundSpace index = arrayArgument(env, info[3], napi_uint32_array, "the index");
  keep(info[3]);
  input.index = static_cast<const std::uint32_t*>(index.data);
  input.indexLength = index.length;

  if (!info[4].IsObject()) throw coded(env, "ERR_INVALID_ARGUMENT", "options must be an object");
  const auto options = info[4].As<Napi::Object>();
  input.epochs = static_cast<std::size_t>(numberOption(options, "epochs", 0, 0x1p32));
  if (options.Has("steps"))
    input.maxSteps = static_cast<std::uint64_t>(numberOption(options, "steps", 0, 0x1p52));
  if (options.Has("key0")) {
    input.shuffle = true;
    input.key0 = static_cast<std::uint32_t>(numberOption(options, "key0", 0, 0xffffffffp0));
    input.key1 = static_cast<std::uint32_t>(numberOption(options, "key1", 0, 0xffffffffp0));
  }
  const BoundSpace scalars = arrayArgument(env, options.Get("scalars"), napi_float64_array, "option scalars");
  if (scalars.length > 0) {
    const auto* values = static_cast<const double*>(scalars.data);
    input.scalars.assign(values, values + scalars.length);
  }
  return input;
}

/// runJob(pool, program, spaces, index, {epochs, steps?, key0?, key1?, scalars}) -> { promise: whether it ran
/// to its end, cancel() }
Napi::Value runJob(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const PoolHandle pool = handle<PoolHandle>(info, 0, kPoolTag, "pool");
  const ProgramHandle plan = handle<ProgramHandle>(info, 1, kProgramTag, "program");
  if (pool->stopped()) throw coded(env, "ERR_POOL_CLOSED", "the pool was destroyed");
  auto pending = std::make_unique<PendingJob>(env);
  auto input = std::make_shared<JobInput>(readJob(info, plan->program(), *pending));
  auto job = std::make_shared<PoolJob>();
  job->run = [plan, input](JobMemory& memory, const std::atomic<bool>& cancelled) {
    return plan->run(*input, memory, cancelled);
  };
  auto result = Napi::Object::New(env);
  result.Set("promise", pending->promise.Promise());
  result.Set("cancel", Napi::Function::New(
                           env, [job](const Napi::CallbackInfo&) { job->cancelled.store(true); }, "cancel"));
  pending->pool = pool;
  pool->start(job, pending.release());
  return result;
}

}  // namespace

void registerJobs(Napi::Env env, Napi::Object exports) {
  exports.Set("createPool", Napi::Function::New(env, createPool, "createPool"));
  exports.Set("destroyPool", Napi::Function::New(env, destroyPool, "destroyPool"));
  exports.Set("compileProgram", Napi::Function::New(env, compileProgram, "compileProgram"));
  exports.Set("runJob", Napi::Function::New(env, runJob, "runJob"));
}

}  // namespace heddle
