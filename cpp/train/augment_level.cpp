#include <ATen/TensorOperators.h>
#include <ATen/ops/upsample_linear1d.h>

#include "train/augment_ops.h"

namespace siamaudio {

at::Tensor gain(const at::Tensor& x, const at::Tensor& gains, const at::Tensor& offsets) {
  const auto per_clip = [&](const at::Tensor& values) { return values.to(x.options()).view({-1, 1, 1, 1}); };
  return x * per_clip(gains) + per_clip(offsets);
}

at::Tensor frequency_response(const at::Tensor& x, const at::Tensor& offsets) {
  const at::Tensor response =
      at::upsample_linear1d(offsets.to(x.options()).unsqueeze(1), {x.size(2)}, /*align_corners=*/true);
  return x + response.unsqueeze(3);  // (clips, 1, bands, 1)
}

}  // namespace siamaudio
