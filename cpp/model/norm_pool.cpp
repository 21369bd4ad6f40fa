#include "model/norm_pool.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <cmath>
#include <utility>
#include <vector>

#include "model/channel_moments.h"
#include "model/dropout.h"
#include "model/parallel_sum.h"

namespace siamaudio {
namespace {

using Values = std::vector<double>;  // one a channel

constexpr int64_t kGrainRows = 4;

at::Tensor floats(const Values& values) { return at::tensor(values, at::kDouble).to(at::kFloat); }

/// What the way back needs.
struct NormPoolBackward final : torch::autograd::Node {
  PooledMap map{};
  at::Tensor y;  // becomes its own gradient
  at::Tensor chosen;
  at::Tensor chosen_y;  // y itself where pools have one position
  Values mean;
  Values deviation;  // σ; empty without batch norm
  Values scale;      // s
  double dropout = 0;
  const Kernels* kernels = nullptr;

  std::string name() const override { return "NormPoolBackward"; }

  void release_variables() override {
    y.reset();
    chosen.reset();
    chosen_y.reset();
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    if (!gradients[0].defined()) return torch::autograd::variable_list(deviation.empty() ? 1 : 3);
    const at::Tensor gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const double factor = 1 / (1 - dropout);
    const auto size = static_cast<size_t>(map.channels);
    const bool has_norm = !deviation.empty();
    Values gain(size, factor);
    Values constant;
    Values slope;
    Values weight_gradient;
    Values bias_gradient;
    const at::Tensor mean_floats = floats(mean);
    if (has_norm) {
      const PoolGradientSums pool{.gradient = gradient.const_data_ptr<float>(),
                                  .chosen = chosen.const_data_ptr<uint8_t>(),
                                  .chosen_y = chosen_y.const_data_ptr<float>(),
                                  .mean = mean_floats.const_data_ptr<float>(),
                                  .channels = map.channels};
      const int64_t num_pixels = map.clips * map.pooled_height() * map.pooled_width();
      const Values sums = parallel_sum(num_pixels, 2 * map.channels, [&](int64_t begin, int64_t end, double* part) {
        kernels->norm_pool.sum_gradients(pool, begin, end, part);
      });
      const auto n = static_cast<double>(map.clips * map.height * map.width);
      for (size_t c = 0; c < size; ++c) {
        bias_gradient.push_back(factor * sums[c]);
        weight_gradient.push_back(factor * sums[size + c] / deviation[c]);
        gain[c] = factor * scale[c];
        constant.push_back(-scale[c] * bias_gradient[c] / n);
        slope.push_back(-scale[c] * weight_gradient[c] / (n * deviation[c]));
      }
    }
    write_gradient(gradient, mean_floats, floats(gain), has_norm ? floats(constant) : at::Tensor(),
                   has_norm ? floats(slope) : at::Tensor());
    torch::autograd::variable_list all{y.detach()};
    if (has_norm) {
      all.push_back(floats(weight_gradient));
      all.push_back(floats(bias_gradient));
    }
    return all;
  }

