// What trainings tell to Python and take from it: reports, and states to go on from.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "train/training_loop.h"

namespace siamaudio {

/// Progress and tensors, as on_checkpoint gets them.
using SavedState = std::pair<pybind11::dict, std::map<std::string, pybind11::array>>;

/// Throws ParameterError for arrays of types that no tensor of a training has.
std::optional<TrainingState> state_from(const std::optional<SavedState>& given);

/// Steps are told to Python every 100 ms at most, epochs and checkpoints always. on_step(epoch, step, num_steps, loss);
/// on_epoch(describe(report)) -> whether to go on; on_checkpoint(progress, tensors). The functions outlive it.
FitListener python_listener(const pybind11::function& on_step, const pybind11::function& on_epoch,
                            const std::optional<pybind11::function>& on_checkpoint,
                            pybind11::dict (*describe)(const EpochReport&));

}  // namespace siamaudio
