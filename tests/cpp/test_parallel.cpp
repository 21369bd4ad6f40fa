#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace siamaudio {
namespace {

using std::chrono::milliseconds;

/// Waits for `holds`, but not for ever: a broken loop should fail, not hang.
template <typename Condition>
bool wait_until(const Condition& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(milliseconds(1));
  return holds();
}

TEST(ParallelFor, CallsEveryIndexOnceWithAValidWorker) {
  for (const int64_t count : {0, 1, 2, 3, 4, 5, 63, 64, 65, 1000}) {
    for (const int num_threads : {1, 2, 3, 4, 64}) {
      for (const Poll& poll : {Poll{}, Poll{[] {}}}) {
        std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
        std::atomic<int> num_bad_workers{0};
        parallel_for(
            count, num_threads,
            [&](int64_t index, int worker) {
              ++calls[static_cast<size_t>(index)];
              if (worker < 0 || worker >= num_threads) ++num_bad_workers;
            },
            poll);
        for (int64_t index = 0; index < count; ++index)
          ASSERT_EQ(calls[static_cast<size_t>(index)], 1)
              << "index " << index << " of " << count << ", " << num_threads << " threads";
        EXPECT_EQ(num_bad_workers, 0) << count << " indices, " << num_threads << " threads";
      }
    }
  }
}

TEST(ParallelFor, NoTwoBodiesShareAWorkerAtATime) {
  constexpr int kNumThreads = 4;
  std::vector<std::atomic<int>> inside(kNumThreads);
  std::atomic<int> num_clashes{0};
  parallel_for(200, kNumThreads, [&](int64_t, int worker) {
    if (++inside[static_cast<size_t>(worker)] != 1) ++num_clashes;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    --inside[static_cast<size_t>(worker)];
  });
  EXPECT_EQ(num_clashes, 0);
}

TEST(ParallelFor, WorksOnSeveralThreadsAtATime) {
  // Each body waits for the other one, which a loop on one thread would never start.
  std::atomic<int> num_started{0};
  std::atomic<int> num_met{0};
  parallel_for(2, 2, [&](int64_t, int) {
    ++num_started;
    if (wait_until([&] { return num_started == 2; })) ++num_met;
  });
  EXPECT_EQ(num_met, 2);
}

TEST(ParallelFor, HandsIndicesOutInOrderOnOneThread) {
  for (const Poll& poll : {Poll{}, Poll{[] {}}}) {
    std::vector<int64_t> order;
    parallel_for(5, 1, [&](int64_t index, int) { order.push_back(index); }, poll);
    EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 3, 4}));
  }
}

TEST(ParallelFor, ZeroThreadsMeansOneACore) {
  EXPECT_GE(resolve_num_threads(0), 1);
  EXPECT_EQ(resolve_num_threads(3), 3);
  std::atomic<int64_t> sum{0};
  parallel_for(10, 0, [&](int64_t index, int) { sum += index; });
  EXPECT_EQ(sum, 45);
}

TEST(ParallelFor, DoesNotPollForNothing) {
  int num_polls = 0;
  parallel_for(0, 2, [](int64_t, int) { FAIL(); }, [&] { ++num_polls; });
  EXPECT_EQ(num_polls, 0);
}

TEST(ParallelFor, PassesABodysExceptionOnAndStops) {
  constexpr int64_t kCount = 100000;  // 25 seconds of bodies, were the loop not stopped
  for (const int num_threads : {1, 4}) {
    for (const Poll& poll : {Poll{}, Poll{[] {}}}) {
      std::atomic<int64_t> num_bodies{0};
      try {
        parallel_for(
            kCount, num_threads,
            [&](int64_t index, int) {
              ++num_bodies;
              if (index == 5) throw std::runtime_error("index 5");
              std::this_thread::sleep_for(milliseconds(1));
            },
            poll);
        ADD_FAILURE() << "no exception";
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "index 5");
      }
      EXPECT_GE(num_bodies, 6);
      EXPECT_LE(num_bodies, num_threads == 1 ? 6 : kCount / 10);
    }
  }
}

TEST(ParallelFor, ThrowsTheFirstOfSeveralExceptions) {
  std::atomic<bool> first_under_way{false};
  try {
    parallel_for(2, 2, [&](int64_t index, int) {
      if (index == 0) {
        first_under_way = true;
        throw std::runtime_error("first");
      }
      wait_until([&] { return first_under_way.load(); });
      std::this_thread::sleep_for(milliseconds(300));  // the other exception is on its way
      throw std::runtime_error("second");
    });
    ADD_FAILURE() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "first");
  }
}

TEST(ParallelFor, PollsOnTheCallersThread) {
  for (const int num_threads : {1, 3}) {
    std::atomic<int> num_polls{0};
    std::atomic<bool> elsewhere{false};
    const auto caller = std::this_thread::get_id();
    parallel_for(
        num_threads, num_threads, [&](int64_t, int) { EXPECT_TRUE(wait_until([&] { return num_polls >= 2; })); },
        [&] {
          if (std::this_thread::get_id() != caller) elsewhere = true;
          ++num_polls;
        });
    EXPECT_FALSE(elsewhere);
  }
}

TEST(ParallelFor, APollsExceptionStopsTheLoop) {
  constexpr int64_t kCount = 100000;
  for (const int num_threads : {1, 4}) {
    std::atomic<int64_t> num_bodies{0};
    int num_polls = 0;
    EXPECT_THROW(parallel_for(
                     kCount, num_threads,
                     [&](int64_t, int) {
                       ++num_bodies;
                       std::this_thread::sleep_for(milliseconds(1));
                     },
                     [&] {
                       ++num_polls;
                       throw Interrupted();
                     }),
                 Interrupted);
    EXPECT_EQ(num_polls, 1);
    EXPECT_LT(num_bodies, kCount / 10);
  }
}

TEST(ParallelFor, TellsALongBodyToStop) {
  bool was_told = false;
  const auto body = [&](int64_t, int, const std::atomic<bool>& is_stopping) {
    was_told = wait_until([&] { return is_stopping.load(); });
  };
  EXPECT_THROW(parallel_for(1, 1, body, [] { throw Interrupted(); }), Interrupted);
  EXPECT_TRUE(was_told);
}

}  // namespace
}  // namespace siamaudio
