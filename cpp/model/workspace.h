// Memory for the large arrays of a training step or of a block of embeddings, used again in the next.
//
// The system gives large blocks back to itself and hands them out again page by page, each page cleared: touching fresh
// memory takes several times as long as touching used memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>

namespace siamaudio {

/// A handle: copies share the memory, which lives as long as a handle or a tensor taken.
class Workspace {
 public:
  Workspace();

  /// A tensor on the CPU, its values undefined; its memory comes back when the last tensor on it goes.
  at::Tensor take(at::IntArrayRef sizes, at::ScalarType type = at::kFloat,
                  at::MemoryFormat format = at::MemoryFormat::Contiguous) const;

  /// Bytes that it holds, free and taken together.
  size_t size() const;

 private:
  class Blocks;
  std::shared_ptr<Blocks> blocks_;
};

}  // namespace siamaudio
