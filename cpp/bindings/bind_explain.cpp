#include <pybind11/stl.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "bindings/arrays.h"
#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "bindings/tensors.h"
#include "model/device.h"
#include "score/explain.h"
#include "score/replacement.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

constexpr auto kReportInterval = std::chrono::milliseconds(100);

at::Tensor as_tensor(const ArrayOf<int64_t>& array) {
  const std::vector<int64_t> shape(array.shape(), array.shape() + array.ndim());
  return at::from_blob(const_cast<int64_t*>(array.data()), shape, at::kLong);
}

WorkListener python_listener(const py::function& on_progress) {
  return {.poll = signal_poll(),
          .on_progress = [&on_progress, last = std::chrono::steady_clock::time_point{}](int64_t done,
                                                                                        int64_t total) mutable {
            const auto now = std::chrono::steady_clock::now();
            if (now - last < kReportInterval && done < total) return;
            last = now;
            call_python([&] { on_progress(done, total); });
          }};
}

/// Runs `work` without the GIL on so many threads.
template <typename Work>
auto without_gil(int num_threads, const Work& work) {
  const py::gil_scoped_release release;
  const ThreadCount threads(num_threads);
  return work();
}

py::list to_arrays(const std::vector<std::vector<double>>& rows) {
  py::list arrays;
  for (const auto& row : rows) arrays.append(to_array(row));
  return arrays;
}

}  // namespace

