#include "score/explain.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/choices.h"
#include "base/errors.h"
#include "base/random.h"

namespace siamaudio {
namespace {

constexpr int64_t kPerturbedBlock = 128;  // perturbed supports that are made at a time
constexpr int64_t kGradientBlock = 4;     // supports whose activations are kept for the way back

/// (channels, height, width) -> (1, channels, height, width), as embed() takes it.
at::Tensor as_batch(const at::Tensor& spectrogram) { return spectrogram.unsqueeze(0); }

int64_t count_segments(const at::Tensor& segments) { return segments.max().item<int64_t>() + 1; }

/// Pixels of each segment.
std::vector<int64_t> count_pixels(const at::Tensor& segments, int64_t num_segments) {
  const at::Tensor labels = segments.contiguous();
  std::vector<int64_t> counts(static_cast<size_t>(num_segments));
  const int64_t* data = labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < labels.numel(); ++i) ++counts[static_cast<size_t>(data[i])];
  return counts;
}

/// The weights (length,) of the nodes around each pixel, the first node `offset` pixels before pixel 0.
struct Interpolation {
  Interpolation(int64_t length, int64_t spacing, int64_t offset) {
    for (int64_t pixel = 0; pixel < length; ++pixel) {
      left.push_back(static_cast<size_t>((pixel + offset) / spacing));
      right_share.push_back(static_cast<float>((pixel + offset) % spacing) / static_cast<float>(spacing));
    }
  }

  std::vector<size_t> left;  // the node at or before a pixel
  std::vector<float> right_share;
};

/// One mask of RISE into (height, width): bilinear between random cells, moved by a random part of a cell.
void draw_mask(const RiseOptions& options, uint64_t index, int64_t height, int64_t width, float* mask) {
  Random random(options.seed, index);
  const int64_t cell_height = (height + options.rows - 1) / options.rows;
  const int64_t cell_width = (width + options.columns - 1) / options.columns;
  const auto columns = static_cast<size_t>(options.columns + 2);
  std::vector<float> nodes(static_cast<size_t>(options.rows + 2) * columns);
  constexpr int64_t kRange = int64_t{1} << 53;
  for (float& node : nodes)
    node = static_cast<double>(random.below(kRange)) < options.keep * static_cast<double>(kRange) ? 1.0F : 0.0F;
  const Interpolation down(height, cell_height, random.below(cell_height));
  const Interpolation across(width, cell_width, random.below(cell_width));
  for (size_t row = 0; row < static_cast<size_t>(height); ++row) {
    const float* above = &nodes[down.left[row] * columns];
    const float* below = above + columns;
    for (size_t column = 0; column < static_cast<size_t>(width); ++column) {
      const size_t left = across.left[column];
      const float share = across.right_share[column];
      const float upper = above[left] + share * (above[left + 1] - above[left]);
      const float lower = below[left] + share * (below[left + 1] - below[left]);
      *mask++ = upper + down.right_share[row] * (lower - upper);
    }
  }
}

/// Where windows begin: every `step` pixels, the last one ending with the axis.
std::vector<int64_t> window_starts(int64_t length, int64_t size, int64_t step) {
  std::vector<int64_t> starts;
  for (int64_t start = 0; start + size < length; start += step) starts.push_back(start);
  starts.push_back(length - size);
  return starts;
}

void check_at_least_one(const char* name, int64_t value) {
  if (value < 1) throw ParameterError(name, std::to_string(value), "1 or more");
}

}  // namespace

Replaced parse_replaced(const std::string& name) {
  constexpr Choices<Replaced, 2> kReplaced{{{"members", Replaced::kMembers}, {"others", Replaced::kOthers}}};
  return parse_choice("replaced", name, kReplaced);
}

/// How far the work is.
class SupportExplainer::Progress {
 public:
  Progress(int64_t total, const WorkListener& listener) : total_(total), listener_(&listener) {}

  const Poll& poll() const { return listener_->poll; }

  void add(int64_t passes) {
    done_ += passes;
    if (listener_->on_progress) listener_->on_progress(done_, total_);
  }

 private:
  int64_t done_ = 0;
  int64_t total_;
  const WorkListener* listener_;
};

SupportExplainer::SupportExplainer(Siamese& network, const at::Tensor& query, const at::Tensor& supports,
                                   const at::Tensor& fills, const Poll& poll)
    : network_(&network) {
  if (supports.dim() != 4 || supports.size(0) == 0 || supports.sizes() != fills.sizes() || query.dim() != 3)
    throw ParameterError("supports", "spectrograms of other shapes",
                         "one query (channels, height, width), one or more supports and their replacement, both "
                         "(supports, channels, height, width)");
  query_embedding_ = network.embed(as_batch(query), poll);
  const at::Tensor embeddings = network.embed(supports, poll);
  const at::Tensor similarities = network.similarity(embeddings, query_embedding_, poll).contiguous();
  const auto* data = similarities.const_data_ptr<float>();
  similarities_.assign(data, data + supports.size(0));
  supports_ = supports.to(network.device());
  fills_ = fills.to(network.device());
}

