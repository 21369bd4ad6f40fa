// Sums over a range, divided among LibTorch's threads; the same bits for the same number of threads.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace siamaudio {

/// body(begin, end, sums) adds a part of [0, count) to `size` sums, which start at zero.
template <typename Body>
std::vector<double> parallel_sum(int64_t count, int64_t size, const Body& body) {
  const int64_t num_parts = std::clamp<int64_t>(at::get_num_threads(), 1, std::max<int64_t>(count, 1));
  std::vector<std::vector<double>> parts(static_cast<size_t>(num_parts),
                                         std::vector<double>(static_cast<size_t>(size)));
  at::parallel_for(0, num_parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t part = first; part < last; ++part)
      body(count * part / num_parts, count * (part + 1) / num_parts, parts[static_cast<size_t>(part)].data());
  });
  std::vector<double> sums = std::move(parts.front());
  for (size_t part = 1; part < parts.size(); ++part)
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += parts[part][i];
  return sums;
}

}  // namespace siamaudio
