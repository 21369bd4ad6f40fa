#include "model/dense.h"

#include "base/errors.h"
#include "model/dropout.h"

namespace siamaudio {

void check(const DenseOptions& options, const std::string& name) {
  if (options.units < 1) throw ParameterError(name + ".units", std::to_string(options.units), "1 or more");
  check_dropout(options.dropout, name + ".dropout");
}

Dense::Dense(const DenseOptions& options, int64_t num_inputs, const at::Generator& generator)
    : options_(options), linear_(num_inputs, options.units, generator) {
  if (options.batch_norm) norm_.emplace(options.units);
}

at::Tensor Dense::forward(const at::Tensor& x, const Pass& pass) {
  at::Tensor y = linear_.forward(x, pass);
  if (norm_) y = norm_->forward(y, pass);
  return dropout(activate(y, options_.activation), options_.dropout, pass);
}

NamedTensors Dense::parameters() const {
  NamedTensors all = linear_.parameters();
  if (norm_) append(all, "norm", norm_->parameters());
  return all;
}

NamedTensors Dense::buffers() const {
  NamedTensors all;
  if (norm_) append(all, "norm", norm_->buffers());
  return all;
}

std::vector<LayerInfo> Dense::layers(const std::string& name) const {
  std::vector<LayerInfo> all{linear_.layer(name)};
  if (norm_) all.push_back(norm_->layer(name + ".norm", {options_.units}));
  return all;
}

}  // namespace siamaudio
