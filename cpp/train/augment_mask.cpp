#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/where.h>

#include "train/augment_ops.h"

namespace siamaudio {
namespace {

/// (clips, size) bool: which places of an axis some span covers.
at::Tensor covered(const Spans& spans, int64_t size, at::Device device) {
  const at::Tensor starts = spans.starts.to(device).unsqueeze(2);
  const at::Tensor ends = starts + spans.lengths.to(device).unsqueeze(2);
  const at::Tensor places = at::arange(size, starts.options());
  return places.ge(starts).logical_and(places.lt(ends)).any(1);
}

}  // namespace

at::Tensor mask(const at::Tensor& x, const Spans& frames, const Spans& bands, const at::Tensor& values) {
  const at::Tensor is_masked =
      covered(frames, x.size(3), x.device())
          .unsqueeze(1)
          .logical_or(covered(bands, x.size(2), x.device()).unsqueeze(2));  // (clips, bands, frames)
  return at::where(is_masked.unsqueeze(1), values.to(x.options()).view({-1, 1, 1, 1}), x);
}

}  // namespace siamaudio
