#include "train/losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_unique2.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/errors.h"

namespace siamaudio {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kByDifferences = 2;  // cdist: from differences; products lose small distances to rounding

/// (..., dim) -> (...). Its gradient is 0 where a and b are equal.
at::Tensor euclidean(const at::Tensor& a, const at::Tensor& b) { return at::linalg_vector_norm(a - b, 2, {-1}); }

/// (n, dim), (m, dim) -> (n, m), with a gradient of 0 where two are equal.
at::Tensor euclidean_matrix(const at::Tensor& a, const at::Tensor& b) { return at::cdist(a, b, 2, kByDifferences); }

at::Tensor apply(TripletDistance kind, const at::Tensor& euclidean_distance) {
  return kind == TripletDistance::kEuclidean ? euclidean_distance : euclidean_distance.square();
}

/// Sum over the true elements divided by their number; 0 where there are none.
at::Tensor mean_where(const at::Tensor& is_counted, const at::Tensor& values) {
  const at::Tensor count = is_counted.sum().clamp_min(1).to(values.scalar_type());
  return at::where(is_counted, values, 0).sum() / count;
}

/// (clips, clips): whether two clips are of one class.
at::Tensor same_class(const at::Tensor& labels) { return labels.unsqueeze(1).eq(labels.unsqueeze(0)); }

/// (clips, clips): whether two are different clips of one class.
at::Tensor positives_of(const at::Tensor& same) {
  return same.logical_and(at::eye(same.size(0), same.options()).logical_not());
}

/// The mean of loss_of(labels), or with mixup that of both labels' losses in their shares. loss_of(labels) (clips,).
template <typename LossOf>
at::Tensor mixed(const ClassTargets& targets, const LossOf& loss_of) {
  const at::Tensor own = loss_of(targets.labels);
  if (!targets.other_labels.defined()) return own.mean();
  return (targets.share * own + (1 - targets.share) * loss_of(targets.other_labels)).mean();
}

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels, double label_smoothing = 0) {
  return at::cross_entropy_loss(logits, labels, {}, at::Reduction::None, /*ignore_index=*/-100, label_smoothing);
}

}  // namespace

// ---- Pairs

at::Tensor pair_loss(const at::Tensor& logits, const at::Tensor& is_same, const at::Tensor& weights, PairLoss loss) {
  if (loss == PairLoss::kBinaryCrossEntropy)
    return at::binary_cross_entropy_with_logits(logits, is_same, weights, {}, at::Reduction::Sum);
  return ((logits.sigmoid() - is_same).square() * weights).sum();
}

at::Tensor balanced_pair_weights(const at::Tensor& is_same, double negative_ratio) {
  const at::Tensor num_same = is_same.sum().clamp_min(1);
  const at::Tensor num_different = (1 - is_same).sum().clamp_min(1);
  const double share_same = 1 / (1 + negative_ratio);
  return is_same * (share_same / num_same) + (1 - is_same) * ((1 - share_same) / num_different);
}

ContrastiveForm parse_contrastive_form(const std::string& name) {
  if (name == "a") return ContrastiveForm::kA;
  if (name == "b") return ContrastiveForm::kB;
  if (name == "c") return ContrastiveForm::kC;
  throw ParameterError("form", name, "'a', 'b' or 'c'");
}

at::Tensor contrastive_loss(const at::Tensor& left, const at::Tensor& right, const at::Tensor& is_same,
                            const at::Tensor& weights, const ContrastiveOptions& options) {
  at::Tensor of_same;
  at::Tensor of_different;
  switch (options.form) {
    case ContrastiveForm::kA:
      of_same = (left - right).square().sum(-1);
      of_different = (options.margin - euclidean(left, right)).clamp_min(0).square();
      break;
    case ContrastiveForm::kB:
      of_same = (left - right).square().sum(-1);
      of_different = (options.margin - of_same).clamp_min(0);
      break;
    case ContrastiveForm::kC: {
      constexpr double kSmallest = 1e-7;  // Keras's epsilon; below it the gradient is 0
      const at::Tensor share = euclidean(left, right) / static_cast<double>(left.size(-1));
      of_same = -(1 - share).clamp_min(kSmallest).log();
      of_different = -share.clamp_min(kSmallest).log();
      break;
    }
  }
  return ((is_same * of_same + (1 - is_same) * of_different) * weights).sum();
}

// ---- Triplets

TripletDistance parse_triplet_distance(const std::string& name) {
  if (name == "euclidean") return TripletDistance::kEuclidean;
  if (name == "squared") return TripletDistance::kSquaredEuclidean;
  throw ParameterError("distance", name, "'euclidean' or 'squared'");
}

