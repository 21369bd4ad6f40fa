#include "score/coalitions.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/errors.h"
#include "base/random.h"

namespace siamaudio {
namespace {

using Set = std::string;  // a byte a segment

bool happens(Random& random, double chance) {
  constexpr int64_t kRange = int64_t{1} << 53;
  return static_cast<double>(random.below(kRange)) < chance * static_cast<double>(kRange);
}

/// Keeps sets that are equal once.
class Collection {
 public:
  explicit Collection(int64_t num_segments) { all_.num_segments = num_segments; }

  int64_t index_of(const Set& set) {
    const auto [place, is_new] = indices_.try_emplace(set, all_.num_sets);
    if (is_new) {
      all_.members.insert(all_.members.end(), set.begin(), set.end());
      ++all_.num_sets;
    }
    return place->second;
  }

  void add_for_segment(int64_t index) { all_.of_segment.push_back(index); }
  Coalitions take() { return std::move(all_); }

 private:
  Coalitions all_;
  std::unordered_map<Set, int64_t> indices_;
};

Coalitions draw_separate(int64_t num_segments, const CoalitionOptions& options, Random& random) {
  Collection collection(num_segments);
  const auto size = static_cast<size_t>(num_segments);
  for (size_t segment = 0; segment < size; ++segment) {
    for (int64_t draw = 0; draw < options.alpha; ++draw) {
      Set set(size, 0);
      for (size_t other = 0; other < size; ++other) set[other] = other == segment || happens(random, options.beta);
      collection.add_for_segment(collection.index_of(set));
    }
  }
  return collection.take();
}

Coalitions draw_shared(int64_t num_segments, int64_t num_draws, const CoalitionOptions& options, Random& random) {
  const auto size = static_cast<size_t>(num_segments);
  std::vector<Set> sets(static_cast<size_t>(num_draws), Set(size, 0));
  std::vector<size_t> order(sets.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto alpha = static_cast<size_t>(options.alpha);
  std::vector<size_t> chosen;
  for (size_t segment = 0; segment < size; ++segment) {
    random.shuffle(order);
    for (size_t i = 0; i < alpha; ++i) {
      sets[order[i]][segment] = 1;
      chosen.push_back(order[i]);
    }
  }
  Collection collection(num_segments);
  for (const size_t draw : chosen) collection.add_for_segment(collection.index_of(sets[draw]));
  return collection.take();
}

}  // namespace

Coalitions single_segments(int64_t num_segments) {
  Collection collection(num_segments);
  for (int64_t segment = 0; segment < num_segments; ++segment) {
    Set set(static_cast<size_t>(num_segments), 0);
    set[static_cast<size_t>(segment)] = 1;
    collection.add_for_segment(collection.index_of(set));
  }
  return collection.take();
}

Coalitions draw_coalitions(int64_t num_segments, const CoalitionOptions& options, uint64_t seed) {
  if (options.alpha < 1) throw ParameterError("alpha", std::to_string(options.alpha), "1 or more");
  if (!(options.beta >= 0 && options.beta <= 1)) throw ParameterError("beta", std::to_string(options.beta), "0 to 1");
  Random random(seed);
  if (!options.are_shared || options.beta * static_cast<double>(num_segments) < 1)
    return draw_separate(num_segments, options, random);
  const auto num_draws = static_cast<int64_t>(std::llround(static_cast<double>(options.alpha) / options.beta));
  return draw_shared(num_segments, std::max(num_draws, options.alpha), options, random);
}

}  // namespace siamaudio
