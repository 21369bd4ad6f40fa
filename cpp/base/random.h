// Random numbers that are the same on every platform, from an explicit seed.
#pragma once

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace siamaudio {

/// The seed of one of many independent streams of a seed, as for the epochs of a training or the steps of its dropout:
/// the SplitMix64 finaliser (Steele et al. 2014) spreads neighbouring seeds and streams apart.
constexpr uint64_t stream_seed(uint64_t seed, uint64_t stream) {
  const auto mix = [](uint64_t value) {
    value += 0x9E3779B97F4A7C15U;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31);
  };
  return mix(mix(seed) ^ stream);
}

/// The standard library fixes the Mersenne Twister's output but not that of its distributions and shuffle, so the
/// integers and permutations drawn from it are made here.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  /// A stream of a seed.
  Random(uint64_t seed, uint64_t stream) : Random(stream_seed(seed, stream)) {}

  /// Uniform in [0, bound), bound > 0. Numbers past the last whole multiple of bound are drawn again: no bias.
  int64_t below(int64_t bound) {
    const auto range = static_cast<uint64_t>(bound);
    const uint64_t rejected = (0 - range) % range;  // 2^64 mod range
    uint64_t draw = engine_();
    while (draw < rejected) draw = engine_();
    return static_cast<int64_t>(draw % range);
  }

  /// Fisher–Yates.
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (auto i = static_cast<int64_t>(values.size()) - 1; i > 0; --i)
      std::swap(values[static_cast<size_t>(i)], values[static_cast<size_t>(below(i + 1))]);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace siamaudio
