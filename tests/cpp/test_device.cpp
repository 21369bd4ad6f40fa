#include "model/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <string>

#include "expect.h"

namespace siamaudio {
namespace {

bool has_cuda() { return at::globalContext().hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0; }

TEST(ParseDevice, KnowsTheProcessor) {
  EXPECT_TRUE(parse_device("cpu").is_cpu());
  EXPECT_EQ(parse_device("auto").is_cuda(), has_cuda());
}

TEST(ParseDevice, RejectsOtherWords) {
  for (const std::string name :
       {"", "CPU", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1x", "cuda:99999999999", "cuda:9999", "cpu:0", "mps"})
    EXPECT_EQ(rejected_parameter([&] { parse_device(name); }), "device") << name;
}

TEST(ParseDevice, TakesOnlyDevicesThatAreThere) {
  if (has_cuda()) {
    EXPECT_EQ(parse_device("cuda"), at::Device(at::kCUDA, 0));
    EXPECT_EQ(parse_device("cuda:0"), at::Device(at::kCUDA, 0));
  } else {
    EXPECT_EQ(rejected_parameter([] { parse_device("cuda"); }), "device");
    EXPECT_EQ(rejected_parameter([] { parse_device("cuda:0"); }), "device");
  }
  EXPECT_EQ(rejected_parameter([] { parse_device("cuda:999"); }), "device");
}

TEST(ThreadCount, LastsAsLongAsItsScope) {
  const int before = at::get_num_threads();
  {
    const ThreadCount threads(before + 1);
    EXPECT_EQ(at::get_num_threads(), before + 1);
    const ThreadCount unchanged(0);
    EXPECT_EQ(at::get_num_threads(), before + 1);
  }
  EXPECT_EQ(at::get_num_threads(), before);
  EXPECT_EQ(rejected_parameter([] { const ThreadCount threads(-1); }), "num_threads");
}

}  // namespace
}  // namespace siamaudio