std::vector<double> SupportExplainer::perturbed_similarities(int64_t count, const Perturb& perturb,
                                                             Progress& progress) const {
  std::vector<double> similarities;
  similarities.reserve(static_cast<size_t>(count));
  for (int64_t first = 0; first < count; first += kPerturbedBlock) {
    const int64_t size = std::min(kPerturbedBlock, count - first);
    const at::Tensor embeddings = network_->embed(perturb(first, size), progress.poll());
    const at::Tensor block = network_->similarity(embeddings, query_embedding_, {}).contiguous();
    const auto* data = block.const_data_ptr<float>();
    similarities.insert(similarities.end(), data, data + size);
    progress.add(size);
  }
  return similarities;
}

std::vector<double> SupportExplainer::set_similarities(int64_t support, const at::Tensor& segments,
                                                       const std::vector<uint8_t>& kept, int64_t num_segments,
                                                       Progress& progress) const {
  const at::Tensor own = supports_.select(0, support);
  const at::Tensor fill = fills_.select(0, support);
  const at::Tensor labels = segments.reshape({-1}).to(own.device());
  const int64_t num_sets = static_cast<int64_t>(kept.size()) / num_segments;
  const auto perturb = [&](int64_t first, int64_t count) {
    const at::Tensor sets =
        at::from_blob(const_cast<uint8_t*>(kept.data()) + first * num_segments, {count, num_segments}, at::kByte);
    const at::Tensor mask = sets.to(own.device(), at::kBool).index_select(1, labels);
    return at::where(mask.view({count, 1, own.size(1), own.size(2)}), own, fill);
  };
  return perturbed_similarities(num_sets, perturb, progress);
}

void SupportExplainer::check_segments(const at::Tensor& segments, bool are_of_one_support) const {
  const int64_t offset = are_of_one_support ? 0 : 1;
  const bool fits = segments.dim() == 2 + offset && (are_of_one_support || segments.size(0) == num_supports()) &&
                    segments.size(offset) == supports_.size(2) && segments.size(offset + 1) == supports_.size(3);
  if (!fits)
    throw ParameterError("segments", "an array of another shape",
                         "a segment's number for each of the " + std::to_string(supports_.size(2)) + " x " +
                             std::to_string(supports_.size(3)) + " pixels of a support");
  if (segments.min().item<int64_t>() < 0) throw ParameterError("segments", "a negative number", "numbers from 0");
}

std::vector<double> SupportExplainer::kept_similarities(int64_t support, const at::Tensor& segments,
                                                        const std::vector<uint8_t>& kept, int64_t num_segments,
                                                        const WorkListener& listener) const {
  check_segments(segments, /*are_of_one_support=*/true);
  if (support < 0 || support >= num_supports())
    throw ParameterError("support", std::to_string(support), "0 to " + std::to_string(num_supports() - 1));
  if (num_segments < count_segments(segments) || kept.size() % static_cast<size_t>(num_segments) != 0)
    throw ParameterError("kept", "sets of " + std::to_string(num_segments) + " segments",
                         "sets of all " + std::to_string(count_segments(segments)));
  std::vector<uint8_t> distinct;
  std::vector<size_t> rows;
  std::unordered_map<std::string_view, size_t> known;
  const auto size = static_cast<size_t>(num_segments);
  for (size_t start = 0; start < kept.size(); start += size) {
    const std::string_view set(reinterpret_cast<const char*>(kept.data()) + start, size);
    const auto [place, is_new] = known.try_emplace(set, known.size());
    if (is_new) distinct.insert(distinct.end(), set.begin(), set.end());
    rows.push_back(place->second);
  }
  Progress progress(static_cast<int64_t>(known.size()), listener);
  const std::vector<double> of_distinct = set_similarities(support, segments, distinct, num_segments, progress);
  std::vector<double> similarities;
  similarities.reserve(rows.size());
  for (const size_t row : rows) similarities.push_back(of_distinct[row]);
  return similarities;
}