Mining parse_mining(const std::string& name) {
  if (name == "given") return Mining::kGiven;
  if (name == "all") return Mining::kAll;
  if (name == "hard") return Mining::kHard;
  if (name == "semi-hard") return Mining::kSemiHard;
  throw ParameterError("mining", name, "'given', 'all', 'hard' or 'semi-hard'");
}

at::Tensor triplet_loss(const at::Tensor& anchors, const at::Tensor& positives, const at::Tensor& negatives,
                        const TripletOptions& options) {
  const at::Tensor near = apply(options.distance, euclidean(anchors, positives));
  const at::Tensor far = apply(options.distance, euclidean(anchors, negatives));
  const auto count = static_cast<double>(std::max<int64_t>(anchors.size(0), 1));
  return (near - far + options.margin).clamp_min(0).sum() / count;
}

at::Tensor mined_triplet_loss(const at::Tensor& embeddings, const at::Tensor& labels, const TripletOptions& options) {
  const at::Tensor distances = apply(options.distance, euclidean_matrix(embeddings, embeddings));
  const at::Tensor plain = distances.detach();  // to choose by
  const at::Tensor same = same_class(labels);
  const at::Tensor is_positive = positives_of(same);

  if (options.mining == Mining::kHard) {
    const at::Tensor farthest = plain.masked_fill(is_positive.logical_not(), -1).argmax(1, /*keepdim=*/true);
    const at::Tensor nearest = plain.masked_fill(same, kInfinity).argmin(1, /*keepdim=*/true);
    const at::Tensor hinge =
        (distances.gather(1, farthest) - distances.gather(1, nearest) + options.margin).clamp_min(0);
    return mean_where(is_positive.any(1).logical_and(same.logical_not().any(1)), hinge.squeeze(1));
  }

  // A row for each anchor with a positive: the distance of the two, and those of the anchor to all clips.
  const at::Tensor pairs = is_positive.nonzero();
  const at::Tensor anchors = pairs.select(1, 0);
  const at::Tensor rows = distances.index_select(0, anchors);
  const at::Tensor near = rows.gather(1, pairs.narrow(1, 1, 1));
  const at::Tensor is_negative = same.logical_not().index_select(0, anchors);
  if (options.mining == Mining::kAll) return mean_where(is_negative, (near - rows + options.margin).clamp_min(0));

  const at::Tensor plain_rows = rows.detach();
  const at::Tensor is_beyond = is_negative.logical_and(plain_rows.gt(near.detach()));
  const at::Tensor nearest_beyond = plain_rows.masked_fill(is_beyond.logical_not(), kInfinity).argmin(1, true);
  const at::Tensor farthest = plain_rows.masked_fill(is_negative.logical_not(), -1).argmax(1, true);
  const at::Tensor chosen = at::where(is_beyond.any(1, true), nearest_beyond, farthest);
  const at::Tensor hinge = (near - rows.gather(1, chosen) + options.margin).clamp_min(0);
  return mean_where(is_negative.any(1), hinge.squeeze(1));
}

// ---- Classes

at::Tensor cross_entropy_loss(const at::Tensor& logits, const ClassTargets& targets,
                              const CrossEntropyOptions& options) {
  return mixed(targets,
               [&](const at::Tensor& labels) { return cross_entropy(logits, labels, options.label_smoothing); });
}

at::Tensor cosine_softmax_loss(const at::Tensor& cosines, const ClassTargets& targets,
                               const CosineSoftmaxOptions& options) {
  const at::Tensor logits = cosines * options.scale;
  return mixed(targets, [&](const at::Tensor& labels) { return cross_entropy(logits, labels); });
}

at::Tensor arcface_loss(const at::Tensor& cosines, const ClassTargets& targets, const ArcFaceOptions& options) {
  constexpr double kSmallest = 1e-6;  // of sin²: the slope of the sine is infinite at 0
  const double cos_margin = std::cos(options.margin);
  const at::Tensor sines = (1 - cosines.square()).clamp_min(kSmallest).sqrt();
  const at::Tensor shifted = cosines * cos_margin - sines * std::sin(options.margin);
  const at::Tensor own = at::where(cosines.gt(-cos_margin), shifted, cosines - (1 - cos_margin));
  const at::Tensor classes = at::arange(cosines.size(1), targets.labels.options());
  return mixed(targets, [&](const at::Tensor& labels) {
    const at::Tensor is_own = labels.unsqueeze(1).eq(classes);
    return cross_entropy(at::where(is_own, own, cosines) * options.scale, labels);
  });
}

