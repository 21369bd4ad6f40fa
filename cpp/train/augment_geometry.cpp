#include <ATen/TensorOperators.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/grid_sampler.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "train/augment_ops.h"

namespace siamaudio {
namespace {

constexpr int64_t kBilinear = 0;
constexpr int64_t kReflection = 2;

/// Frames of each clip at index (clips, frames).
at::Tensor take_frames(const at::Tensor& x, const at::Tensor& index) {
  return at::gather(x, 3, index.unsqueeze(1).unsqueeze(1).expand({x.size(0), x.size(1), x.size(2), index.size(1)}));
}

/// (clips, size): where each place of an axis is read, in grid_sampler's measure: -1 is the first place, 1 the last.
at::Tensor places(const at::Tensor& scale, const at::Tensor& offset, int64_t size, at::Device device) {
  const at::Tensor positions = scale.unsqueeze(1) * at::arange(size, scale.options()) + offset.unsqueeze(1);
  return (positions * (2 / static_cast<double>(std::max<int64_t>(1, size - 1))) - 1).to(device, at::kFloat);
}

}  // namespace

at::Tensor time_shift(const at::Tensor& x, const at::Tensor& shifts) {
  const at::Tensor frames = at::arange(x.size(3), at::TensorOptions(at::kLong).device(x.device()));
  return take_frames(x, (frames - shifts.to(x.device()).unsqueeze(1)).remainder(x.size(3)));
}

at::Tensor warp(const at::Tensor& x, const Warp& source) {
  const int64_t height = x.size(2);
  const int64_t width = x.size(3);
  const at::Tensor frames = places(source.time_scale, source.time_offset, width, x.device());
  const at::Tensor bands = places(source.band_scale, source.band_offset, height, x.device());
  const at::Tensor grid =
      at::stack({frames.unsqueeze(1).expand({-1, height, width}), bands.unsqueeze(2).expand({-1, height, width})}, -1);
  return at::grid_sampler(x, grid, kBilinear, kReflection, /*align_corners=*/true);
}

at::Tensor crop(const at::Tensor& x, const at::Tensor& starts, int64_t frames) {
  const at::Tensor positions = at::arange(frames, at::TensorOptions(at::kLong).device(x.device()));
  const at::Tensor index = positions + starts.to(x.device()).unsqueeze(1);
  const at::Tensor is_inside = (index.ge(0)).logical_and(index.lt(x.size(3))).unsqueeze(1).unsqueeze(1);
  return at::where(is_inside, take_frames(x, index.clamp(0, x.size(3) - 1)), x.amin({1, 2, 3}, /*keepdim=*/true));
}

}  // namespace siamaudio
