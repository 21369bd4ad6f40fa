// One function per file of cpp/model, cpp/score and cpp/train that has something to show to Python.
#pragma once

#include <pybind11/pybind11.h>

namespace siamaudio {

void bind_augment(pybind11::module_& module);
void bind_calibration(pybind11::module_& module);
void bind_device(pybind11::module_& module);
void bind_distance(pybind11::module_& module);
void bind_encoder(pybind11::module_& module);
void bind_fewshot(pybind11::module_& module);
void bind_losses(pybind11::module_& module);
void bind_nearest(pybind11::module_& module);
void bind_oneshot(pybind11::module_& module);
void bind_optimizers(pybind11::module_& module);
void bind_retrieval(pybind11::module_& module);
void bind_sampling(pybind11::module_& module);
void bind_siamese(pybind11::module_& module);
void bind_trainer(pybind11::module_& module);

}  // namespace siamaudio
