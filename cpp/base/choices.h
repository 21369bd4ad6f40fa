// Words that name the values of an enumeration.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "base/errors.h"

namespace siamaudio {

/// Each value with its word, as a user writes it.
template <typename Value, size_t size>
using Choices = std::array<std::pair<const char*, Value>, size>;

/// The value that `word` names. Throws ParameterError, which lists the words, for `parameter`.
template <typename Value, size_t size>
Value parse_choice(const char* parameter, const std::string& word, const Choices<Value, size>& choices) {
  std::string accepted;
  for (size_t i = 0; i < size; ++i) {
    if (word == choices[i].first) return choices[i].second;
    accepted += (i == 0 ? "'" : i + 1 < size ? ", '" : " or '") + std::string(choices[i].first) + "'";
  }
  throw ParameterError(parameter, word, accepted);
}

/// The word for `value`.
template <typename Value, size_t size>
std::string choice_word(Value value, const Choices<Value, size>& choices) {
  for (const auto& [word, named] : choices)
    if (named == value) return word;
  return {};
}

}  // namespace siamaudio
