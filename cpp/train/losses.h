// Losses: tensors of one batch in, a scalar tensor out, on the device and in the precision of what comes in. None of
// them waits for the device but where it says so, and none yields a gradient that is not finite from finite input.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <variant>

namespace siamaudio {

// ---- Of pairs. `is_same` is 1 for pairs of one class, else 0; the weights add up to 1. All (pairs,), floating.

enum class PairLoss {
  kBinaryCrossEntropy,  ///< -y log p - (1 - y) log(1 - p)
  kMeanSquaredError,    ///< (p - y)²
};

/// Weighted sum over pairs of the loss of p = sigmoid(logit).
at::Tensor pair_loss(const at::Tensor& logits, const at::Tensor& is_same, const at::Tensor& weights, PairLoss loss);

/// Weights that add up to 1, in which all positives : all negatives are 1 : negative_ratio, whatever their numbers; the
/// share of a kind that is absent is lost. `is_same` (pairs,) floating.
at::Tensor balanced_pair_weights(const at::Tensor& is_same, double negative_ratio);

/// For BinaryCrossentropy and MeanSquaredError of P(same class).
struct BinaryCrossentropyOptions {
  double weight = 1;  ///< in the sum of losses
};
struct MeanSquaredErrorOptions {
  double weight = 1;  ///< in the sum of losses
};

/// Lloret 2019, figure 5.9, with D the Euclidean distance of two embeddings.
enum class ContrastiveForm {
  kA,  ///< D² for one class, max(0, margin - D)² for two (Hadsell, Chopra and LeCun 2006)
  kB,  ///< D² for one class, max(0, margin - D²) for two
  kC,  ///< -log(1 - D / N) for one class, -log(D / N) for two; N: numbers of an embedding; no margin
};

/// "a", "b" or "c". Throws ParameterError.
ContrastiveForm parse_contrastive_form(const std::string& name);

struct ContrastiveOptions {
  double weight = 1;  ///< in the sum of losses
  double margin = 1;  ///< > 0: distance from which two classes are far enough apart
  ContrastiveForm form = ContrastiveForm::kA;
};

/// left, right: embeddings (pairs, dim). Form c is made for embeddings in [0, 1]; its logarithms stop at 1e-7.
at::Tensor contrastive_loss(const at::Tensor& left, const at::Tensor& right, const at::Tensor& is_same,
                            const at::Tensor& weights, const ContrastiveOptions& options);

// ---- Of triplets: mean of max(0, D(anchor, positive) - D(anchor, negative) + margin).

enum class TripletDistance {
  kEuclidean,         ///< Lloret 2019; Hermans, Beyer and Leibe 2017
  kSquaredEuclidean,  ///< FaceNet (Schroff, Kalenichenko and Philbin 2015)
};

/// "euclidean" or "squared". Throws ParameterError.
TripletDistance parse_triplet_distance(const std::string& name);

/// Which triplets of a batch count.
enum class Mining {
  kGiven,     ///< those that the batch lists
  kAll,       ///< all that its labels allow (Hermans's "batch all")
  kHard,      ///< for each anchor its farthest positive and nearest negative (Hermans's "batch hard")
  kSemiHard,  ///< for each anchor and positive the nearest negative beyond the positive; where there is none, the
              ///< farthest negative (FaceNet)
};

/// "given", "all", "hard" or "semi-hard". Throws ParameterError.
Mining parse_mining(const std::string& name);

struct TripletOptions {
  double weight = 1;  ///< in the sum of losses
  double margin = 1;  ///< > 0, in units of the distance
  TripletDistance distance = TripletDistance::kEuclidean;
  Mining mining = Mining::kGiven;
};

/// Embeddings (triplets, dim) each; 0 for no triplets. For kGiven.
at::Tensor triplet_loss(const at::Tensor& anchors, const at::Tensor& positives, const at::Tensor& negatives,
                        const TripletOptions& options);

/// embeddings (clips, dim), labels (clips,) int64; 0 where no triplet can be formed. For all minings but kGiven; all
/// but kHard wait for the device.
at::Tensor mined_triplet_loss(const at::Tensor& embeddings, const at::Tensor& labels, const TripletOptions& options);

// ---- Of classes. Logits and cosines are (clips, classes).

/// What the clips are: of class labels[i], or, after mixup, by `share` of labels[i] and by the rest of
/// other_labels[i]; the loss is then the two labels' losses in these shares.
struct ClassTargets {
  at::Tensor labels;          ///< (clips,) int64
  at::Tensor other_labels{};  ///< (clips,) int64; undefined: no mixup
  at::Tensor share{};         ///< (clips,) or a scalar, floating, in [0, 1]; undefined: no mixup
};

struct CrossEntropyOptions {
  double weight = 1;           ///< in the sum of losses
  double label_smoothing = 0;  ///< [0, 1): share of the target spread evenly over all classes
};

/// Mean cross-entropy of the softmax of the logits.
at::Tensor cross_entropy_loss(const at::Tensor& logits, const ClassTargets& targets,
                              const CrossEntropyOptions& options);

struct CosineSoftmaxOptions {
  double weight = 1;  ///< in the sum of losses
  double scale = 30;  ///< > 0: what the cosines are multiplied by
};

/// Mean cross-entropy of the softmax of scale × cosine (NormFace; Wang et al. 2017).
at::Tensor cosine_softmax_loss(const at::Tensor& cosines, const ClassTargets& targets,
                               const CosineSoftmaxOptions& options);

struct ArcFaceOptions {
  double weight = 1;    ///< in the sum of losses
  double scale = 30;    ///< > 0: what the cosines are multiplied by
  double margin = 0.5;  ///< [0, π), radians added to the angle to the clip's own class
};

/// ArcFace (Deng et al. 2019): the cosine of the own class, cos θ, becomes cos(θ + margin). Beyond θ = π - margin,
/// where that would rise again, it goes on as cos θ - 1 + cos(margin), which falls and meets it at π - margin.
at::Tensor arcface_loss(const at::Tensor& cosines, const ClassTargets& targets, const ArcFaceOptions& options);

// ---- Of embeddings (clips, dim) with labels (clips,) int64.

struct PrototypicalOptions {
  double weight = 1;  ///< in the sum of losses
};

/// Snell, Swersky and Zemel 2017: the first num_support embeddings make a mean a class; mean cross-entropy of the
/// others by the softmax of minus the squared Euclidean distances to the means. A query whose class has no support
/// counts nothing. Waits for the device.
at::Tensor prototypical_loss(const at::Tensor& embeddings, const at::Tensor& labels, int64_t num_support);

struct SupervisedContrastiveOptions {
  double weight = 1;         ///< in the sum of losses
  double temperature = 0.1;  ///< > 0
};

/// Khosla et al. 2020, L_out, on embeddings made unit vectors here: mean over the clips that share their class with
/// another one; 0 where none does. With two clips a class it is NT-Xent (Chen et al. 2020).
at::Tensor supervised_contrastive_loss(const at::Tensor& embeddings, const at::Tensor& labels,
                                       const SupervisedContrastiveOptions& options);

/// The class memory of Lloret 2019, section 5.3.3; see train/class_memory.h.
enum class MemorySchedule {
  kText,  ///< the new mean counts 1 - e / E in epoch e of E: much first, little later
  kCode,  ///< the new mean counts e / E
};

/// "text" or "code". Throws ParameterError.
MemorySchedule parse_memory_schedule(const std::string& name);

struct ClassMemoryOptions {
  double weight = 0.01;  ///< in the sum of losses
  MemorySchedule schedule = MemorySchedule::kText;
};

// ---- Any of them

using LossOptions = std::variant<BinaryCrossentropyOptions, MeanSquaredErrorOptions, ContrastiveOptions, TripletOptions,
                                 CrossEntropyOptions, CosineSoftmaxOptions, ArcFaceOptions, ClassMemoryOptions,
                                 PrototypicalOptions, SupervisedContrastiveOptions>;

/// Throws ParameterError where a number is out of its range.
void check(const LossOptions& options);

/// Its weight in the sum of losses.
double loss_weight(const LossOptions& options);

/// Whether the embeddings (clips, dim) of two or more different clips have become one, so that nothing can be learned
/// from them any more: none is farther from their mean than 1e-4 of the mean's length. The cosines of any two are then
/// 1 to float32's precision, their squared distances below 1e-7 of their squared lengths; a triplet loss stands at its
/// margin. False for a single clip, and where an embedding is not finite. Waits for the device.
bool has_collapsed(const at::Tensor& embeddings);

}  // namespace siamaudio
