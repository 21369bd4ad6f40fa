// Loops that are unrolled by the language: their indices are constants, so that small arrays of registers stay there.
#pragma once

#include <utility>

namespace siamaudio {

/// body.operator()<0>(), ..., body.operator()<N - 1>(). The body's type makes each of these functions the caller's own.
template <int N, typename Body>
[[gnu::always_inline]] inline void unrolled(const Body& body) {
  [&]<int... I>(std::integer_sequence<int, I...> /*indices*/)
      __attribute__((always_inline)) { (body.template operator()<I>(), ...); }(std::make_integer_sequence<int, N>{});
}

}  // namespace siamaudio
