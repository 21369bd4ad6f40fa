// The errors that the core throws. Each is worded for the user; the bindings turn it into the Python class of that
// name.
#pragma once

#include <stdexcept>
#include <string>

namespace siamaudio {

/// A parameter has a value that is not accepted: "NAME: got RECEIVED; accepted: ACCEPTED".
class ParameterError : public std::invalid_argument {
 public:
  ParameterError(std::string name, std::string value, std::string accepted_values)
      : std::invalid_argument(name + ": got " + value + "; accepted: " + accepted_values),
        parameter(std::move(name)),
        received(std::move(value)),
        accepted(std::move(accepted_values)) {}

  const std::string parameter;
  const std::string received;
  const std::string accepted;
};

/// An audio file cannot be read.
class AudioError : public std::runtime_error {
 public:
  AudioError(std::string file, std::string why)
      : std::runtime_error(file + ": " + why), path(std::move(file)), reason(std::move(why)) {}

  const std::string path;
  const std::string reason;
};

/// Training cannot go on.
class TrainingError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace siamaudio
