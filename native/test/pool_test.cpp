// Plain C++ test of the pool and the executor, for sanitizers that cannot look into Node. Exit code 0: all
// passed.
#include "pool/pool.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "levels.hpp"
#include "program/job.hpp"

namespace {

using heddle::BoundSpace;
using heddle::KernelId;
using heddle::Plan;
using heddle::PoolJob;
using heddle::ThreadPool;

int failures = 0;

void expect(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "FAILED: %s\n", what);
  ++failures;
}

/// Waits until `count` jobs have reported.
class Latch {
 public:
  explicit Latch(std::size_t count) : left_(count) {}
  void arrive() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) done_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::size_t left_;
};

void runsEveryJobOnce() {
  constexpr std::size_t kJobs = 500;
  std::vector<std::atomic<int>> runs(kJobs);
  Latch latch(kJobs);
  ThreadPool pool(4);
  for (std::size_t i = 0; i < kJobs; ++i) {
    auto job = std::make_shared<PoolJob>();
    job->run = [&runs, i](heddle::JobMemory& memory, const std::atomic<bool>&) {
      std::memset(memory.reserve(64 + i), 1, 64 + i);
      ++runs[i];
      return true;
    };
    job->done = [&latch](bool finished, std::exception_ptr error) {
      expect(finished && !error, "a job finishes without error");
      latch.arrive();
    };
    pool.submit(std::move(job));
  }
  latch.wait();
  for (const auto& count : runs) expect(count == 1, "every job runs once");
}

void oneWorkerKeepsTheOrder() {
  std::vector<int> order;
  Latch latch(100);
  ThreadPool pool(1);
  for (int i = 0; i < 100; ++i) {
    auto job = std::make_shared<PoolJob>();
    job->run = [&order, i](heddle::JobMemory&, const std::atomic<bool>&) {
      order.push_back(i);
      return true;
    };
    job->done = [&latch](bool, std::exception_ptr) { latch.arrive(); };
    pool.submit(std::move(job));
  }
  latch.wait();
  bool ascending = order.size() == 100;
  for (std::size_t i = 0; i < order.size(); ++i) ascending &= order[i] == static_cast<int>(i);
  expect(ascending, "jobs start first come, first served");
}

void carriesExceptions() {
  Latch latch(1);
  std::string message;
  ThreadPool pool(1);
  auto job = std::make_shared<PoolJob>();
  job->run = [](heddle::JobMemory&, const std::atomic<bool>&) -> bool {
    throw std::runtime_error("as thrown");
  };
  job->done = [&](bool finished, std::exception_ptr error) {
    expect(!finished && error, "a throwing job reports its error");
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& caught) {
      message = caught.what();
    }
    latch.arrive();
  };
  pool.submit(std::move(job));
  latch.wait();
  expect(message == "as thrown", "the error is the one that was thrown");
}

void stopCancelsWhatRunsAndWhatWaits() {
  std::atomic<int> reported{0};
  std::atomic<int> finishedJobs{0};
  std::atomic<bool> started{false};
  ThreadPool pool(2);
  for (int i = 0; i < 20; ++i) {
    auto job = std::make_shared<PoolJob>();
    job->run = [&started](heddle::JobMemory&, const std::atomic<bool>& cancelled) {
      started = true;
      while (!cancelled.load(std::memory_order_relaxed)) std::this_thread::yield();
      return false;
    };
    job->done = [&](bool finished, std::exception_ptr) {
      ++reported;
      finishedJobs += finished;
    };
    pool.submit(std::move(job));
  }
  while (!started) std::this_thread::yield();
  pool.stop();
  expect(reported == 20, "every cancelled job is reported");
  expect(finishedJobs == 0, "no cancelled job counts as finished");
  auto late = std::make_shared<PoolJob>();
  late->run = [](heddle::JobMemory&, const std::atomic<bool>&) { return true; };
  late->done = [&](bool finished, std::exception_ptr) { reported += finished ? 100 : 1; };
  pool.submit(std::move(late));
  expect(reported == 21, "a job after the stop is reported as cancelled at once");
}

