// Threads that run jobs first come, first served; plain C++, nothing of Node.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "program/executor.hpp"

namespace heddle {

/// One job of the pool. `done` runs on the pool thread after `run`, with what `run` threw or null; it must
/// not throw.
struct PoolJob {
  std::function<bool(JobMemory& memory, const std::atomic<bool>& cancelled)> run;
  /// `finished`: what `run` returned; false as well if the job was cancelled before it started.
  std::function<void(bool finished, std::exception_ptr error)> done;
  std::atomic<bool> cancelled{false};
};

class ThreadPool {
 public:
  /// Starts `workers` threads (at least one).
  explicit ThreadPool(std::size_t workers);
  /// As `stop`.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t workers() const { return workers_; }
  /// Queues a job. After `stop` the job is reported as cancelled, on the calling thread.
  void submit(std::shared_ptr<PoolJob> job);
  /// Cancels queued and running jobs, reports each of them, and joins the threads. Runs once; later calls do
  /// nothing.
  void stop();

 private:
  void work();

  std::size_t workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<PoolJob>> queue_;
  std::vector<std::shared_ptr<PoolJob>> running_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace heddle