 private:
  void write_gradient(const at::Tensor& gradient, const at::Tensor& mean_floats, const at::Tensor& gain,
                      const at::Tensor& constant, const at::Tensor& slope) {
    const PoolBackward pool{.map = map,
                            .gradient = gradient.const_data_ptr<float>(),
                            .chosen = chosen.const_data_ptr<uint8_t>(),
                            .mean = mean_floats.const_data_ptr<float>(),
                            .gain = gain.const_data_ptr<float>(),
                            .constant = constant.defined() ? constant.const_data_ptr<float>() : nullptr,
                            .slope = slope.defined() ? slope.const_data_ptr<float>() : nullptr,
                            .y = y.mutable_data_ptr<float>()};
    const int64_t num_rows = map.clips * ((map.height + map.pool_size - 1) / map.pool_size);
    at::parallel_for(0, num_rows, kGrainRows,
                     [&](int64_t begin, int64_t end) { kernels->norm_pool.backward(pool, begin, end); });
  }
};

}  // namespace

at::Tensor norm_pool(const at::Tensor& y, BatchNorm* norm, int64_t pool_size, double dropout, const Pass& pass,
                     const Kernels& kernels) {
  const at::Tensor map_values = y.detach().contiguous(at::MemoryFormat::ChannelsLast);
  const PooledMap map{
      .clips = y.size(0), .height = y.size(2), .width = y.size(3), .channels = y.size(1), .pool_size = pool_size};
  const auto size = static_cast<size_t>(map.channels);
  Values mean(size);
  Values deviation;
  Values scale(size, 1.0);
  at::Tensor scale_floats;
  at::Tensor shift_floats;
  if (norm != nullptr) {
    Values variance;
    if (pass.is_training) {
      Moments moments = channel_moments(map_values.const_data_ptr<float>(), map.clips * map.height * map.width,
                                        map.channels, kernels);
      mean = std::move(moments.mean);
      variance = std::move(moments.variance);
      norm->track(at::tensor(mean, at::kDouble), at::tensor(variance, at::kDouble), map.clips * map.height * map.width);
    } else {
      const at::Tensor running_mean = norm->running_mean().to(at::kDouble);
      const at::Tensor running_variance = norm->running_variance().to(at::kDouble);
      mean.assign(running_mean.const_data_ptr<double>(), running_mean.const_data_ptr<double>() + size);
      variance.assign(running_variance.const_data_ptr<double>(), running_variance.const_data_ptr<double>() + size);
    }
    const auto* weight = norm->weight().const_data_ptr<float>();
    const auto* bias = norm->bias().const_data_ptr<float>();
    Values shift(size);
    for (size_t c = 0; c < size; ++c) {
      deviation.push_back(std::sqrt(variance[c] + BatchNorm::kEpsilon));
      scale[c] = weight[c] / deviation[c];
      shift[c] = bias[c] - scale[c] * mean[c];
    }
    shift_floats = floats(shift);
  } else {
    shift_floats = floats(Values(size));
  }
  scale_floats = floats(scale);

  const std::vector<int64_t> sizes{map.clips, map.channels, map.pooled_height(), map.pooled_width()};
  const auto take = [&](at::ScalarType type) {
    return pass.workspace.take(sizes, type, at::MemoryFormat::ChannelsLast);
  };
  at::Tensor out = take(at::kFloat);
  at::Tensor chosen;
  at::Tensor chosen_y;
  if (pass.is_training) {
    chosen = take(at::kByte);
    chosen_y = pool_size == 1 ? map_values : take(at::kFloat);
  }
  const double rate = pass.is_training ? dropout : 0;
  const PoolForward pool{.map = map,
                         .y = map_values.const_data_ptr<float>(),
                         .scale = scale_floats.const_data_ptr<float>(),
                         .shift = shift_floats.const_data_ptr<float>(),
                         .out = out.mutable_data_ptr<float>(),
                         .chosen = chosen.defined() ? chosen.mutable_data_ptr<uint8_t>() : nullptr,
                         .chosen_y = pool_size > 1 && chosen_y.defined() ? chosen_y.mutable_data_ptr<float>() : nullptr,
                         .dropout = rate,
                         .dropout_seed = rate > 0 ? draw_seed(pass.dropout_generator) : 0};
  at::parallel_for(0, map.clips * map.pooled_height(), kGrainRows,
                   [&](int64_t begin, int64_t end) { kernels.norm_pool.forward(pool, begin, end); });

  if (pass.is_training && at::GradMode::is_enabled()) {
    const auto node = c10::make_intrusive<NormPoolBackward>();
    node->map = map;
    node->y = map_values;
    node->chosen = chosen;
    node->chosen_y = chosen_y;
    node->mean = std::move(mean);
    node->deviation = std::move(deviation);
    node->scale = std::move(scale);
    node->dropout = rate;
    node->kernels = &kernels;
    node->set_next_edges(norm != nullptr ? torch::autograd::collect_next_edges(y, norm->weight(), norm->bias())
                                         : torch::autograd::collect_next_edges(y));
    torch::autograd::set_history(out, node);
  }
  return out;
}

}  // namespace siamaudio