std::vector<std::vector<double>> SupportExplainer::contributions(
    const at::Tensor& segments, Replaced replaced, const std::function<Coalitions(int64_t num_segments)>& draw,
    const WorkListener& listener) const {
  check_segments(segments, /*are_of_one_support=*/false);
  std::vector<Coalitions> all;
  int64_t num_passes = 0;
  for (int64_t support = 0; support < num_supports(); ++support) {
    all.push_back(draw(count_segments(segments.select(0, support))));
    num_passes += all.back().num_sets;
  }
  Progress progress(num_passes, listener);
  std::vector<std::vector<double>> values;
  for (int64_t support = 0; support < num_supports(); ++support) {
    const Coalitions& coalitions = all[static_cast<size_t>(support)];
    const auto num_segments = static_cast<size_t>(coalitions.num_segments);
    const at::Tensor own = segments.select(0, support);
    std::vector<uint8_t> kept = coalitions.members;
    if (replaced == Replaced::kMembers)
      for (uint8_t& is_kept : kept) is_kept ^= 1;
    const std::vector<double> perturbed = set_similarities(support, own, kept, coalitions.num_segments, progress);

    const std::vector<int64_t> pixels = count_pixels(own, coalitions.num_segments);
    std::vector<double> of_set;  // what each set adds to the mean of its segments
    for (size_t set = 0; set < perturbed.size(); ++set) {
      int64_t num_active = 0;
      for (size_t i = 0; i < num_segments; ++i)
        if (coalitions.members[set * num_segments + i] != 0) num_active += pixels[i];
      const double lost = similarities_[static_cast<size_t>(support)] - perturbed[set];
      of_set.push_back((replaced == Replaced::kMembers ? lost : -lost) / static_cast<double>(num_active));
    }
    std::vector<double> own_values(num_segments);
    const size_t alpha = coalitions.of_segment.size() / num_segments;
    for (size_t i = 0; i < coalitions.of_segment.size(); ++i)
      own_values[i / alpha] += of_set[static_cast<size_t>(coalitions.of_segment[i])] / static_cast<double>(alpha);
    values.push_back(std::move(own_values));
  }
  return values;
}

std::vector<std::vector<double>> SupportExplainer::sinex(const at::Tensor& segments, Replaced replaced,
                                                         const WorkListener& listener) const {
  return contributions(segments, replaced, single_segments, listener);
}

std::vector<std::vector<double>> SupportExplainer::sinexc(const at::Tensor& segments, Replaced replaced,
                                                          const CoalitionOptions& options, uint64_t seed,
                                                          const WorkListener& listener) const {
  const auto draw = [&](int64_t num_segments) { return draw_coalitions(num_segments, options, seed); };
  return contributions(segments, replaced, draw, listener);
}

at::Tensor SupportExplainer::rise(const RiseOptions& options, const WorkListener& listener) const {
  check_at_least_one("num_masks", options.num_masks);
  check_at_least_one("rows", options.rows);
  check_at_least_one("columns", options.columns);
  if (!(options.keep > 0 && options.keep < 1))
    throw ParameterError("keep", std::to_string(options.keep), "a number between 0 and 1");
  const int64_t height = supports_.size(2);
  const int64_t width = supports_.size(3);
  const auto masks_of = [&](int64_t first, int64_t count) {
    at::Tensor masks = at::empty({count, 1, height, width}, at::kFloat);
    auto* data = masks.mutable_data_ptr<float>();
    for (int64_t i = 0; i < count; ++i)
      draw_mask(options, static_cast<uint64_t>(first + i), height, width, data + i * height * width);
    return masks;
  };
  Progress progress(options.num_masks * num_supports(), listener);
  at::Tensor maps = at::zeros({num_supports(), height, width}, at::kDouble);
  at::Tensor kept = at::zeros({height, width}, at::kDouble);
  // A block of masks at a time, for all supports: each mask is made once.
  for (int64_t first = 0; first < options.num_masks; first += kPerturbedBlock) {
    const int64_t count = std::min(kPerturbedBlock, options.num_masks - first);
    const at::Tensor masks = masks_of(first, count);
    const at::Tensor flat = masks.view({count, height * width}).to(at::kDouble);
    const at::Tensor on_device = masks.to(supports_.device());
    kept += flat.sum(0).view({height, width});
    for (int64_t support = 0; support < num_supports(); ++support) {
      const at::Tensor fill = fills_.select(0, support);
      const at::Tensor own = fill + on_device * (supports_.select(0, support) - fill);
      std::vector<double> found = perturbed_similarities(count, [&](int64_t, int64_t) { return own; }, progress);
      const at::Tensor weights = at::from_blob(found.data(), {1, count}, at::kDouble);
      maps.select(0, support) += weights.matmul(flat).view({height, width});
    }
  }
  return (maps / kept.clamp_min(1e-9)).to(at::kFloat);
}

