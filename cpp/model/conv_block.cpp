#include "model/conv_block.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

#include "base/errors.h"
#include "model/dropout.h"
#include "model/init.h"

namespace siamaudio {

void check(const ConvBlockOptions& options, const std::string& name) {
  if (options.filters < 1) throw ParameterError(name + ".filters", std::to_string(options.filters), "1 or more");
  if (options.kernel_size < 1)
    throw ParameterError(name + ".kernel_size", std::to_string(options.kernel_size), "1 or more");
  if (options.pool_size < 1)
    throw ParameterError(name + ".pool_size", std::to_string(options.pool_size), "1 (no pooling) or more");
  if (!(options.dropout >= 0 && options.dropout < 1))
    throw ParameterError(name + ".dropout", std::to_string(options.dropout), "a share from 0 up to 1, exclusive");
}

int64_t output_length(const ConvBlockOptions& options, int64_t length) {
  const int64_t convolved = length - options.kernel_size + 1;
  return convolved < options.pool_size ? 0 : convolved / options.pool_size;
}

ConvBlock::ConvBlock(const ConvBlockOptions& options, int64_t num_input_channels, const at::Generator& generator)
    : options_(options),
      weight_(
          glorot_uniform({options.filters, num_input_channels, options.kernel_size, options.kernel_size}, generator)),
      bias_(at::zeros({options.filters})) {
  if (options.batch_norm) batch_norm_.emplace(options.filters);
}

at::Tensor ConvBlock::forward(const at::Tensor& x, const Pass& pass) {
  at::Tensor y = at::conv2d(x, weight_.contiguous(at::MemoryFormat::ChannelsLast), bias_);
  poll_both_ways(y, pass);
  if (batch_norm_) {
    y = batch_norm_->forward(y, pass);
    poll_both_ways(y, pass);
  }
  // ReLU after the pooling gives the same values (a maximum commutes with a rising function) on a quarter of them.
  if (options_.pool_size > 1) y = at::max_pool2d(y, {options_.pool_size, options_.pool_size});
  y = dropout(at::relu(y), options_.dropout, pass);
  poll_both_ways(y, pass);
  return y;
}

NamedTensors ConvBlock::parameters() const {
  NamedTensors all{{"conv.weight", weight_}, {"conv.bias", bias_}};
  if (batch_norm_) append(all, "norm", batch_norm_->parameters());
  return all;
}

NamedTensors ConvBlock::buffers() const {
  NamedTensors all;
  if (batch_norm_) append(all, "norm", batch_norm_->buffers());
  return all;
}

}  // namespace siamaudio
