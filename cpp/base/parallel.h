// A loop over threads that can be interrupted and never loses an exception.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/poll.h"

namespace siamaudio {

/// `num_threads`, or one thread a core where it is 0.
inline int resolve_num_threads(int num_threads) {
  return num_threads > 0 ? num_threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// Calls body(index, worker) once for every index in [0, count), worker in [0, num_threads) being the calling thread's
/// number; indices are handed out in order. A body that works long on one index may take a third argument, a
/// const std::atomic<bool>& that tells it that the loop is to stop. `poll` runs on the caller's thread every 50 ms. The
/// first exception, from a body or from `poll`, stops the loop after the indices under way and is thrown again here.
template <typename Body>
void parallel_for(int64_t count, int num_threads, const Body& body, const Poll& poll = {}) {
  num_threads = static_cast<int>(std::min<int64_t>(resolve_num_threads(num_threads), count));
  if (count <= 0) return;
  std::atomic<bool> stop{false};
  const auto call = [&](int64_t index, int worker) {
    if constexpr (std::is_invocable_v<const Body&, int64_t, int, const std::atomic<bool>&>)
      body(index, worker, std::as_const(stop));
    else
      body(index, worker);
  };
  if (num_threads == 1 && !poll) {
    for (int64_t index = 0; index < count; ++index) call(index, 0);
    return;
  }

  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::condition_variable finished;
  std::exception_ptr failure;
  int running = num_threads;

  auto fail = [&] {
    stop = true;
    std::lock_guard lock(mutex);
    if (!failure) failure = std::current_exception();
  };
  auto work = [&](int worker) {
    try {
      for (int64_t index; !stop && (index = next.fetch_add(1)) < count;) call(index, worker);
    } catch (...) {
      fail();
    }
    std::lock_guard lock(mutex);
    --running;
    finished.notify_one();
  };

  {
    std::vector<std::jthread> workers;  // joined at the end of this scope, whatever happens in it
    for (int worker = 0; worker < num_threads; ++worker) workers.emplace_back(work, worker);
    std::unique_lock lock(mutex);
    while (!finished.wait_for(lock, std::chrono::milliseconds(50), [&] { return running == 0; })) {
      if (!poll || stop) continue;
      lock.unlock();
      try {
        poll();
      } catch (...) {
        fail();
      }
      lock.lock();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace siamaudio
