#include "model/workspace.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/MemoryFormat.h>
#include <c10/util/strides.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace siamaudio {

/// Blocks of memory that are free, by size.
class Workspace::Blocks {
 public:
  /// The smallest free block that is large enough and not more than twice so large, or a new one.
  std::pair<size_t, c10::DataPtr> take(size_t num_bytes) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = free_.lower_bound(num_bytes);
      if (found != free_.end() && found->first <= 2 * num_bytes) {
        std::pair<size_t, c10::DataPtr> block = std::move(*found);
        free_.erase(found);
        return block;
      }
    }
    return {num_bytes, c10::GetCPUAllocator()->allocate(num_bytes)};
  }

  void put_back(size_t num_bytes, c10::DataPtr memory) {
    const std::lock_guard lock(mutex_);
    free_.emplace(num_bytes, std::move(memory));
  }

 private:
  std::mutex mutex_;
  std::multimap<size_t, c10::DataPtr> free_;
};

Workspace::Workspace() : blocks_(std::make_shared<Blocks>()) {}

at::Tensor Workspace::take(at::IntArrayRef sizes, at::ScalarType type, at::MemoryFormat format) const {
  size_t num_bytes = c10::elementSize(type);
  for (const int64_t size : sizes) num_bytes *= static_cast<size_t>(size);
  auto [block_bytes, memory] = blocks_->take(std::max<size_t>(num_bytes, 1));
  void* data = memory.get();
  const c10::DimVector strides = format == at::MemoryFormat::ChannelsLast
                                     ? c10::DimVector(c10::get_channels_last_strides_2d(sizes))
                                     : c10::contiguous_strides(sizes);
  auto held = std::make_shared<c10::DataPtr>(std::move(memory));
  return at::from_blob(
      data, sizes, strides,
      [blocks = blocks_, size = block_bytes, held](void*) { blocks->put_back(size, std::move(*held)); }, type);
}

}  // namespace siamaudio