at::Tensor SupportExplainer::occlusion(const OcclusionOptions& options, const WorkListener& listener) const {
  const int64_t height = supports_.size(2);
  const int64_t width = supports_.size(3);
  for (const auto& [name, size, most] : {std::tuple{"height", options.height, height}, {"width", options.width, width}})
    if (size < 1 || size > most) throw ParameterError(name, std::to_string(size), "1 to " + std::to_string(most));
  check_at_least_one("row_step", options.row_step);
  check_at_least_one("column_step", options.column_step);
  std::vector<std::pair<int64_t, int64_t>> windows;
  for (const int64_t row : window_starts(height, options.height, options.row_step))
    for (const int64_t column : window_starts(width, options.width, options.column_step))
      windows.emplace_back(row, column);

  const auto num_windows = static_cast<int64_t>(windows.size());
  const auto part_of = [&](const at::Tensor& map, size_t window) {
    const auto& [row, column] = windows[window];
    return map.narrow(-2, row, options.height).narrow(-1, column, options.width);
  };
  Progress progress(num_windows * num_supports(), listener);
  at::Tensor maps = at::zeros({num_supports(), height, width}, at::kDouble);
  at::Tensor counts = at::zeros({height, width}, at::kDouble);
  for (size_t window = 0; window < windows.size(); ++window) part_of(counts, window) += 1;
  for (int64_t support = 0; support < num_supports(); ++support) {
    const at::Tensor own = supports_.select(0, support);
    const at::Tensor fill = fills_.select(0, support);
    const auto perturb = [&](int64_t first, int64_t count) {
      at::Tensor block = own.unsqueeze(0).repeat({count, 1, 1, 1});
      for (int64_t i = 0; i < count; ++i) {
        const auto window = static_cast<size_t>(first + i);
        part_of(block.select(0, i), window).copy_(part_of(fill, window));
      }
      return block;
    };
    const std::vector<double> found = perturbed_similarities(num_windows, perturb, progress);
    const at::Tensor map = maps.select(0, support);
    const auto num_pixels = static_cast<double>(options.height * options.width);
    for (size_t window = 0; window < windows.size(); ++window)
      part_of(map, window) += (similarities_[static_cast<size_t>(support)] - found[window]) / num_pixels;
  }
  // Steps longer than the window leave pixels out.
  return (maps / counts.clamp_min(1)).to(at::kFloat);
}

at::Tensor SupportExplainer::gradients(const at::Tensor& spectrograms, const Poll& poll) const {
  const at::Tensor x = spectrograms.detach().clone().requires_grad_(true);
  const at::Tensor similarities = network_->similarity_to(x, query_embedding_, poll);
  similarities.sum().backward({}, std::nullopt, /*create_graph=*/false, at::TensorList(&x, 1));
  return x.grad();
}

at::Tensor SupportExplainer::integrated_gradients(int64_t steps, const WorkListener& listener) const {
  check_at_least_one("steps", steps);
  Progress progress(steps * num_supports(), listener);
  at::Tensor maps = at::empty({num_supports(), supports_.size(2), supports_.size(3)}, at::kFloat);
  for (int64_t support = 0; support < num_supports(); ++support) {
    const at::Tensor fill = fills_.select(0, support);
    const at::Tensor difference = supports_.select(0, support) - fill;
    at::Tensor sum = at::zeros_like(difference, difference.options().dtype(at::kDouble));
    for (int64_t first = 0; first < steps; first += kGradientBlock) {
      const int64_t count = std::min(kGradientBlock, steps - first);
      const at::Tensor middles =
          (at::linspace(first, first + count - 1, count, at::kDouble) + 0.5) / static_cast<double>(steps);
      const at::Tensor shares = middles.to(difference.device(), at::kFloat).view({count, 1, 1, 1});
      sum += gradients(fill + shares * difference, progress.poll()).sum(0, /*keepdim=*/false, at::kDouble);
      progress.add(count);
    }
    maps.select(0, support).copy_((sum * difference / static_cast<double>(steps)).sum(0));
  }
  return maps;
}

at::Tensor SupportExplainer::gradient_times_input(const WorkListener& listener) const {
  Progress progress(num_supports(), listener);
  at::Tensor maps = at::empty({num_supports(), supports_.size(2), supports_.size(3)}, at::kFloat);
  for (int64_t first = 0; first < num_supports(); first += kGradientBlock) {
    const int64_t count = std::min(kGradientBlock, num_supports() - first);
    const at::Tensor own = supports_.narrow(0, first, count);
    const at::Tensor gradient = gradients(own, progress.poll());
    maps.narrow(0, first, count).copy_((gradient * (own - fills_.narrow(0, first, count))).sum(1));
    progress.add(count);
  }
  return maps;
}

}  // namespace siamaudio
