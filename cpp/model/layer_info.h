// One line of a network's summary.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace siamaudio {

struct LayerInfo {
  std::string name;                   ///< path, as in the names of its weights: "encoder.block1.conv"
  std::string kind;                   ///< what it does: "conv", "batch_norm", "max_pooling", ...
  std::vector<int64_t> output_shape;  ///< for one clip: (channels, height, width) or (units,)
  int64_t num_parameters = 0;         ///< numbers that training changes
  int64_t flops = 0;                  ///< for one clip: 2 for each multiply-add of weights with values, else 0
  /// How it is computed: "fused", "winograd", or "plain" and why; empty where there is one way only.
  std::string path = {};  // NOLINT(readability-redundant-member-init): GCC warns where an initialiser leaves it out
};

}  // namespace siamaudio
