#include "model/workspace.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/MemoryFormat.h>
#include <c10/util/strides.h>

#include <algorithm>
#include <cstddef>
#include <list>
#include <mutex>
#include <utility>

namespace siamaudio {

/// Blocks of memory: those that are free, the longest free first, and how much is taken.
///
/// What is free stays within twice the most that was ever taken at once, or blocks of sizes that are asked for no more
/// would pile up; the longest free goes first.
class Workspace::Blocks {
 public:
  struct Block {
    size_t num_bytes = 0;
    c10::DataPtr memory;
  };

  /// The smallest free block that is large enough and not more than twice so large, or a new one.
  Block take(size_t num_bytes) {
    Block block = take_free(num_bytes);
    if (block.memory.get() == nullptr) block = {num_bytes, c10::GetCPUAllocator()->allocate(num_bytes)};
    const std::lock_guard lock(mutex_);
    taken_bytes_ += block.num_bytes;
    most_taken_bytes_ = std::max(most_taken_bytes_, taken_bytes_);
    return block;
  }

  void put_back(Block block) {
    const std::lock_guard lock(mutex_);
    taken_bytes_ -= block.num_bytes;
    free_bytes_ += block.num_bytes;
    free_.push_back(std::move(block));
    while (free_bytes_ > 2 * most_taken_bytes_) {
      free_bytes_ -= free_.front().num_bytes;
      free_.pop_front();
    }
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return free_bytes_ + taken_bytes_;
  }

 private:
  Block take_free(size_t num_bytes) {
    const std::lock_guard lock(mutex_);
    auto best = free_.end();
    for (auto block = free_.begin(); block != free_.end(); ++block) {
      const bool fits = block->num_bytes >= num_bytes && block->num_bytes <= 2 * num_bytes;
      if (fits && (best == free_.end() || block->num_bytes < best->num_bytes)) best = block;
    }
    if (best == free_.end()) return {};
    Block block = std::move(*best);
    free_.erase(best);
    free_bytes_ -= block.num_bytes;
    return block;
  }

  mutable std::mutex mutex_;
  std::list<Block> free_;
  size_t free_bytes_ = 0;
  size_t taken_bytes_ = 0;
  size_t most_taken_bytes_ = 0;
};

Workspace::Workspace() : blocks_(std::make_shared<Blocks>()) {}

size_t Workspace::size() const { return blocks_->size(); }

at::Tensor Workspace::take(at::IntArrayRef sizes, at::ScalarType type, at::MemoryFormat format) const {
  size_t num_bytes = c10::elementSize(type);
  for (const int64_t size : sizes) num_bytes *= static_cast<size_t>(size);
  auto block = std::make_shared<Blocks::Block>(blocks_->take(std::max<size_t>(num_bytes, 1)));
  void* data = block->memory.get();
  const c10::DimVector strides = format == at::MemoryFormat::ChannelsLast
                                     ? c10::DimVector(c10::get_channels_last_strides_2d(sizes))
                                     : c10::contiguous_strides(sizes);
  return at::from_blob(
      data, sizes, strides, [blocks = blocks_, block](void*) { blocks->put_back(std::move(*block)); }, type);
}

}  // namespace siamaudio