// ---- Embeddings

at::Tensor prototypical_loss(const at::Tensor& embeddings, const at::Tensor& labels, int64_t num_support) {
  if (num_support < 1 || num_support >= embeddings.size(0))
    throw ParameterError("num_support", std::to_string(num_support),
                         "1 to " + std::to_string(embeddings.size(0) - 1) + ", one or more queries being left");
  const int64_t num_queries = embeddings.size(0) - num_support;
  const at::Tensor support_labels = labels.narrow(0, 0, num_support);
  const at::Tensor classes = std::get<0>(at::_unique2(support_labels));
  const at::Tensor members = classes.unsqueeze(1).eq(support_labels).to(embeddings.scalar_type());
  const at::Tensor prototypes = (members / members.sum(1, true)).matmul(embeddings.narrow(0, 0, num_support));

  const at::Tensor is_own = labels.narrow(0, num_support, num_queries).unsqueeze(1).eq(classes);
  const at::Tensor distances = euclidean_matrix(embeddings.narrow(0, num_support, num_queries), prototypes);
  return mean_where(is_own, -at::log_softmax(-distances.square(), 1));
}

at::Tensor supervised_contrastive_loss(const at::Tensor& embeddings, const at::Tensor& labels,
                                       const SupervisedContrastiveOptions& options) {
  constexpr double kSmallestLength = 1e-12;
  const at::Tensor lengths = at::linalg_vector_norm(embeddings, 2, {1}, /*keepdim=*/true).clamp_min(kSmallestLength);
  const at::Tensor units = embeddings / lengths;
  const at::Tensor same = same_class(labels);
  const at::Tensor is_self = at::eye(labels.size(0), same.options());
  const at::Tensor logits = (units.matmul(units.t()) / options.temperature).masked_fill(is_self, -kInfinity);
  const at::Tensor log_shares = logits - at::logsumexp(logits, {1}, /*keepdim=*/true);

  const at::Tensor is_positive = positives_of(same);
  const at::Tensor counts = is_positive.sum(1);
  const at::Tensor sums = at::where(is_positive, log_shares, 0).sum(1);
  return mean_where(counts.gt(0), -sums / counts.clamp_min(1));
}

MemorySchedule parse_memory_schedule(const std::string& name) {
  if (name == "text") return MemorySchedule::kText;
  if (name == "code") return MemorySchedule::kCode;
  throw ParameterError("schedule", name, "'text' or 'code'");
}

// ---- Any of them

namespace {

void require(bool holds, const char* name, double value, const char* accepted) {
  if (!holds) throw ParameterError(name, std::to_string(value), accepted);
}

void require_positive(const char* name, double value) {
  require(value > 0 && std::isfinite(value), name, value, "a finite number above 0");
}

// Each is found by the type of its argument; the templates are those without numbers of their own.
template <typename Options>
void check_own(const Options&) {}

void check_own(const ContrastiveOptions& options) { require_positive("margin", options.margin); }
void check_own(const TripletOptions& options) { require_positive("margin", options.margin); }

void check_own(const CrossEntropyOptions& options) {
  require(options.label_smoothing >= 0 && options.label_smoothing < 1, "label_smoothing", options.label_smoothing,
          "0 or more, below 1");
}

void check_own(const CosineSoftmaxOptions& options) { require_positive("scale", options.scale); }

void check_own(const ArcFaceOptions& options) {
  require_positive("scale", options.scale);
  require(options.margin >= 0 && options.margin < std::numbers::pi, "margin", options.margin,
          "0 or more radians, below pi");
}

void check_own(const SupervisedContrastiveOptions& options) { require_positive("temperature", options.temperature); }

}  // namespace

void check(const LossOptions& options) {
  std::visit(
      [](const auto& own) {
        require_positive("weight", own.weight);
        check_own(own);
      },
      options);
}

double loss_weight(const LossOptions& options) {
  return std::visit([](const auto& own) { return own.weight; }, options);
}

bool has_collapsed(const at::Tensor& embeddings) {
  constexpr double kTolerance = 1e-4;
  if (embeddings.size(0) < 2) return false;
  const at::Tensor values = embeddings.detach().to(at::kDouble);
  const at::Tensor mean = values.mean(0, /*keepdim=*/true);
  const at::Tensor spread = at::linalg_vector_norm(values - mean, 2, {1}).max();
  return spread.le(at::linalg_vector_norm(mean, 2) * kTolerance).item<bool>();
}

}  // namespace siamaudio
