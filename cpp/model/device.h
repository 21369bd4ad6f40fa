// Where tensors live, and how many threads work on them.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace siamaudio {

/// "auto" (a CUDA device where there is one, else the CPU), "cpu", "cuda" or "cuda:N". Throws ParameterError for other
/// words and for CUDA devices that this machine or this torch does not have.
at::Device parse_device(const std::string& name);

/// Sets LibTorch's CPU threads for a scope; 0 leaves them as they are.
class ThreadCount {
 public:
  explicit ThreadCount(int num_threads);
  ~ThreadCount();
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int previous_;
};

}  // namespace siamaudio
