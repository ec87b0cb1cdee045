#include "pool.hpp"

#include <algorithm>
#include <utility>

namespace heddle {
namespace {

void runJob(PoolJob& job, JobMemory& memory) {
  bool finished = false;
  std::exception_ptr error;
  try {
    if (!job.cancelled.load(std::memory_order_relaxed)) finished = job.run(memory, job.cancelled);
  } catch (...) {
    error = std::current_exception();
  }
  job.done(finished, error);
}

}  // namespace

ThreadPool::ThreadPool(std::size_t workers) : workers_(std::max<std::size_t>(workers, 1)) {
  threads_.reserve(workers_);
  try {
    for (std::size_t i = 0; i < workers_; ++i) threads_.emplace_back([this] { work(); });
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::submit(std::shared_ptr<PoolJob> job) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      queue_.push_back(std::move(job));
      wake_.notify_one();
      return;
    }
  }
  job->done(false, nullptr);
}

void ThreadPool::stop() {
  std::deque<std::shared_ptr<PoolJob>> dropped;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(queue_);
    threads.swap(threads_);
    for (const auto& job : running_) job->cancelled.store(true, std::memory_order_relaxed);
  }
  wake_.notify_all();
  for (const auto& job : dropped) job->done(false, nullptr);
  for (auto& thread : threads) thread.join();
}

void ThreadPool::work() {
  JobMemory memory;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    std::shared_ptr<PoolJob> job = std::move(queue_.front());
    queue_.pop_front();
    running_.push_back(job);
    lock.unlock();
    runJob(*job, memory);
    lock.lock();
    std::erase(running_, job);
  }
}

}  // namespace heddle
