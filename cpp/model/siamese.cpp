#include "model/siamese.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>

#include "base/choices.h"
#include "base/errors.h"
#include "model/all_pairs.h"
#include "model/copy_values.h"
#include "model/init.h"
#include "model/l2_normalize.h"

namespace siamaudio {
namespace {

constexpr int64_t kEmbedBlock = 8;        // clips; bounds the memory of the activations, fresh pages of which take time
constexpr int64_t kCudaEmbedBlock = 128;  // fewer would leave a device idle
constexpr int64_t kSimilarityBlockValues = 2'097'152;  // of one block of similarities
constexpr std::array<Shift, 1> kNoShift{};

std::vector<Shift> to_shifts(const at::Tensor& rows) {
  const at::Tensor numbers = rows.to(at::kCPU, at::kLong).contiguous();
  std::vector<Shift> shifts;
  for (int64_t i = 0; i < numbers.size(0); ++i) {
    const int64_t* row = numbers.const_data_ptr<int64_t>() + 2 * i;
    shifts.push_back({.bands = row[0], .frames = row[1]});
  }
  return shifts;
}

}  // namespace

Head parse_head(const std::string& name) {
  constexpr Choices<Head, 2> kHeads{{{"dense", Head::kDense}, {"none", Head::kNone}}};
  return parse_choice("head", name, kHeads);
}

Siamese::Siamese(const SiameseOptions& options, const InputShape& input, uint64_t seed)
    : options_(options),
      input_(input),
      initial_weights_(make_generator(at::kCPU, seed)),
      encoder_(make_encoder(options.encoder, input, initial_weights_)) {
  if (options.head == Head::kDense) {
    if (!is_scalar(options.distance) && trained_size() != embedding_size())
      throw ParameterError("head", "'dense' on a distance of each element",
                           "none, or one of a distance of one number, with pooling 'frequency_levels'");
    head_.emplace(is_scalar(options.distance) ? 1 : trained_size(), 1, initial_weights_);
  } else if (!is_scalar(options.distance)) {
    throw ParameterError("distance", "one for each element, without a head",
                         "'euclidean' or 'cosine', or a dense head that weighs the elements");
  }
}

Siamese::AnyEncoder Siamese::make_encoder(const AnyEncoderOptions& options, const InputShape& input,
                                          const at::Generator& generator) {
  if (const auto* yamnet = std::get_if<YamnetEncoderOptions>(&options)) return YamnetEncoder(*yamnet, input, generator);
  return Encoder(std::get<EncoderOptions>(options), input, generator);
}

int64_t Siamese::embedding_size() const {
  return std::visit([](const auto& encoder) { return encoder.embedding_size(); }, encoder_);
}

int64_t Siamese::trained_size() const {
  return std::visit([](const auto& encoder) { return encoder.trained_size(); }, encoder_);
}

at::Tensor Siamese::encode(const at::Tensor& spectrograms, const Pass& pass) {
  return std::visit([&](auto& encoder) { return encoder.forward(spectrograms, pass); }, encoder_);
}

std::optional<at::Tensor> Siamese::frozen_output(const at::Tensor& spectrograms, const Poll& poll) const {
  const auto* yamnet = std::get_if<YamnetEncoder>(&encoder_);
  if (yamnet == nullptr || !yamnet->is_frozen()) return std::nullopt;
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = poll};
  return yamnet->frozen_output(spectrograms, device_, pass).cpu();
}

at::Tensor Siamese::pair_logits(const at::Tensor& a, const at::Tensor& b) const {
  if (!head_) throw ParameterError("head", "none", "'dense': only a dense head gives P(same class)");
  const at::Tensor distance = embedding_distance(a, b, options_.distance);
  return head_->forward(is_scalar(options_.distance) ? distance.unsqueeze(-1) : distance).squeeze(-1);
}

at::Tensor Siamese::pair_distances(const at::Tensor& a, const at::Tensor& b) const {
  if (head_) throw ParameterError("head", "'dense'", "none: a dense head gives P(same class), not a distance");
  return embedding_distance(a, b, options_.distance);
}

void Siamese::add_classifier(int64_t num_classes, ClassifierKind kind) {
  if (num_classes < 1) throw ParameterError("num_classes", std::to_string(num_classes), "1 or more");
  classifier_.emplace(trained_size(), num_classes, kind, initial_weights_);
  for (const auto& [name, tensor] : classifier_->parameters()) tensor.set_data(tensor.to(device_));
}

at::Tensor Siamese::classifier_logits(const at::Tensor& embeddings) const {
  if (!classifier_) throw ParameterError("classifier", "none", "a network with a classification layer");
  return classifier_->forward(embeddings.narrow(-1, 0, trained_size()));
}

at::Tensor Siamese::embed(const at::Tensor& spectrograms, const Poll& poll) {
  if (!calibration_) return embed_blocks(spectrograms, kNoShift, nullptr, poll);
  return embed_blocks(spectrograms, to_shifts(calibration_->shifts), &*calibration_, poll);
}

at::Tensor Siamese::embed_shifted(const at::Tensor& spectrograms, std::span<const Shift> shifts, const Poll& poll) {
  if (shifts.empty()) throw ParameterError("shifts", "none", "one or more");
  return embed_blocks(spectrograms, shifts, nullptr, poll);
}

at::Tensor Siamese::encode_shifted(const at::Tensor& spectrograms, std::span<const Shift> shifts, const Pass& pass) {
  at::Tensor mean = encode(shifted(spectrograms, shifts.front()), pass);
  for (const Shift& shift : shifts.subspan(1)) mean = mean + encode(shifted(spectrograms, shift), pass);
  return shifts.size() == 1 ? mean : mean / static_cast<double>(shifts.size());
}

