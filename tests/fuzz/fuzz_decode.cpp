// Any bytes are decoded to the end, or refused by AudioError.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "audio/audio_file.h"
#include "base/errors.h"

namespace {

/// Decodes block by block and checks what AudioReader promises.
void decode(std::span<const std::byte> bytes, const siamaudio::ReadOptions& options) {
  constexpr int64_t kBlockFrames = 3000;
  try {
    siamaudio::AudioReader reader(std::make_unique<siamaudio::MemorySource>("<bytes>", bytes), options);
    const siamaudio::AudioInfo info = reader.info();
    if (info.num_frames < 0 || info.sample_rate <= 0 || info.num_channels < 1) std::abort();
    std::vector<float> block(static_cast<size_t>(kBlockFrames * reader.num_values()));
    int64_t total = 0;
    for (;;) {
      const int64_t num_frames = reader.read(block.data(), kBlockFrames);
      if (num_frames < 0 || num_frames > kBlockFrames) std::abort();
      total += num_frames;
      if (num_frames < kBlockFrames) break;
    }
    if (total > info.num_frames) std::abort();
  } catch (const siamaudio::AudioError&) {  // the promised answer to damaged files
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  decode(bytes, {.mono = false});
  decode(bytes, {.offset_seconds = 0.01, .duration_seconds = 0.02});
  return 0;
}
