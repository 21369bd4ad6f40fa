#include "train/batch_feed.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <utility>

#include "base/choices.h"
#include "train/upload.h"

namespace siamaudio {
namespace {

constexpr size_t kShareOfFreeMemory = 2;  // one part for the clips, the others for weights, activations and gradients

bool fits(const at::Tensor& spectrograms, at::Device device) {
  if (device.is_cpu()) return true;
  const auto [free_bytes, total_bytes] = at::getDeviceAllocator(device.type())->getMemoryInfo(device.index());
  return spectrograms.nbytes() <= free_bytes / kShareOfFreeMemory;
}

}  // namespace

FeatureMemory parse_feature_memory(const std::string& name) {
  constexpr Choices<FeatureMemory, 3> kMemories{
      {{"auto", FeatureMemory::kAuto}, {"resident", FeatureMemory::kResident}, {"fetched", FeatureMemory::kFetched}}};
  return parse_choice("feature_memory", name, kMemories);
}

BatchFeed::BatchFeed(const at::Tensor& spectrograms, at::Device device, FeatureMemory memory)
    : device_(device),
      is_resident_(memory == FeatureMemory::kResident ||
                   (memory == FeatureMemory::kAuto && fits(spectrograms, device))),
      spectrograms_(is_resident_ ? spectrograms.to(device) : spectrograms) {}

at::Tensor BatchFeed::take(const std::vector<int64_t>& clips) {
  if (ahead_.defined() && ahead_clips_ == clips) return std::exchange(ahead_, at::Tensor());
  return gather(clips);
}

void BatchFeed::fetch_ahead(const std::vector<int64_t>& clips) {
  if (is_resident_) return;
  ahead_clips_ = clips;
  ahead_ = gather(clips);
}

at::Tensor BatchFeed::gather(const std::vector<int64_t>& clips) const {
  const at::Tensor index = at::tensor(clips, at::kLong);
  if (is_resident_) return spectrograms_.index_select(0, upload(index, device_));
  std::vector<int64_t> shape = spectrograms_.sizes().vec();
  shape[0] = index.size(0);
  // The allocator of pinned memory keeps a buffer that is still being copied from, so every batch can have its own.
  at::Tensor buffer = at::empty(shape, spectrograms_.options().pinned_memory(device_.is_cuda()));
  at::index_select_out(buffer, spectrograms_, 0, index);
  return buffer.to(device_, /*non_blocking=*/true);
}

}  // namespace siamaudio
