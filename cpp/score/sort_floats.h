// Sorting by float keys without comparing them.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace siamaudio {

/// A number that belongs to a float.
struct Keyed {
  float key;
  int32_t value;
};

/// Sorts by rising key, equal keys in their order; 0 and -0 are equal, NaN has no place. Three passes of 11 bits each:
/// for thousands of entries several times as fast as comparing.
inline void sort_by_key(std::vector<Keyed>& entries, std::vector<Keyed>& scratch) {
  constexpr int kBits = 11;
  constexpr uint32_t kMask = (1U << kBits) - 1;
  // Integers in the order of the floats: the sign bit flipped, of negative numbers all bits. -0 + 0 is 0.
  const auto ordered = [](float key) {
    const auto bits = std::bit_cast<uint32_t>(key + 0.0F);
    return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  };
  std::array<std::array<uint32_t, kMask + 1>, 3> starts{};
  for (const Keyed& entry : entries) {
    const uint32_t digits = ordered(entry.key);
    for (size_t pass = 0; pass < starts.size(); ++pass) ++starts[pass][digits >> (kBits * pass) & kMask];
  }
  scratch.resize(entries.size());
  for (size_t pass = 0; pass < starts.size(); ++pass) {
    uint32_t sum = 0;
    for (uint32_t& start : starts[pass]) {
      const uint32_t count = start;
      start = sum;
      sum += count;
    }
    for (const Keyed& entry : entries) scratch[starts[pass][ordered(entry.key) >> (kBits * pass) & kMask]++] = entry;
    entries.swap(scratch);
  }
}

}  // namespace siamaudio