void bind_explain(py::module_& module) {
  module.def(
      "draw_coalitions",
      [](int64_t num_segments, int64_t alpha, double beta, bool are_shared, uint64_t seed) {
        if (num_segments < 1) throw ParameterError("num_segments", std::to_string(num_segments), "1 or more");
        Coalitions drawn =
            draw_coalitions(num_segments, {.alpha = alpha, .beta = beta, .are_shared = are_shared}, seed);
        return py::make_tuple(to_array(std::move(drawn.members), {drawn.num_sets, num_segments}),
                              to_array(std::move(drawn.of_segment), {num_segments, alpha}));
      },
      py::arg("num_segments"), py::kw_only(), py::arg("alpha"), py::arg("beta"), py::arg("are_shared"), py::arg("seed"),
      "The different sets (sets, segments) of bytes, and those of each segment (segments, alpha).");

  module.def(
      "replacement_values",
      [](const ArrayOf<float>& spectrograms, const ArrayOf<int64_t>& segments, const std::string& replacement,
         const std::vector<float>& levels, uint64_t seed) {
        return to_array(replacement_values(as_tensor(spectrograms), as_tensor(segments), parse_replacement(replacement),
                                           levels, seed));
      },
      py::arg("spectrograms"), py::kw_only(), py::arg("segments"), py::arg("replacement"), py::arg("levels"),
      py::arg("seed"),
      "(clips, channels, bands, frames), (clips, bands, frames) -> what takes each pixel's place, of the first shape.");

  py::class_<SupportExplainer>(module, "SupportExplainer", "One query and its supports.")
      .def(py::init([](Siamese& network, const ArrayOf<float>& query, const ArrayOf<float>& supports,
                       const ArrayOf<float>& fills, int num_threads) {
             return without_gil(num_threads, [&] {
               // The supports and fills are kept, and the caller's memory may go.
               return std::make_unique<SupportExplainer>(network, as_tensor(query), as_tensor(supports).clone(),
                                                         as_tensor(fills).clone(), signal_poll());
             });
           }),
           py::arg("network"), py::kw_only(), py::arg("query"), py::arg("supports"), py::arg("fills"),
           py::arg("num_threads"), py::keep_alive<1, 2>(),
           "query: (channels, bands, frames); supports and fills: (supports, channels, bands, frames).")
      .def_property_readonly(
          "similarities", [](const SupportExplainer& self) { return to_array(self.similarities()); },
          "Of the query and each support as it is.")
      .def(
          "kept_similarities",
          [](const SupportExplainer& self, int64_t support, const ArrayOf<int64_t>& segments,
             const ArrayOf<uint8_t>& kept, int num_threads, const py::function& on_progress) {
            const std::vector<uint8_t> sets(kept.data(), kept.data() + kept.size());
            const int64_t num_segments = kept.shape(1);
            return to_array(without_gil(num_threads, [&] {
              return self.kept_similarities(support, as_tensor(segments), sets, num_segments,
                                            python_listener(on_progress));
            }));
          },
          py::arg("support"), py::kw_only(), py::arg("segments"), py::arg("kept"), py::arg("num_threads"),
          py::arg("on_progress"), "Sets (sets, segments) of bytes -> similarities with these segments alone.")
      .def(
          "sinex",
          [](const SupportExplainer& self, const ArrayOf<int64_t>& segments, const std::string& replaced,
             int num_threads, const py::function& on_progress) {
            return to_arrays(without_gil(num_threads, [&] {
              return self.sinex(as_tensor(segments), parse_replaced(replaced), python_listener(on_progress));
            }));
          },
          py::arg("segments"), py::kw_only(), py::arg("replaced"), py::arg("num_threads"), py::arg("on_progress"),
          "Segments (supports, bands, frames) -> a list of contributions (segments,).")
      .def(
          "sinexc",
          [](const SupportExplainer& self, const ArrayOf<int64_t>& segments, const std::string& replaced, int64_t alpha,
             double beta, bool are_shared, uint64_t seed, int num_threads, const py::function& on_progress) {
            return to_arrays(without_gil(num_threads, [&] {
              return self.sinexc(as_tensor(segments), parse_replaced(replaced),
                                 {.alpha = alpha, .beta = beta, .are_shared = are_shared}, seed,
                                 python_listener(on_progress));
            }));
          },
          py::arg("segments"), py::kw_only(), py::arg("replaced"), py::arg("alpha"), py::arg("beta"),
          py::arg("are_shared"), py::arg("seed"), py::arg("num_threads"), py::arg("on_progress"),
          "Segments (supports, bands, frames) -> a list of contributions (segments,).")
      .def(
          "rise",
          [](const SupportExplainer& self, int64_t num_masks, int64_t rows, int64_t columns, double keep, uint64_t seed,
             int num_threads, const py::function& on_progress) {
            return to_array(without_gil(num_threads, [&] {
              return self.rise({.num_masks = num_masks, .rows = rows, .columns = columns, .keep = keep, .seed = seed},
                               python_listener(on_progress));
            }));
          },
          py::kw_only(), py::arg("num_masks"), py::arg("rows"), py::arg("columns"), py::arg("keep"), py::arg("seed"),
          py::arg("num_threads"), py::arg("on_progress"), "-> (supports, bands, frames)")
      .def(
          "occlusion",
          [](const SupportExplainer& self, int64_t height, int64_t width, int64_t row_step, int64_t column_step,
             int num_threads, const py::function& on_progress) {
            return to_array(without_gil(num_threads, [&] {
              return self.occlusion(
                  {.height = height, .width = width, .row_step = row_step, .column_step = column_step},
                  python_listener(on_progress));
            }));
          },
          py::kw_only(), py::arg("height"), py::arg("width"), py::arg("row_step"), py::arg("column_step"),
          py::arg("num_threads"), py::arg("on_progress"), "-> (supports, bands, frames)")
      .def(
          "gradient_times_input",
          [](const SupportExplainer& self, int num_threads, const py::function& on_progress) {
            return to_array(
                without_gil(num_threads, [&] { return self.gradient_times_input(python_listener(on_progress)); }));
          },
          py::kw_only(), py::arg("num_threads"), py::arg("on_progress"), "-> (supports, bands, frames)")
      .def(
          "integrated_gradients",
          [](const SupportExplainer& self, int64_t steps, int num_threads, const py::function& on_progress) {
            return to_array(without_gil(
                num_threads, [&] { return self.integrated_gradients(steps, python_listener(on_progress)); }));
          },
          py::kw_only(), py::arg("steps"), py::arg("num_threads"), py::arg("on_progress"),
          "-> (supports, bands, frames)");
}

}  // namespace siamaudio
