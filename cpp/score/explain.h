// Which parts of supports make a network call them similar to a query: by taking parts away, or by gradients.
//
// Fedele, Guidotti, Pedreschi 2022, "Explaining siamese networks in few-shot learning for audio data": SINEX, SINEXC.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/poll.h"
#include "model/siamese.h"
#include "score/coalitions.h"

namespace siamaudio {

/// What a long call tells while it works.
struct WorkListener {
  Poll poll;                                                     ///< between layers and blocks; may throw Interrupted
  std::function<void(int64_t done, int64_t total)> on_progress;  ///< network passes; may be empty
};

/// What is replaced while a coalition is tried.
enum class Replaced {
  kMembers,  ///< its segments: what is lost without them
  kOthers,   ///< all but its segments: what is left with them alone
};

/// "members" or "others". Throws ParameterError.
Replaced parse_replaced(const std::string& name);

struct RiseOptions {
  int64_t num_masks = 2000;  ///< random masks, 1 or more
  int64_t rows = 8;          ///< cells of a mask, over the height
  int64_t columns = 8;       ///< and over the width
  double keep = 0.5;         ///< chance of a cell to stay, in (0, 1)
  uint64_t seed = 0;
};

struct OcclusionOptions {
  int64_t height = 16;  ///< pixels of the window
  int64_t width = 16;
  int64_t row_step = 8;  ///< pixels from one window to the next; the last one ends with the spectrogram
  int64_t column_step = 8;
};

/// A query and its supports. All numbers that it returns are on the CPU.
class SupportExplainer {
 public:
  /// Embeds the query and the supports, once. query: (channels, height, any width); supports and what replaces their
  /// pixels, `fills`: (supports, channels, height, width), float32. The network must outlive this and stay as it is.
  SupportExplainer(Siamese& network, const at::Tensor& query, const at::Tensor& supports, const at::Tensor& fills,
                   const Poll& poll);

  int64_t num_supports() const { return supports_.size(0); }

  /// Of the query and each support as it is.
  const std::vector<double>& similarities() const { return similarities_; }

  /// Similarities of the query and one support with some segments kept and the others replaced. segments: (height,
  /// width) int64; kept: (sets, num_segments) bytes, sets that come up again being embedded once.
  std::vector<double> kept_similarities(int64_t support, const at::Tensor& segments, const std::vector<uint8_t>& kept,
                                        int64_t num_segments, const WorkListener& listener) const;

  /// SINEX: how much each segment speaks for similarity, a pixel. With `replaced` kMembers (similarity - similarity
  /// without the segment) / pixels of the segment; with kOthers (similarity of the segment alone - similarity) / the
  /// same. segments: (supports, height, width) int64 from 0 -> for each support a value for each of its segments.
  std::vector<std::vector<double>> sinex(const at::Tensor& segments, Replaced replaced,
                                         const WorkListener& listener) const;

  /// SINEXC: the mean of that over random coalitions in the place of single segments. The coalitions are those of
  /// draw_coalitions with this seed, for each support alike.
  std::vector<std::vector<double>> sinexc(const at::Tensor& segments, Replaced replaced,
                                          const CoalitionOptions& options, uint64_t seed,
                                          const WorkListener& listener) const;

  /// RISE (Petsiuk, Das, Saenko 2018): the mean similarity over random smooth masks, weighted by how much of a pixel
  /// they keep. The weights are divided by their own sum at each pixel, in the place of its expectation: that takes out
  /// noise. -> (supports, height, width).
  at::Tensor rise(const RiseOptions& options, const WorkListener& listener) const;

  /// Occlusion (Zeiler, Fergus 2014): (similarity - similarity without a window) / its pixels, the mean over the
  /// windows that a pixel lies in -> (supports, height, width).
  at::Tensor occlusion(const OcclusionOptions& options, const WorkListener& listener) const;

  /// Integrated gradients (Sundararajan, Taly, Yan 2017) from `fills` to the supports, by the middles of `steps` equal
  /// steps: their sum over a support comes close to similarity - similarity of the fill -> (supports, height, width).
  at::Tensor integrated_gradients(int64_t steps, const WorkListener& listener) const;

  /// (support - fill) x gradient of the similarity at the support -> (supports, height, width).
  at::Tensor gradient_times_input(const WorkListener& listener) const;

 private:
  /// Perturbed supports [first, first + count) of many, (count, channels, height, width) on the network's device.
  using Perturb = std::function<at::Tensor(int64_t first, int64_t count)>;

  class Progress;

  std::vector<double> perturbed_similarities(int64_t count, const Perturb& perturb, Progress& progress) const;
  std::vector<double> set_similarities(int64_t support, const at::Tensor& segments, const std::vector<uint8_t>& kept,
                                       int64_t num_segments, Progress& progress) const;
  std::vector<std::vector<double>> contributions(const at::Tensor& segments, Replaced replaced,
                                                 const std::function<Coalitions(int64_t num_segments)>& draw,
                                                 const WorkListener& listener) const;
  at::Tensor gradients(const at::Tensor& spectrograms, const Poll& poll) const;
  void check_segments(const at::Tensor& segments, bool are_of_one_support) const;

  Siamese* network_;
  at::Tensor supports_;         // on the network's device
  at::Tensor fills_;            // likewise
  at::Tensor query_embedding_;  // (1, dim) on the CPU
  std::vector<double> similarities_;
};

}  // namespace siamaudio
