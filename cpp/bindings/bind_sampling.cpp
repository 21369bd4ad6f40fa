#include <pybind11/stl.h>

#include "bindings/core_module.h"
#include "bindings/tensors.h"
#include "train/sampling.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

/// (clips, num_sides, pairs (n, 2), is_same (n,), triplets (n, 3), num_support).
py::tuple to_tuple(const Batch& batch) {
  auto pairs = new_array<int64_t>({std::ssize(batch.pairs), 2});
  auto is_same = new_array<bool>({std::ssize(batch.pairs)});
  for (size_t i = 0; i < batch.pairs.size(); ++i) {
    pairs.mutable_at(i, 0) = batch.pairs[i].left;
    pairs.mutable_at(i, 1) = batch.pairs[i].right;
    is_same.mutable_at(i) = batch.pairs[i].is_same;
  }
  auto triplets = new_array<int64_t>({std::ssize(batch.triplets), 3});
  for (size_t i = 0; i < batch.triplets.size(); ++i) {
    triplets.mutable_at(i, 0) = batch.triplets[i].anchor;
    triplets.mutable_at(i, 1) = batch.triplets[i].positive;
    triplets.mutable_at(i, 2) = batch.triplets[i].negative;
  }
  return py::make_tuple(to_array(batch.clips), batch.num_sides, pairs, is_same, triplets, batch.num_support);
}

}  // namespace

void bind_sampling(py::module_& module) {
  py::class_<HonkaPairsOptions>(module, "HonkaPairsOptions")
      .def(py::init([](int64_t batch_size, double negative_ratio) {
             return HonkaPairsOptions{.batch_size = batch_size, .negative_ratio = negative_ratio};
           }),
           py::kw_only(), py::arg("batch_size"), py::arg("negative_ratio"));
  py::class_<AnchorPairsOptions>(module, "AnchorPairsOptions")
      .def(py::init([](int64_t num_positive, int64_t num_negative, int64_t steps_per_epoch) {
             return AnchorPairsOptions{
                 .num_positive = num_positive, .num_negative = num_negative, .steps_per_epoch = steps_per_epoch};
           }),
           py::kw_only(), py::arg("num_positive"), py::arg("num_negative"), py::arg("steps_per_epoch"));
  py::class_<RandomPairsOptions>(module, "RandomPairsOptions")
      .def(py::init([](int64_t batch_size, int64_t num_positive, int64_t num_negative) {
             return RandomPairsOptions{
                 .batch_size = batch_size, .num_positive = num_positive, .num_negative = num_negative};
           }),
           py::kw_only(), py::arg("batch_size"), py::arg("num_positive"), py::arg("num_negative"));
  py::class_<RandomTripletsOptions>(module, "RandomTripletsOptions")
      .def(py::init([](int64_t batch_size, int64_t triplets_per_anchor) {
             return RandomTripletsOptions{.batch_size = batch_size, .triplets_per_anchor = triplets_per_anchor};
           }),
           py::kw_only(), py::arg("batch_size"), py::arg("triplets_per_anchor"));
  py::class_<BalancedOptions>(module, "BalancedOptions")
      .def(py::init([](int64_t batch_size, int64_t clips_per_class, double negative_ratio) {
             return BalancedOptions{
                 .batch_size = batch_size, .clips_per_class = clips_per_class, .negative_ratio = negative_ratio};
           }),
           py::kw_only(), py::arg("batch_size"), py::arg("clips_per_class"), py::arg("negative_ratio"));
  py::class_<ShuffledOptions>(module, "ShuffledOptions")
      .def(py::init([](int64_t batch_size) { return ShuffledOptions{.batch_size = batch_size}; }), py::kw_only(),
           py::arg("batch_size"));
  py::class_<EpisodesOptions>(module, "EpisodesOptions")
      .def(py::init([](int64_t ways, int64_t shots, int64_t queries, int64_t episodes_per_epoch) {
             return EpisodesOptions{
                 .ways = ways, .shots = shots, .queries = queries, .episodes_per_epoch = episodes_per_epoch};
           }),
           py::kw_only(), py::arg("ways"), py::arg("shots"), py::arg("queries"), py::arg("episodes_per_epoch"));

  module.def(
      "plan_epoch",
      [](const SamplerOptions& sampler, const ArrayOf<int64_t>& labels, int64_t num_classes, uint64_t seed,
         uint64_t epoch) {
        std::vector<Batch> batches;
        {
          const py::gil_scoped_release release;
          Random random(seed, epoch);
          batches =
              plan_epoch(sampler, std::span(labels.data(), static_cast<size_t>(labels.size())), num_classes, random);
        }
        py::list tuples;
        for (const Batch& batch : batches) tuples.append(to_tuple(batch));
        return tuples;
      },
      py::arg("sampler"), py::kw_only(), py::arg("labels"), py::arg("num_classes"), py::arg("seed"), py::arg("epoch"),
      "Each batch as (clips, num_sides, pairs (n, 2), is_same (n,), triplets (n, 3), num_support).");
}

}  // namespace siamaudio
