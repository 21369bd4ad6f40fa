#include "train/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/triu_indices.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/errors.h"
#include "train/upload.h"

namespace siamaudio {
namespace {

template <typename... Options, typename Variant>
bool is_any_of(const Variant& options) {
  return (std::holds_alternative<Options>(options) || ...);
}

bool trains_head(const LossOptions& loss) {
  return is_any_of<BinaryCrossentropyOptions, MeanSquaredErrorOptions>(loss);
}

bool is_of_pairs(const LossOptions& loss) { return trains_head(loss) || is_any_of<ContrastiveOptions>(loss); }

bool is_of_classes(const LossOptions& loss) {
  return is_any_of<CrossEntropyOptions, CosineSoftmaxOptions, ArcFaceOptions>(loss);
}

bool embeds_once(const SamplerOptions& sampler) {
  return is_any_of<BalancedOptions, ShuffledOptions, EpisodesOptions>(sampler);
}

void check_batches(const LossOptions& loss, const SamplerOptions& sampler) {
  const auto require = [](bool holds, const char* needs) {
    if (!holds) throw ParameterError("sampler", "one that does not go with the loss", needs);
  };
  const auto* triplet = std::get_if<TripletOptions>(&loss);
  if (is_of_pairs(loss))
    require(!is_any_of<RandomTripletsOptions>(sampler), "a sampler of pairs or of single clips for a loss of pairs");
  if (triplet && triplet->mining == Mining::kGiven)
    require(is_any_of<RandomTripletsOptions>(sampler), "RandomTriplets, or a triplet loss that mines its own triplets");
  if (triplet && triplet->mining != Mining::kGiven)
    require(embeds_once(sampler), "Balanced for a triplet loss that mines its own triplets");
  if (is_any_of<PrototypicalOptions>(loss)) require(is_any_of<EpisodesOptions>(sampler), "Episodes for this loss");
  if (is_any_of<SupervisedContrastiveOptions>(loss)) require(embeds_once(sampler), "Balanced for this loss");
}

struct ComparedPairs {
  at::Tensor left;     ///< (pairs,) positions
  at::Tensor right;    ///< (pairs,)
  at::Tensor is_same;  ///< (pairs,) float32
  at::Tensor weights;  ///< (pairs,) float32, adding up to 1
};

/// The pairs that the batch lists, all of one weight; or all pairs of its clips.
ComparedPairs compared_pairs(const Batch& batch, const at::Tensor& labels, double negative_ratio) {
  ComparedPairs pairs;
  if (batch.pairs.empty()) {
    const int64_t num_clips = labels.size(0);
    const at::Tensor all = at::triu_indices(num_clips, num_clips, 1, labels.options());
    pairs.left = all[0];
    pairs.right = all[1];
    pairs.is_same = labels.index_select(0, pairs.left).eq(labels.index_select(0, pairs.right)).to(at::kFloat);
    pairs.weights = balanced_pair_weights(pairs.is_same, negative_ratio);
    return pairs;
  }
  std::vector<int64_t> left;
  std::vector<int64_t> right;
  std::vector<float> is_same;
  for (const Pair& pair : batch.pairs) {
    left.push_back(pair.left);
    right.push_back(pair.right);
    is_same.push_back(pair.is_same ? 1.0F : 0.0F);
  }
  pairs.left = upload(at::tensor(left, at::kLong), labels.device());
  pairs.right = upload(at::tensor(right, at::kLong), labels.device());
  pairs.is_same = upload(at::tensor(is_same, at::kFloat), labels.device());
  pairs.weights = at::full_like(pairs.is_same, 1 / static_cast<double>(batch.pairs.size()));
  return pairs;
}

at::Tensor listed_triplets(const TripletOptions& options, const at::Tensor& embeddings, const Batch& batch) {
  const auto select = [&](int64_t Triplet::* role) {
    std::vector<int64_t> positions;
    for (const Triplet& triplet : batch.triplets) positions.push_back(triplet.*role);
    return embeddings.index_select(0, upload(at::tensor(positions, at::kLong), embeddings.device()));
  };
  return triplet_loss(select(&Triplet::anchor), select(&Triplet::positive), select(&Triplet::negative), options);
}

ClassTargets class_targets(const at::Tensor& labels, const Augmented& mixed) {
  ClassTargets targets;
  targets.labels = labels;
  if (mixed.permutation.defined()) {
    targets.other_labels = labels.index_select(0, mixed.permutation);
    targets.share = at::scalar_tensor(mixed.weight, at::TensorOptions(at::kFloat).device(labels.device()));
  }
  return targets;
}

}  // namespace

void check_objective(const std::vector<LossOptions>& losses, const SamplerOptions& sampler,
                     const std::vector<AugmentOptions>& augment, const Siamese& network) {
  if (losses.empty()) throw ParameterError("loss", "none", "one or more losses");
  for (const LossOptions& loss : losses) {
    check(loss);
    check_batches(loss, sampler);
  }
  const bool has_mixup = std::ranges::any_of(augment, [](const auto& each) { return is_any_of<MixupOptions>(each); });
  if (has_mixup && !std::ranges::all_of(losses, is_of_classes))
    throw ParameterError("augment", "Mixup", "Mixup only where every loss is one of classes, such as CrossEntropy");
  const bool is_head_trained = std::ranges::any_of(losses, trains_head);
  if (is_head_trained && !network.has_head())
    throw ParameterError(
        "head", "None", "'dense' for a loss of P(same class); or a loss of embeddings, such as Contrastive or Triplet");
  if (!is_head_trained && network.has_head())
    throw ParameterError("head", "'dense'",
                         "None, with distance 'euclidean' or 'cosine', for losses that would leave a head untrained");
  classifier_kind(losses);
}

std::optional<ClassifierKind> classifier_kind(const std::vector<LossOptions>& losses) {
  const bool is_linear =
      std::ranges::any_of(losses, [](const auto& each) { return is_any_of<CrossEntropyOptions>(each); });
  const bool is_cosine = std::ranges::any_of(
      losses, [](const auto& each) { return is_any_of<CosineSoftmaxOptions, ArcFaceOptions>(each); });
  if (is_linear && is_cosine)
    throw ParameterError("loss", "CrossEntropy beside one of cosines", "losses that train the same kind of classifier");
  if (is_linear) return ClassifierKind::kLinear;
  if (is_cosine) return ClassifierKind::kCosine;
  return std::nullopt;
}

Objective::Objective(std::vector<LossOptions> losses, double negative_ratio, const Siamese& network,
                     int64_t num_classes)
    : losses_(std::move(losses)), negative_ratio_(negative_ratio) {
  const auto is_memory = [](const auto& each) { return is_any_of<ClassMemoryOptions>(each); };
  if (std::ranges::any_of(losses_, is_memory))
    memory_.emplace(num_classes, network.trained_size(), at::TensorOptions(at::kFloat).device(network.device()));
}

Objective::Value Objective::operator()(const Siamese& network, const at::Tensor& embeddings, const at::Tensor& labels,
                                       const Batch& batch, const Augmented& mixed) const {
  Value value;
  std::optional<ComparedPairs> pairs;
  if (std::ranges::any_of(losses_, is_of_pairs)) {
    pairs = compared_pairs(batch, labels, negative_ratio_);
    value.num_compared = pairs->left.numel();
  } else {
    value.num_compared = static_cast<int64_t>(batch.triplets.size());
  }
  std::optional<at::Tensor> logits;
  if (std::ranges::any_of(losses_, is_of_classes)) logits = network.classifier_logits(embeddings);
  const ClassTargets targets = class_targets(labels, mixed);
  const auto num_sides = static_cast<double>(batch.num_sides);
  const auto head_loss = [&](PairLoss kind) {
    return pair_loss(
        network.pair_logits(embeddings.index_select(0, pairs->left), embeddings.index_select(0, pairs->right)),
        pairs->is_same, pairs->weights, kind);
  };

  for (const LossOptions& loss : losses_) {
    const at::Tensor term = std::visit(
        [&](const auto& options) -> at::Tensor {
          using Options = std::decay_t<decltype(options)>;
          if constexpr (std::is_same_v<Options, BinaryCrossentropyOptions>)
            return head_loss(PairLoss::kBinaryCrossEntropy);
          else if constexpr (std::is_same_v<Options, MeanSquaredErrorOptions>)
            return head_loss(PairLoss::kMeanSquaredError);
          else if constexpr (std::is_same_v<Options, ContrastiveOptions>)
            return contrastive_loss(embeddings.index_select(0, pairs->left), embeddings.index_select(0, pairs->right),
                                    pairs->is_same, pairs->weights, options);
          else if constexpr (std::is_same_v<Options, TripletOptions>)
            return options.mining == Mining::kGiven ? listed_triplets(options, embeddings, batch)
                                                    : mined_triplet_loss(embeddings, labels, options);
          // Each side has its own loss of classes and of memory, as the published networks have; these are means over
          // all clips.
          else if constexpr (std::is_same_v<Options, CrossEntropyOptions>)
            return cross_entropy_loss(*logits, targets, options) * num_sides;
          else if constexpr (std::is_same_v<Options, CosineSoftmaxOptions>)
            return cosine_softmax_loss(*logits, targets, options) * num_sides;
          else if constexpr (std::is_same_v<Options, ArcFaceOptions>)
            return arcface_loss(*logits, targets, options) * num_sides;
          else if constexpr (std::is_same_v<Options, ClassMemoryOptions>)
            return memory_->loss(embeddings, labels) * num_sides;
          else if constexpr (std::is_same_v<Options, PrototypicalOptions>)
            return prototypical_loss(embeddings, labels, batch.num_support);
          else
            return supervised_contrastive_loss(embeddings, labels, options);
        },
        loss);
    const at::Tensor weighted = loss_weight(loss) == 1 ? term : term * loss_weight(loss);
    value.loss = value.loss.defined() ? value.loss + weighted : weighted;
  }
  return value;
}

void Objective::update_memory(const at::Tensor& embeddings, const at::Tensor& labels, int64_t epoch,
                              int64_t num_epochs) {
  if (!memory_) return;
  for (const LossOptions& loss : losses_)
    if (const auto* options = std::get_if<ClassMemoryOptions>(&loss))
      memory_->update(embeddings, labels, options->schedule, epoch, num_epochs);
}

}  // namespace siamaudio
