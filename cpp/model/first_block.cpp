#include "model/first_block.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "model/channel_moments.h"
#include "model/dropout.h"
#include "model/parallel_sum.h"

namespace siamaudio {
namespace {

using Values = std::vector<double>;

constexpr int64_t kGrainRows = 4;

Values values_of(const at::Tensor& tensor) {
  const at::Tensor doubles = tensor.detach().to(at::kDouble).contiguous();
  const auto* first = doubles.const_data_ptr<double>();
  return {first, first + doubles.numel()};
}

at::Tensor floats(const Values& values) { return at::tensor(values, at::kDouble).to(at::kFloat); }

double dot(const double* a, const double* b, size_t size) {
  double sum = 0;
  for (size_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

/// All patches of the input: their number n, sum S, and C = Σ p pᵀ - S Sᵀ / n.
struct Patches {
  double count = 0;
  Values sum;         // (taps,)
  Values covariance;  // (taps, taps), times n
};

Patches patches_of(const FirstBlockMap& map, const float* x, const Kernels& kernels) {
  const int64_t taps = map.kernel_size * map.kernel_size;
  const auto size = static_cast<size_t>(taps);
  const Values sums = parallel_sum(map.clips, taps + taps * taps, [&](int64_t begin, int64_t end, double* part) {
    kernels.first_block.sum_patches(map, x, begin, end, part, part + taps);
  });
  Patches patches;
  patches.count =
      static_cast<double>(map.clips * (map.height - map.kernel_size + 1) * (map.width - map.kernel_size + 1));
  patches.sum.assign(sums.begin(), sums.begin() + taps);
  patches.covariance.resize(size * size);
  for (size_t i = 0; i < size; ++i)
    for (size_t j = i; j < size; ++j)
      patches.covariance[i * size + j] = patches.covariance[j * size + i] =
          sums[size + i * size + j] - patches.sum[i] * patches.sum[j] / patches.count;
  return patches;
}

/// The names of kernels/first_block.h; vectors over channels unless they say otherwise.
struct FirstBlockBackward final : torch::autograd::Node {
  FirstBlockMap map{};
  at::Tensor x;  // x̂
  at::Tensor chosen;
  Values weight;  // (channels, taps)
  double input_gamma = 1;
  double input_beta = 0;
  bool has_input_norm = false;
  std::optional<Patches> patches;  // with batch norm in the block
  Values weighted_sum;             // wᵀS
  Values weighted_covariance;      // C w (channels, taps)
  Values deviation;                // σ
  Values scale;                    // s
  double dropout = 0;
  const Kernels* kernels = nullptr;

  std::string name() const override { return "FirstBlockBackward"; }

  void release_variables() override {
    x.reset();
    chosen.reset();
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    if (!gradients[0].defined()) return torch::autograd::variable_list(num_inputs_of_forward());
    const at::Tensor gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const auto taps = static_cast<size_t>(map.kernel_size * map.kernel_size);
    const auto channels = static_cast<size_t>(map.channels);
    const FirstBlockGradientSums block{.map = map,
                                       .x = x.const_data_ptr<float>(),
                                       .gradient = gradient.const_data_ptr<float>(),
                                       .chosen = chosen.const_data_ptr<uint8_t>()};
    Values sums = parallel_sum(
        map.clips * map.pooled_height(), static_cast<int64_t>((taps + 1) * channels),
        [&](int64_t begin, int64_t end, double* part) { kernels->first_block.sum_gradients(block, begin, end, part); });
    for (double& value : sums) value /= 1 - dropout;

    Values weight_gradient(channels * taps);
    Values bias_gradient(channels);
    Values gamma_gradient(channels);
    Values beta_gradient(channels);
    double input_gamma_gradient = 0;
    double input_beta_gradient = 0;
    for (size_t c = 0; c < channels; ++c) {
      const double* w = &weight[c * taps];
      const double value_sum = sums[taps * channels + c];  // Γ
      Values patch_sum(taps);                              // G, then D
      for (size_t tap = 0; tap < taps; ++tap) patch_sum[tap] = sums[tap * channels + c];
      if (patches) {
        const double n = patches->count;
        beta_gradient[c] = value_sum;
        gamma_gradient[c] =
            input_gamma / deviation[c] * (dot(w, patch_sum.data(), taps) - weighted_sum[c] * value_sum / n);
        const double slope = gamma_gradient[c] * input_gamma / (n * deviation[c]);
        for (size_t tap = 0; tap < taps; ++tap)
          patch_sum[tap] = scale[c] * (patch_sum[tap] - patches->sum[tap] * value_sum / n -
                                       slope * weighted_covariance[c * taps + tap]);
      } else {
        bias_gradient[c] = value_sum;
        double weight_sum = 0;
        for (size_t tap = 0; tap < taps; ++tap) weight_sum += w[tap];
        input_beta_gradient += value_sum * weight_sum;
      }
      for (size_t tap = 0; tap < taps; ++tap)
        weight_gradient[c * taps + tap] = input_gamma * patch_sum[tap] + (patches ? 0 : input_beta * value_sum);
      input_gamma_gradient += dot(w, patch_sum.data(), taps);
    }

    torch::autograd::variable_list all;
    all.push_back(floats(weight_gradient).view({map.channels, 1, map.kernel_size, map.kernel_size}));
    all.push_back(floats(bias_gradient));
    if (has_input_norm) {
      all.push_back(floats({input_gamma_gradient}));
      all.push_back(floats({input_beta_gradient}));
    }
    if (patches) {
      all.push_back(floats(gamma_gradient));
      all.push_back(floats(beta_gradient));
    }
    return all;
  }

 private:
  size_t num_inputs_of_forward() const { return 2 + (has_input_norm ? 2 : 0) + (patches ? 2 : 0); }
};

}  // namespace

at::Tensor first_block(const at::Tensor& x, BatchNorm* input_norm, const at::Tensor& weight, const at::Tensor& bias,
                       BatchNorm* norm, double dropout, const Pass& pass, const Kernels& kernels) {
  const auto node = c10::make_intrusive<FirstBlockBackward>();
  const FirstBlockMap map{.clips = x.size(0),
                          .height = x.size(2),
                          .width = x.size(3),
                          .kernel_size = weight.size(2),
                          .channels = weight.size(0)};
  node->map = map;
  node->kernels = &kernels;
  node->weight = values_of(weight);
  const auto taps = static_cast<size_t>(map.kernel_size * map.kernel_size);
  const auto channels = static_cast<size_t>(map.channels);

  node->x = x.detach();
  if (input_norm != nullptr) {
    Moments moments;
    if (pass.is_training) {
      moments = total_moments(x.const_data_ptr<float>(), x.numel(), kernels);
      input_norm->track(at::tensor(moments.mean, at::kDouble), at::tensor(moments.variance, at::kDouble), x.numel());
    } else {
      moments = {.mean = values_of(input_norm->running_mean()), .variance = values_of(input_norm->running_variance())};
    }
    node->has_input_norm = true;
    node->input_gamma = values_of(input_norm->weight())[0];
    node->input_beta = values_of(input_norm->bias())[0];
    at::Tensor normalised = pass.workspace.take(x.sizes());
    at::sub_out(normalised, x.detach(), at::tensor(moments.mean, at::kDouble).to(at::kFloat));
    node->x = normalised.mul_(1 / std::sqrt(moments.variance[0] + BatchNorm::kEpsilon));
  }

  // The convolution's weights and constant with batch norm folded in.
  Values folded_scale(channels, node->input_gamma);
  Values shift(channels);
  const Values bias_values = values_of(bias);
  Values offset(channels);  // of the convolution's output, which batch norm removes: bias and the input norm's β
  for (size_t c = 0; c < channels; ++c) {
    for (size_t tap = 0; tap < taps; ++tap) offset[c] += node->input_beta * node->weight[c * taps + tap];
    offset[c] += bias_values[c];
  }
  if (norm == nullptr) {
    shift = offset;
  } else {
    const Values gamma = values_of(norm->weight());
    const Values beta = values_of(norm->bias());
    Values mean(channels);  // without the offset
    Values variance(channels);
    if (pass.is_training) {
      node->patches = patches_of(map, node->x.const_data_ptr<float>(), kernels);
      const Patches& patches = *node->patches;
      node->weighted_covariance.resize(channels * taps);
      for (size_t c = 0; c < channels; ++c) {
        const double* w = &node->weight[c * taps];
        node->weighted_sum.push_back(dot(w, patches.sum.data(), taps));
        for (size_t tap = 0; tap < taps; ++tap)
          node->weighted_covariance[c * taps + tap] = dot(w, &patches.covariance[tap * taps], taps);
        mean[c] = node->input_gamma * node->weighted_sum[c] / patches.count;
        variance[c] =
            node->input_gamma * node->input_gamma * dot(w, &node->weighted_covariance[c * taps], taps) / patches.count;
        if (variance[c] < 0) variance[c] = 0;  // rounding
      }
      Values whole_mean = mean;
      for (size_t c = 0; c < channels; ++c) whole_mean[c] += offset[c];
      norm->track(at::tensor(whole_mean, at::kDouble), at::tensor(variance, at::kDouble),
                  static_cast<int64_t>(patches.count));
    } else {
      mean = values_of(norm->running_mean());
      variance = values_of(norm->running_variance());
      for (size_t c = 0; c < channels; ++c) mean[c] -= offset[c];
    }
    for (size_t c = 0; c < channels; ++c) {
      node->deviation.push_back(std::sqrt(variance[c] + BatchNorm::kEpsilon));
      node->scale.push_back(gamma[c] / node->deviation[c]);
      folded_scale[c] *= node->scale[c];
      shift[c] = beta[c] - node->scale[c] * mean[c];
    }
  }
  Values folded(taps * channels);
  for (size_t tap = 0; tap < taps; ++tap)
    for (size_t c = 0; c < channels; ++c) folded[tap * channels + c] = folded_scale[c] * node->weight[c * taps + tap];
  const at::Tensor folded_weights = floats(folded);
  const at::Tensor folded_shift = floats(shift);

  const std::vector<int64_t> sizes{map.clips, map.channels, map.pooled_height(), map.pooled_width()};
  at::Tensor out = pass.workspace.take(sizes, at::kFloat, at::MemoryFormat::ChannelsLast);
  if (pass.is_training) node->chosen = pass.workspace.take(sizes, at::kByte, at::MemoryFormat::ChannelsLast);
  node->dropout = pass.is_training ? dropout : 0;
  const FirstBlockForward block{.map = map,
                                .x = node->x.const_data_ptr<float>(),
                                .weights = folded_weights.const_data_ptr<float>(),
                                .shift = folded_shift.const_data_ptr<float>(),
                                .out = out.mutable_data_ptr<float>(),
                                .chosen = pass.is_training ? node->chosen.mutable_data_ptr<uint8_t>() : nullptr,
                                .dropout = node->dropout,
                                .dropout_seed = node->dropout > 0 ? draw_seed(pass.dropout_generator) : 0};
  at::parallel_for(0, map.clips * map.pooled_height(), kGrainRows,
                   [&](int64_t begin, int64_t end) { kernels.first_block.forward(block, begin, end); });

  if (pass.is_training && at::GradMode::is_enabled()) {
    torch::autograd::variable_list inputs{weight, bias};
    for (const BatchNorm* layer : {static_cast<const BatchNorm*>(input_norm), static_cast<const BatchNorm*>(norm)}) {
      if (layer == nullptr) continue;
      inputs.push_back(layer->weight());
      inputs.push_back(layer->bias());
    }
    node->set_next_edges(torch::autograd::collect_next_edges(inputs));
    torch::autograd::set_history(out, node);
  }
  return out;
}

}  // namespace siamaudio