/// params += step by step a constant: one slot, one run-time scalar that grows.
std::vector<double> countingProgram(std::size_t length) {
  constexpr double kConstant = 4;
  constexpr double kSlot = 1;
  return {0x68656464,
          1,
          2,
          0,  // magic, version, batch, tail
          2,
          kSlot,
          0,
          double(length),
          kConstant,
          0,
          double(length),  // spaces
          1,
          1,
          1,  // scalar 0 grows by 1
          0,  // before
          1,
          double(KernelId::axpyF32),
          0,
          0,
          double(length),
          1,
          0,
          double(length),
          1,
          0,  // full
          0,
          0};  // tail, after
}

void runsProgramsOnManyThreads() {
  constexpr std::size_t kJobs = 64;
  constexpr std::size_t kLength = 1000;
  const auto words = countingProgram(kLength);
  const auto plan = std::make_shared<Plan>(heddle::decodeJobProgram(words.data(), words.size()),
                                           *heddle::bestLevel(), heddle::CompileOptions{});
  const std::vector<float> ones(kLength, 1.0f);
  const std::vector<std::uint32_t> index(10);
  std::vector<std::vector<float>> slots(kJobs, std::vector<float>(kLength, 0.0f));
  Latch latch(kJobs);
  ThreadPool pool(4);
  for (auto& slot : slots) {
    auto job = std::make_shared<PoolJob>();
    job->run = [&, plan](heddle::JobMemory& memory, const std::atomic<bool>& cancelled) {
      heddle::JobInput input;
      input.spaces = {{slot.data(), kLength}, {const_cast<float*>(ones.data()), kLength}};
      input.index = index.data();
      input.indexLength = index.size();
      input.epochs = 2;
      input.shuffle = true;
      input.scalars = {1};
      return plan->run(input, memory, cancelled);
    };
    job->done = [&latch](bool finished, std::exception_ptr error) {
      expect(finished && !error, "a program runs to its end");
      latch.arrive();
    };
    pool.submit(std::move(job));
  }
  latch.wait();
  // Ten batches of two examples with the scalars 1, 2, ... 10.
  for (const auto& slot : slots)
    for (const float value : slot) expect(value == 55.0f, "every batch adds the scalar of its step");
}

/// No cut or changed program may do more than throw.
void refusesBrokenPrograms() {
  const auto words = countingProgram(8);
  for (std::size_t cut = 0; cut < words.size(); ++cut) {
    bool refused = false;
    try {
      heddle::decodeJobProgram(words.data(), cut);
    } catch (const heddle::ProgramError&) {
      refused = true;
    }
    expect(refused, "a program that ends early is refused");
  }
  for (std::size_t at = 0; at < words.size(); ++at)
    for (const double bad : {-1.0, 0.5, 1e30, std::nan("")}) {
      auto changed = words;
      changed[at] = bad;
      try {
        const auto program = heddle::decodeJobProgram(changed.data(), changed.size());
        const Plan plan(program, *heddle::bestLevel(), heddle::CompileOptions{});
        std::vector<float> slot(8, 0.0f);
        std::vector<float> constant(8, 1.0f);
        const std::vector<std::uint32_t> index(4);
        heddle::JobInput input;
        input.spaces = {{slot.data(), 8}, {constant.data(), 8}};
        input.index = index.data();
        input.indexLength = index.size();
        input.scalars = {1};
        heddle::JobMemory memory;
        plan.run(input, memory, std::atomic<bool>{false});
      } catch (const heddle::ProgramError&) {
      }
    }
}

}  // namespace

int main() {
  runsEveryJobOnce();
  oneWorkerKeepsTheOrder();
  carriesExceptions();
  stopCancelsWhatRunsAndWhatWaits();
  runsProgramsOnManyThreads();
  refusesBrokenPrograms();
  if (failures == 0) std::puts("pool_test: all passed");
  return failures == 0 ? 0 : 1;
}