at::Tensor Siamese::embed_blocks(const at::Tensor& spectrograms, std::span<const Shift> shifts,
                                 const Calibration* calibration, const Poll& poll) {
  const at::NoGradGuard no_grad;
  const int64_t num_clips = spectrograms.size(0);
  at::Tensor embeddings = at::empty({num_clips, embedding_size()}, at::kFloat);
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = poll, .workspace = embed_workspace_};
  const int64_t most = device_.is_cuda() ? kCudaEmbedBlock : kEmbedBlock;
  for (int64_t start = 0; start < num_clips; start += most) {
    const int64_t size = std::min(most, num_clips - start);
    const at::Tensor block = encode_shifted(spectrograms.narrow(0, start, size).to(device_), shifts, pass);
    embeddings.narrow(0, start, size).copy_(calibration == nullptr ? block : calibrate(block, *calibration));
  }
  return embeddings;
}

at::Tensor Siamese::similarity(const at::Tensor& a, const at::Tensor& b, const Poll& poll) const {
  const at::NoGradGuard no_grad;
  std::optional<AllPairLogits> pairs;
  if (head_ && !calibration_) {
    const NamedTensors head = head_->parameters();
    pairs.emplace(b.to(device_), options_.distance, head[0].second, head[1].second);
  }
  const bool is_cosine = calibration_ || options_.distance == Distance::kCosine;
  const Metric metric = is_cosine ? Metric::kCosine : Metric::kEuclidean;
  const at::Tensor right = pairs ? at::Tensor() : b.to(device_, at::kDouble);
  at::Tensor similarities = at::empty({a.size(0), b.size(0)}, at::kFloat);
  const int64_t block_rows = std::max<int64_t>(1, kSimilarityBlockValues / std::max<int64_t>(1, b.size(0)));
  for (int64_t start = 0; start < a.size(0); start += block_rows) {
    const int64_t rows = std::min(block_rows, a.size(0) - start);
    const at::Tensor left = a.narrow(0, start, rows).to(device_);
    similarities.narrow(0, start, rows)
        .copy_(pairs ? pairs->logits(left).sigmoid_() : metric_similarity(left, right, metric));
    if (poll) poll();
  }
  return similarities;
}

at::Tensor Siamese::similarity_to(const at::Tensor& spectrograms, const at::Tensor& embedding, const Poll& poll) {
  const at::AutoGradMode with_gradients(spectrograms.requires_grad());
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = poll, .workspace = embed_workspace_};
  const at::Tensor other = embedding.to(device_);
  if (calibration_) {
    const Calibration calibration = *calibration_;
    const at::Tensor encoded = encode_shifted(spectrograms, to_shifts(calibration.shifts), pass);
    return (l2_normalize(calibrate(encoded, calibration)) * l2_normalize(other)).sum(-1);
  }
  const at::Tensor encoded = encode(spectrograms, pass);
  if (head_) return pair_logits(encoded, other).sigmoid();
  const at::Tensor distances = pair_distances(encoded, other);
  return options_.distance == Distance::kCosine ? 1 - distances : -distances;
}

void Siamese::set_calibration(const Calibration& calibration) {
  const int64_t dim = embedding_size();
  if (calibration.power.dim() != 0 || calibration.mean.sizes() != at::IntArrayRef({dim}) ||
      calibration.matrix.sizes() != at::IntArrayRef({dim, dim}))
    throw ParameterError("calibration", "one for embeddings of another size",
                         "a power (), a mean (" + std::to_string(dim) + ",) and a matrix (" + std::to_string(dim) +
                             ", " + std::to_string(dim) + ")");
  if (calibration.shifts.dim() != 2 || calibration.shifts.size(0) < 1 || calibration.shifts.size(1) != 2)
    throw ParameterError("calibration", "shifts of another shape", "(one or more, 2): bands and frames");
  // The caller's memory may go.
  const auto copied = [&](const at::Tensor& x) {
    return x.to(device_, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  };
  calibration_ = {.power = copied(calibration.power),
                  .mean = copied(calibration.mean),
                  .matrix = copied(calibration.matrix),
                  .shifts = copied(calibration.shifts)};
}

NamedTensors Siamese::parameters() const {
  NamedTensors all;
  append(all, "encoder", std::visit([](const auto& encoder) { return encoder.parameters(); }, encoder_));
  if (head_) append(all, "head", head_->parameters());
  if (classifier_) append(all, "classifier", classifier_->parameters());
  return all;
}

NamedTensors Siamese::weights() const {
  NamedTensors all = parameters();
  append(all, "encoder", std::visit([](const auto& encoder) { return encoder.buffers(); }, encoder_));
  if (calibration_)
    append(all, "calibration",
           {{"power", calibration_->power},
            {"mean", calibration_->mean},
            {"matrix", calibration_->matrix},
            {"shifts", calibration_->shifts}});
  return all;
}

void Siamese::set_weights(const NamedTensors& values) { copy_values(weights(), values, "weights"); }

std::vector<LayerInfo> Siamese::layers() const {
  std::vector<LayerInfo> all =
      std::visit([&](const auto& encoder) { return encoder.layers(device_.type()); }, encoder_);
  for (LayerInfo& layer : all) layer.name = "encoder." + layer.name;
  if (head_) all.push_back(head_->layer("head"));
  if (classifier_) all.push_back(classifier_->layer("classifier"));
  return all;
}

void Siamese::to(at::Device target) {
  if (target == device_) return;
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : weights()) {
    if (tensor.scalar_type() == at::kLong) continue;  // counters stay on the CPU
    tensor.set_data(tensor.to(target));
  }
  device_ = target;
}

}  // namespace siamaudio
