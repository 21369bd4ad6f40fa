#include "train/out_of_memory.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <stdexcept>
#include <string>

#include "base/poll.h"

namespace siamaudio {
namespace {

/// The error that `work` comes to where what it does needs memory.
std::string said_of(const std::function<void()>& work) {
  try {
    saying_what_needs_memory("a step of 40 clips", "lower batch_size", at::kCPU, work);
  } catch (const TrainingError& error) {
    return error.what();
  }
  return "(no error)";
}

std::string expected(const std::string& amount) {
  return "out of memory on cpu: a step of 40 clips asked for " + amount + " more than there is; lower batch_size";
}

TEST(OutOfMemory, SaysHowMuchWasAsked) {
  // As CUDA's allocator words it.
  EXPECT_EQ(said_of([] {
              TORCH_CHECK_WITH(OutOfMemoryError, false,
                               "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 "
                               "GiB of which 1.06 GiB is free.");
            }),
            expected("2.50 GiB"));
  // The CPU's own: no machine has so much.
  EXPECT_EQ(said_of([] { at::empty({int64_t{1} << 50}, at::kFloat); }), expected("4194304.00 GiB"));
}

TEST(OutOfMemory, SaysThatItDoesNotKnow) {
  EXPECT_EQ(said_of([] { TORCH_CHECK_WITH(OutOfMemoryError, false, "none left"); }), expected("an unknown amount"));
  EXPECT_EQ(said_of([] { throw std::bad_alloc(); }), expected("an unknown amount"));
}

TEST(OutOfMemory, LeavesOtherErrorsAsTheyAre) {
  EXPECT_EQ(said_of([] {}), "(no error)");
  EXPECT_EQ(said_of([] { throw TrainingError("mine"); }), "mine");
  EXPECT_THROW(said_of([] { throw Interrupted(); }), Interrupted);
  EXPECT_THROW(said_of([] { throw std::runtime_error("you tried to allocate 5 bytes"); }), std::runtime_error);
  EXPECT_THROW(said_of([] { TORCH_CHECK(false, "another check"); }), c10::Error);
}

}  // namespace
}  // namespace siamaudio
