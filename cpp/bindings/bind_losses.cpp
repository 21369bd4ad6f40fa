#include "bindings/core_module.h"
#include "train/losses.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

template <typename Options>
Options checked(const Options& options) {
  check(LossOptions(options));
  return options;
}

}  // namespace

void bind_losses(py::module_& module) {
  py::class_<BinaryCrossentropyOptions>(module, "BinaryCrossentropyOptions")
      .def(py::init([](double weight) { return checked(BinaryCrossentropyOptions{.weight = weight}); }), py::kw_only(),
           py::arg("weight"));
  py::class_<MeanSquaredErrorOptions>(module, "MeanSquaredErrorOptions")
      .def(py::init([](double weight) { return checked(MeanSquaredErrorOptions{.weight = weight}); }), py::kw_only(),
           py::arg("weight"));
  py::class_<ContrastiveOptions>(module, "ContrastiveOptions")
      .def(py::init([](double margin, const std::string& form, double weight) {
             return checked(
                 ContrastiveOptions{.weight = weight, .margin = margin, .form = parse_contrastive_form(form)});
           }),
           py::kw_only(), py::arg("margin"), py::arg("form"), py::arg("weight"));
  py::class_<TripletOptions>(module, "TripletOptions")
      .def(py::init([](double margin, const std::string& distance, const std::string& mining, double weight) {
             return checked(TripletOptions{.weight = weight,
                                           .margin = margin,
                                           .distance = parse_triplet_distance(distance),
                                           .mining = parse_mining(mining)});
           }),
           py::kw_only(), py::arg("margin"), py::arg("distance"), py::arg("mining"), py::arg("weight"));
  py::class_<CrossEntropyOptions>(module, "CrossEntropyOptions")
      .def(py::init([](double label_smoothing, double weight) {
             return checked(CrossEntropyOptions{.weight = weight, .label_smoothing = label_smoothing});
           }),
           py::kw_only(), py::arg("label_smoothing"), py::arg("weight"));
  py::class_<CosineSoftmaxOptions>(module, "CosineSoftmaxOptions")
      .def(py::init([](double scale, double weight) {
             return checked(CosineSoftmaxOptions{.weight = weight, .scale = scale});
           }),
           py::kw_only(), py::arg("scale"), py::arg("weight"));
  py::class_<ArcFaceOptions>(module, "ArcFaceOptions")
      .def(py::init([](double scale, double margin, double weight) {
             return checked(ArcFaceOptions{.weight = weight, .scale = scale, .margin = margin});
           }),
           py::kw_only(), py::arg("scale"), py::arg("margin"), py::arg("weight"));
  py::class_<ClassMemoryOptions>(module, "ClassMemoryOptions")
      .def(py::init([](const std::string& schedule, double weight) {
             return checked(ClassMemoryOptions{.weight = weight, .schedule = parse_memory_schedule(schedule)});
           }),
           py::kw_only(), py::arg("schedule"), py::arg("weight"));
  py::class_<PrototypicalOptions>(module, "PrototypicalOptions")
      .def(py::init([](double weight) { return checked(PrototypicalOptions{.weight = weight}); }), py::kw_only(),
           py::arg("weight"));
  py::class_<SupervisedContrastiveOptions>(module, "SupervisedContrastiveOptions")
      .def(py::init([](double temperature, double weight) {
             return checked(SupervisedContrastiveOptions{.weight = weight, .temperature = temperature});
           }),
           py::kw_only(), py::arg("temperature"), py::arg("weight"));
}

}  // namespace siamaudio
