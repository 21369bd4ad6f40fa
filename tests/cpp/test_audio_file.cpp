#include "audio/audio_file.h"

#include <gtest/gtest.h>
#include <sndfile.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <numbers>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "audio/resample.h"
#include "expect.h"
#include "wav_bytes.h"

namespace siamaudio {
namespace {

using AudioFile = FolderTest;

/// The reason for which a file is refused; checks that the error carries the path.
template <typename Call>
std::string refusal(const std::string& path, const Call& call) {
  try {
    call();
  } catch (const AudioError& error) {
    EXPECT_EQ(error.path, path);
    EXPECT_EQ(std::string(error.what()), path + ": " + error.reason);
    return error.reason;
  }
  return "(accepted)";
}

/// Checks that info and samples are refused alike.
std::string refusal(const std::string& path) {
  const std::string reason = refusal(path, [&] { read_audio(path, {}); });
  EXPECT_EQ(refusal(path, [&] { audio_info(open_file(path)); }), reason);
  return reason;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

long peak_memory_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// ---- Sample formats

TEST_F(AudioFile, Pcm16IsDividedByTwoToThe15) {
  const auto file = write("a.wav", wav({.sample_rate = 44100}, pcm({0, 1, -1, 16384, 32767, -32768}, 2)));
  const Audio audio = read_audio(file, {});
  EXPECT_EQ(audio.samples, (std::vector<float>{0, 1 / 32768.0F, -1 / 32768.0F, 0.5F, 32767 / 32768.0F, -1}));
  EXPECT_EQ(audio.sample_rate, 44100);
  EXPECT_EQ(audio.num_channels, 1);
  const AudioInfo info = audio_info(open_file(file));
  EXPECT_EQ(info.num_frames, 6);
  EXPECT_EQ(info.sample_rate, 44100);
  EXPECT_EQ(info.num_channels, 1);
}

TEST_F(AudioFile, Pcm24IsDividedByTwoToThe23) {
  const auto file = write("a.wav", wav({.bits = 24}, pcm({0, 1, -1, 8388607, -8388608, 4194304}, 3)));
  EXPECT_EQ(read_audio(file, {}).samples,
            (std::vector<float>{0, 1 / 8388608.0F, -1 / 8388608.0F, 8388607 / 8388608.0F, -1, 0.5F}));
}

TEST_F(AudioFile, Pcm32IsDividedByTwoToThe31) {
  const auto file = write("a.wav", wav({.bits = 32}, pcm({0, 1 << 30, -(int64_t{1} << 31), 256}, 4)));
  EXPECT_EQ(read_audio(file, {}).samples, (std::vector<float>{0, 0.5F, -1, 256 / 2147483648.0F}));
}

TEST_F(AudioFile, Pcm8IsUnsignedAround128) {
  const auto file = write("a.wav", wav({.bits = 8}, pcm({128, 129, 0, 255, 64}, 1)));
  EXPECT_EQ(read_audio(file, {}).samples, (std::vector<float>{0, 1 / 128.0F, -1, 127 / 128.0F, -0.5F}));
}

TEST_F(AudioFile, FloatsAreTakenAsTheyAre) {
  const std::vector<float> samples{0, 0.1F, -0.3F, 1, 1.5F, -1e-30F};
  EXPECT_EQ(read_audio(write("a.wav", wav({.tag = kTagFloat, .bits = 32}, floats(samples))), {}).samples, samples);
}

TEST_F(AudioFile, DoublesAreRounded) {
  Bytes data;
  for (const double value : {0.1, -0.75}) data += little_endian(std::bit_cast<uint64_t>(value), 8);
  EXPECT_EQ(read_audio(write("a.wav", wav({.tag = kTagFloat, .bits = 64}, data)), {}).samples,
            (std::vector<float>{0.1F, -0.75F}));
}

TEST_F(AudioFile, CompandedSamplesAreExpandedAsInG711) {
  const auto mu_law = write("mu.wav", wav({.tag = kTagMuLaw, .bits = 8}, pcm({0xFF, 0x00, 0x80}, 1)));
  EXPECT_EQ(read_audio(mu_law, {}).samples, (std::vector<float>{0, -32124 / 32768.0F, 32124 / 32768.0F}));
  const auto a_law = write("a.wav", wav({.tag = kTagALaw, .bits = 8}, pcm({0xD5, 0x55, 0xAA}, 1)));
  EXPECT_EQ(read_audio(a_law, {}).samples, (std::vector<float>{8 / 32768.0F, -8 / 32768.0F, 32256 / 32768.0F}));
}

TEST_F(AudioFile, BigEndianFormatsAreRead) {
  const Bytes data = big_endian(0x4000, 2) + big_endian(0x8000, 2);
  const Bytes au = ".snd" + big_endian(24, 4) + big_endian(data.size(), 4) + big_endian(3, 4) + big_endian(8000, 4) +
                   big_endian(1, 4) + data;
  EXPECT_EQ(read_audio(write("a.au", au), {}).samples, (std::vector<float>{0.5F, -1}));

  const Bytes rate_44100 = big_endian(0x400EAC44, 4) + Bytes(6, '\0');  // 80-bit float
  const Bytes comm = "COMM" + big_endian(18, 4) + big_endian(1, 2) + big_endian(2, 4) + big_endian(16, 2) + rate_44100;
  const Bytes ssnd = "SSND" + big_endian(8 + data.size(), 4) + Bytes(8, '\0') + data;
  const Audio aiff =
      read_audio(write("a.aiff", "FORM" + big_endian(4 + comm.size() + ssnd.size(), 4) + "AIFF" + comm + ssnd), {});
  EXPECT_EQ(aiff.samples, (std::vector<float>{0.5F, -1}));
  EXPECT_EQ(aiff.sample_rate, 44100);
}

// ---- Formats that only an encoder can write: libsndfile writes them through another entry than the one under test.

struct Encoded {
  const char* name;
  int format;
  double tolerance;  ///< of a sine of amplitude 0.5; 0: lossless
};

void PrintTo(const Encoded& encoded, std::ostream* stream) { *stream << encoded.name; }

class EncodedFile : public FolderTest, public testing::WithParamInterface<Encoded> {};

TEST_P(EncodedFile, IsReadBack) {
  constexpr int kRate = 48000;
  constexpr int kFrames = 20000;
  SF_INFO info{};
  info.samplerate = kRate;
  info.channels = 1;
  info.format = GetParam().format;
  if (!sf_format_check(&info)) GTEST_SKIP() << "this libsndfile has no " << GetParam().name;
  std::vector<int16_t> written(kFrames);
  std::vector<float> sine(kFrames);
  for (size_t i = 0; i < kFrames; ++i) {
    written[i] = static_cast<int16_t>(
        std::lround(16384 * std::sin(2 * std::numbers::pi * 440 * static_cast<double>(i) / kRate)));
    sine[i] = static_cast<float>(written[i]) / 32768;
  }
  const auto file = path(GetParam().name);
  SNDFILE* writer = sf_open(file.c_str(), SFM_WRITE, &info);
  ASSERT_NE(writer, nullptr) << sf_strerror(nullptr);
  ASSERT_EQ(sf_writef_short(writer, written.data(), kFrames), kFrames);
  sf_close(writer);

  const Audio audio = read_audio(file, {});
  EXPECT_EQ(audio.sample_rate, kRate);
  ASSERT_EQ(audio.samples.size(), sine.size());
  const size_t margin = GetParam().tolerance > 0 ? 500 : 0;  // lossy codecs blur the ends
  const auto inner = [margin](const std::vector<float>& samples) {
    return std::span(samples).subspan(margin, samples.size() - 2 * margin);
  };
  expect_close(inner(audio.samples), inner(sine), GetParam().tolerance);
  // Parts are those of the whole, up to the last frame: also where the codec's own seek is not exact.
  for (const int first : {1, 1000, 4800, kFrames - 700, kFrames - 40, kFrames - 1}) {
    for (const int count : {1, 39, 9600}) {
      const int end = std::min(first + count, kFrames);
      const Audio part = read_audio(file, {.offset_seconds = static_cast<double>(first) / kRate,
                                           .duration_seconds = static_cast<double>(count) / kRate});
      const std::vector<float> expected(audio.samples.begin() + first, audio.samples.begin() + end);
      EXPECT_EQ(part.samples, expected) << count << " from " << first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, EncodedFile,
                         testing::Values(Encoded{"clip.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 0},
                                         Encoded{"clip.caf", SF_FORMAT_CAF | SF_FORMAT_PCM_24, 0},
                                         Encoded{"clip.rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_32, 0},
                                         Encoded{"clip.wavex", SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, 0},
                                         Encoded{"clip.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 0.1},
                                         Encoded{"clip.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 0.1},
                                         Encoded{"clip.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 0.1}),
                         [](const auto& suite) { return std::string(suite.param.name).substr(5); });

// ---- Channels

TEST_F(AudioFile, ChannelsAreAveragedOrKept) {
  const auto file = write("a.wav", wav({.num_channels = 2}, pcm({16384, 0, -32768, 16384, 1, 2}, 2)));
  const Audio mono = read_audio(file, {});
  EXPECT_EQ(mono.num_channels, 1);
  EXPECT_EQ(mono.samples, (std::vector<float>{0.25F, -0.25F, 1.5F / 32768}));
  const Audio stereo = read_audio(file, {.mono = false});
  EXPECT_EQ(stereo.num_channels, 2);
  EXPECT_EQ(stereo.samples, (std::vector<float>{0.5F, -1, 1 / 32768.0F, 0, 0.5F, 2 / 32768.0F}));
  EXPECT_EQ(audio_info(open_file(file)).num_channels, 2);
  EXPECT_EQ(audio_info(open_file(file)).num_frames, 3);
}

TEST_F(AudioFile, UpTo64ChannelsAreAccepted) {
  const auto accepted = write("64.wav", wav({.num_channels = 64}, pcm(std::vector<int64_t>(64, 16384), 2)));
  EXPECT_EQ(read_audio(accepted, {}).samples, std::vector<float>{0.5F});
  const auto refused = write("65.wav", wav({.num_channels = 65}, pcm(std::vector<int64_t>(65, 16384), 2)));
  EXPECT_TRUE(contains(refusal(refused), "65 channels"));
}

TEST_F(AudioFile, FilesLongerThanABlockKeepTheirOrder) {
  for (const int64_t num_frames : {8191, 8192, 8193, 20000}) {
    std::vector<int64_t> interleaved;
    std::vector<float> expected;
    for (int64_t i = 0; i < num_frames; ++i) {
      interleaved.push_back(i);
      interleaved.push_back(-i);
      expected.push_back(static_cast<float>(i) / 32768);
    }
    for (int64_t i = 0; i < num_frames; ++i) expected.push_back(static_cast<float>(-i) / 32768);
    const auto file = write("a.wav", wav({.num_channels = 2}, pcm(interleaved, 2)));
    EXPECT_EQ(read_audio(file, {.mono = false}).samples, expected) << num_frames;
    EXPECT_EQ(read_audio(file, {}).samples, std::vector<float>(static_cast<size_t>(num_frames))) << num_frames;
  }
}

// ---- Parts of a file

TEST_F(AudioFile, PartsAreCutAtTheEndOfTheFile) {
  constexpr double kForever = std::numeric_limits<double>::infinity();
  std::vector<int64_t> ramp(100);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<int64_t>(i);
  const auto file = write("a.wav", wav({.sample_rate = 1000}, pcm(ramp, 2)));
  struct Case {
    double offset_seconds;
    double duration_seconds;
    int first;
    int count;
  };
  for (const auto& [offset, duration, first, count] :
       {Case{0, -1, 0, 100},     Case{0, 0, 0, 0},          Case{0, 0.001, 0, 1},       Case{0, 0.099, 0, 99},
        Case{0, 0.1, 0, 100},    Case{0, 0.101, 0, 100},    Case{0, kForever, 0, 100},  Case{0, 1e300, 0, 100},
        Case{0.001, -1, 1, 99},  Case{0.001, 0, 1, 0},      Case{0.05, 0.02, 50, 20},   Case{0.099, -1, 99, 1},
        Case{0.099, 1, 99, 1},   Case{0.1, -1, 100, 0},     Case{0.1, 1, 100, 0},       Case{0.101, -1, 100, 0},
        Case{1e300, -1, 100, 0}, Case{kForever, 1, 100, 0}, Case{0.0004, 0.0004, 0, 0}, Case{0.0006, 0.0006, 1, 1}}) {
    std::vector<float> expected;
    for (int i = first; i < first + count; ++i) expected.push_back(static_cast<float>(i) / 32768);
    const Audio audio = read_audio(file, {.offset_seconds = offset, .duration_seconds = duration});
    EXPECT_EQ(audio.samples, expected) << offset << " s + " << duration << " s";
    EXPECT_EQ(audio.sample_rate, 1000);
  }
}

TEST_F(AudioFile, AFileWithoutSamplesIsEmpty) {
  const auto file = write("a.wav", wav({.num_channels = 2}, ""));
  EXPECT_EQ(audio_info(open_file(file)).num_frames, 0);
  EXPECT_TRUE(read_audio(file, {}).samples.empty());
  EXPECT_TRUE(read_audio(file, {.mono = false}).samples.empty());
  EXPECT_TRUE(read_audio(file, {.offset_seconds = 1}).samples.empty());
}

TEST_F(AudioFile, AnIncompleteLastFrameIsLeftOut) {
  const auto file = write("a.wav", wav({}, pcm({16384, -32768}, 2) + "x"));
  EXPECT_EQ(read_audio(file, {}).samples, (std::vector<float>{0.5F, -1}));
}

// ---- Block by block

std::span<const std::byte> bytes_of(const Bytes& bytes) { return std::as_bytes(std::span(bytes)); }

std::unique_ptr<ByteSource> memory(const Bytes& bytes) {
  return std::make_unique<MemorySource>("<memory>", bytes_of(bytes));
}

/// 16 and 24 bits, one to three channels: every way from the file's values to the caller's.
class Blocks : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(Blocks, JoinToTheWhole) {
  const auto [num_bytes, num_channels] = GetParam();
  constexpr int64_t kFrames = 20000;
  std::vector<int64_t> values(static_cast<size_t>(kFrames * num_channels));
  std::vector<float> expected(values.size());
  std::vector<float> expected_mono(static_cast<size_t>(kFrames));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<int64_t>(i * 7919 % 65536) - 32768;
    expected[i] = static_cast<float>(std::ldexp(static_cast<double>(values[i]), 1 - 8 * num_bytes));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const auto channels = static_cast<float>(num_channels);
    float& mixed = expected_mono[i / static_cast<size_t>(num_channels)];
    mixed += expected[i];
    if (i % static_cast<size_t>(num_channels) == static_cast<size_t>(num_channels) - 1) mixed /= channels;
  }
  const Bytes file = wav({.num_channels = num_channels, .bits = 8 * num_bytes}, pcm(values, num_bytes));

  for (const bool mono : {true, false}) {
    for (const int64_t block_size : {1, 999, 8191, 8192, 8193, 20000, 30000}) {
      AudioReader reader(memory(file), {.mono = mono});
      EXPECT_EQ(reader.info().num_frames, kFrames);
      EXPECT_EQ(reader.num_values(), mono ? 1 : num_channels);
      std::vector<float> block(static_cast<size_t>(block_size * reader.num_values()));
      std::vector<float> joined;
      int64_t num_read = 0;
      EXPECT_EQ(reader.read(block.data(), 0), 0);
      do {
        num_read = reader.read(block.data(), block_size);
        joined.insert(joined.end(), block.begin(), block.begin() + num_read * reader.num_values());
      } while (num_read == block_size);
      EXPECT_EQ(joined, mono ? expected_mono : expected) << block_size;
      EXPECT_EQ(reader.read(block.data(), block_size), 0) << "after the end";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, Blocks, testing::Combine(testing::Values(2, 3), testing::Values(1, 2, 3)));

TEST(AudioReader, ReadsAllThatIsLeft) {
  const Bytes file = wav({.sample_rate = 1000}, pcm({1, 2, 3, 4, 5, 6}, 2));
  AudioReader reader(memory(file), {.offset_seconds = 0.001, .duration_seconds = 0.004});
  std::vector<float> first(2);
  EXPECT_EQ(reader.read(first.data(), 2), 2);
  EXPECT_EQ(first, (std::vector<float>{2 / 32768.0F, 3 / 32768.0F}));
  EXPECT_EQ(reader.read_all(), (std::vector<float>{4 / 32768.0F, 5 / 32768.0F}));
  EXPECT_TRUE(reader.read_all().empty());
  EXPECT_EQ(reader.info().num_frames, 6) << "of the whole file";
}

TEST(AudioReader, NamesTheSource) {
  EXPECT_EQ(refusal("<memory>", [] { read_audio(memory("this is no sound"), {}); }).substr(0, 6), "is not");
  EXPECT_EQ(refusal("<memory>", [] { audio_info(memory("")); }), "is empty");
}

TEST(AudioReader, ResamplesWhatItIsAskedTo) {
  std::vector<int64_t> values(3000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int64_t>(i * 7919 % 65536) - 32768;
  const Bytes file = wav({.num_channels = 2}, pcm(values, 2));
  const Audio whole = read_audio(memory(file), {.mono = false});
  const Audio resampled = read_audio(memory(file), {.mono = false}, 11025);
  EXPECT_EQ(resampled.sample_rate, 8000);
  std::vector<float> expected = resample(std::span(whole.samples).first(1500), 8000, 11025);
  const std::vector<float> right = resample(std::span(whole.samples).last(1500), 8000, 11025);
  expected.insert(expected.end(), right.begin(), right.end());
  EXPECT_EQ(resampled.samples, expected);
  EXPECT_EQ(read_audio(memory(file), {.mono = false}, 8000).samples, whole.samples);
  EXPECT_TRUE(contains(refusal("<memory>", [&] { read_audio(memory(file), {}, 8000 * 257.0); }), "too far"));
}

/// A source that fails after so many bytes, as a network file may.
class FailingSource final : public ByteSource {
 public:
  FailingSource(const Bytes& bytes, int64_t num_good)
      : ByteSource("<failing>", static_cast<int64_t>(bytes.size())), bytes_(bytes), num_good_(num_good) {}

  int64_t read_at(int64_t position, void* bytes, int64_t count) override {
    const int64_t num_read = std::clamp<int64_t>(size() - position, 0, count);
    if (position + num_read > num_good_) throw std::domain_error("the cable is cut");
    std::copy_n(bytes_.data() + position, num_read, static_cast<char*>(bytes));
    return num_read;
  }

 private:
  const Bytes& bytes_;
  int64_t num_good_;
};

TEST(AudioReader, PassesOnWhatTheSourceThrows) {
  const Bytes file = wav({}, pcm(std::vector<int64_t>(100000, 1), 2));
  for (const int64_t num_good : {0, 8, 30, 40, 100, 50000, 200000})
    EXPECT_THROW(read_audio(std::make_unique<FailingSource>(file, num_good), {}), std::domain_error) << num_good;
  EXPECT_EQ(read_audio(std::make_unique<FailingSource>(file, 1 << 20), {}).samples.size(), 100000U);
  EXPECT_THROW(read_audio(std::make_unique<FailingSource>(file, 50000), {.offset_seconds = 10}), std::domain_error);
  EXPECT_EQ(audio_info(std::make_unique<FailingSource>(file, 50000)).num_frames, 100000);
}

TEST(MemorySource, ReadsWhatIsThere) {
  const Bytes bytes = "0123456789";
  MemorySource source("digits", bytes_of(bytes));
  EXPECT_EQ(source.size(), 10);
  EXPECT_EQ(source.name(), "digits");
  for (const auto& [position, count, expected] : {std::tuple{0, 4, "0123"},
                                                  {8, 4, "89"},
                                                  {9, 1, "9"},
                                                  {10, 4, ""},
                                                  {11, 4, ""},
                                                  {3, 0, ""},
                                                  {0, 11, "0123456789"}}) {
    Bytes target(20, '-');
    const int64_t num_read = source.read_at(position, target.data(), count);
    EXPECT_EQ(target.substr(0, static_cast<size_t>(num_read)), expected);
    EXPECT_EQ(target.substr(static_cast<size_t>(num_read)), Bytes(static_cast<size_t>(20 - num_read), '-'));
  }
}

TEST_F(AudioFile, SourcesFromFilesAndMemoryAreReadAlike) {
  const Bytes bytes = wav({}, pcm({1, 2, 3}, 2));
  const auto from_file = open_file(write("a.wav", bytes));
  const auto from_memory = memory(bytes);
  EXPECT_EQ(from_file->size(), from_memory->size());
  for (const int64_t position : {0, 1, 40, 49, 50, 99}) {
    for (const int64_t count : {0, 1, 10, 1000}) {
      Bytes file_part(1000, '-');
      Bytes memory_part(1000, '-');
      EXPECT_EQ(from_file->read_at(position, file_part.data(), count),
                from_memory->read_at(position, memory_part.data(), count));
      EXPECT_EQ(file_part, memory_part);
    }
  }
}

TEST_F(AudioFile, PipesAndNamesWithNulAreRefused) {
  ASSERT_EQ(mkfifo(path("pipe.wav").c_str(), 0600), 0);
  EXPECT_TRUE(contains(refusal(path("pipe.wav")), "regular file"));
  write("a", wav({}, pcm({1}, 2)));
  EXPECT_THROW(open_file(path("a") + Bytes(1, '\0') + ".wav"), AudioError);
}

// ---- What is no audio file

TEST_F(AudioFile, WhatIsNoAudioFileIsRefused) {
  EXPECT_TRUE(contains(refusal(path("absent.wav")), "no such file"));
  std::filesystem::create_directory(path("folder.wav"));
  EXPECT_TRUE(contains(refusal(path("folder.wav")), "folder"));
  EXPECT_TRUE(contains(refusal(write("empty.wav", "")), "empty"));
  for (const Bytes& bytes :
       {Bytes("x"), Bytes("This is a text, not a sound.\n"), Bytes("RIFF"), Bytes("RIFF\x04\0\0\0AVI ", 12),
        Bytes("NIST_1A\n   1024\n"), Bytes("FORM\0\0\0\x04ILBM", 12), Bytes(1000, '\0')})
    EXPECT_TRUE(contains(refusal(write("text.wav", bytes)), "accepted format")) << bytes;
}

TEST_F(AudioFile, ADifferentExtensionDoesNotMatter) {
  EXPECT_EQ(read_audio(write("sound.txt", wav({}, pcm({16384}, 2))), {}).samples, std::vector<float>{0.5F});
  EXPECT_EQ(read_audio(write("Vögel im März.wav", wav({}, pcm({16384}, 2))), {}).samples, std::vector<float>{0.5F});
}

TEST_F(AudioFile, TruncatedHeadersAreRefused) {
  const Bytes whole = wav({}, pcm({1, 2, 3}, 2));
  for (size_t size = 1; size < 36; ++size)  // up to the end of the fmt chunk
    EXPECT_NE(refusal(write("cut.wav", whole.substr(0, size))), "(accepted)") << size << " bytes";
  for (const char* magic : {"fLaC", "OggS", "caff", ".snd", "ID3", "\xFF\xFB"})
    EXPECT_NE(refusal(write("cut", magic)), "(accepted)") << magic;
}

TEST_F(AudioFile, UnreadableFilesAreRefused) {
  const auto file = write("a.wav", wav({}, pcm({1}, 2)));
  std::filesystem::permissions(file, std::filesystem::perms::none);
  if (std::ifstream(file).good()) GTEST_SKIP() << "this user may read everything";
  EXPECT_TRUE(contains(refusal(file), "cannot be opened"));
}

TEST_F(AudioFile, OtherCodecsAreRefused) {
  // All well formed: libsndfile alone would decode them.
  const Bytes ima_block = little_endian(0, 4) + Bytes(32, '\x11');
  const Bytes ima =
      wav({.tag = kTagImaAdpcm, .bits = 4, .block_align = 36, .extension = little_endian(65, 2)}, ima_block);
  EXPECT_TRUE(contains(refusal(write("ima.wav", ima)), "codec"));

  const Bytes gsm =
      wav({.tag = kTagGsm, .bits = 0, .block_align = 65, .extension = little_endian(320, 2)}, Bytes(65, '\0'));
  EXPECT_TRUE(contains(refusal(write("gsm.wav", gsm)), "codec"));

  Bytes coefficients = little_endian(7, 2);
  for (const int64_t value : {256, 0, 512, -256, 0, 0, 192, 64, 240, 0, 460, -208, 392, -232})
    coefficients += pcm({value}, 2);
  const Bytes ms =
      wav({.tag = kTagMsAdpcm, .bits = 4, .block_align = 32, .extension = little_endian(52, 2) + coefficients},
          Bytes(32, '\0'));
  EXPECT_TRUE(contains(refusal(write("ms.wav", ms)), "codec"));

  const Bytes g721 = ".snd" + big_endian(24, 4) + big_endian(64, 4) + big_endian(23, 4) + big_endian(8000, 4) +
                     big_endian(1, 4) + Bytes(64, '\x55');
  EXPECT_TRUE(contains(refusal(write("g721.au", g721)), "codec"));
}

TEST_F(AudioFile, AZeroSampleRateIsRefused) {
  EXPECT_NE(refusal(write("a.wav", wav({.sample_rate = 0}, pcm({1, 2}, 2)))), "(accepted)");
}

TEST_F(AudioFile, MemoryFollowsWhatIsThereNotWhatTheHeaderClaims) {
  const long before = peak_memory_kib();
  const auto file = write("claims.wav", wav({}, pcm({16384, -32768}, 2), 0xFFFFFF00));
  for (const bool mono : {true, false}) {
    const Audio audio = read_audio(file, {.mono = mono});
    EXPECT_EQ(audio.samples, (std::vector<float>{0.5F, -1}));
    EXPECT_LE(audio.samples.capacity(), 1U << 16);
  }

  // A FLAC header of 2^36 - 1 frames without one of them.
  const Bytes stream_info = big_endian(4096, 2) + big_endian(4096, 2) + Bytes(6, '\0') +
                            big_endian(uint64_t{44100} << 44 | uint64_t{15} << 36 | 0xFFFFFFFFFULL, 8) +
                            Bytes(16, '\0');
  const auto flac = write("claims.flac", "fLaC" + big_endian(0x80000022, 4) + stream_info);
  EXPECT_EQ(audio_info(open_file(flac)).num_frames, 0xFFFFFFFFF);
  try {
    EXPECT_TRUE(read_audio(flac, {}).samples.empty());
  } catch (const AudioError& error) {
    EXPECT_EQ(error.path, flac);
  }
  EXPECT_LT(peak_memory_kib() - before, 200L << 10);  // the claims are of 8 GiB and 256 GiB
}

}  // namespace
}  // namespace siamaudio
