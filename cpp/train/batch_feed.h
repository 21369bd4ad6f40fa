// The training clips, batch by batch on the network's device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace siamaudio {

/// Where the training clips are kept.
enum class FeatureMemory {
  kAuto,      ///< on the device where half of its free memory holds them, else on the host
  kResident,  ///< on the device
  kFetched,   ///< on the host: a batch's clips are gathered there and copied while the device computes the step before
};

/// "auto", "resident" or "fetched". Throws ParameterError.
FeatureMemory parse_feature_memory(const std::string& name);

/// Two batches at most are on the device beside a step's own tensors where the clips are fetched.
class BatchFeed {
 public:
  /// spectrograms: (clips, channels, height, width) float32 on the CPU; they outlive this.
  BatchFeed(const at::Tensor& spectrograms, at::Device device, FeatureMemory memory);

  /// (clips.size(), channels, height, width) on the device, the same values wherever they are kept.
  at::Tensor take(const std::vector<int64_t>& clips);

  /// Says which clips the next take() asks for, as far as is known. Call it when the device has been given most of a
  /// step's work, and before waiting for it.
  void fetch_ahead(const std::vector<int64_t>& clips);

  bool is_resident() const { return is_resident_; }

 private:
  at::Tensor gather(const std::vector<int64_t>& clips) const;

  at::Device device_;
  bool is_resident_;
  at::Tensor spectrograms_;  // on the device, or the caller's
  std::vector<int64_t> ahead_clips_;
  at::Tensor ahead_;  // of ahead_clips_, on the device or on its way there; undefined: nothing is
};

}  // namespace siamaudio
