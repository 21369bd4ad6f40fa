// Audio files made by hand, byte by byte, and folders that vanish: no library under test writes what it then reads.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace siamaudio {

using Bytes = std::string;

inline Bytes little_endian(uint64_t value, int num_bytes) {
  Bytes bytes;
  for (int i = 0; i < num_bytes; ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  return bytes;
}

inline Bytes big_endian(uint64_t value, int num_bytes) {
  const Bytes bytes = little_endian(value, num_bytes);
  return {bytes.rbegin(), bytes.rend()};
}

/// Two's complement integers of `num_bytes` each.
inline Bytes pcm(const std::vector<int64_t>& values, int num_bytes) {
  Bytes bytes;
  for (const int64_t value : values) bytes += little_endian(static_cast<uint64_t>(value), num_bytes);
  return bytes;
}

inline Bytes floats(const std::vector<float>& values) {
  Bytes bytes;
  for (const float value : values) bytes += little_endian(std::bit_cast<uint32_t>(value), 4);
  return bytes;
}

// Format tags of the fmt chunk.
constexpr uint16_t kTagPcm = 1;
constexpr uint16_t kTagMsAdpcm = 2;
constexpr uint16_t kTagFloat = 3;
constexpr uint16_t kTagALaw = 6;
constexpr uint16_t kTagMuLaw = 7;
constexpr uint16_t kTagImaAdpcm = 0x11;
constexpr uint16_t kTagGsm = 0x31;

struct WavFormat {
  uint16_t tag = kTagPcm;
  int num_channels = 1;
  int sample_rate = 8000;
  int bits = 16;
  int block_align = 0;   ///< bytes a frame or a codec's block; 0: from channels and bits
  Bytes extension = {};  ///< of the fmt chunk
};

/// `claimed_size` is what the header says that the data chunk holds; negative: the truth.
inline Bytes wav(const WavFormat& format, const Bytes& data, int64_t claimed_size = -1) {
  const int block_align = format.block_align > 0 ? format.block_align : format.num_channels * format.bits / 8;
  Bytes fmt = little_endian(format.tag, 2) + little_endian(static_cast<uint64_t>(format.num_channels), 2) +
              little_endian(static_cast<uint64_t>(format.sample_rate), 4) +
              little_endian(static_cast<uint64_t>(format.sample_rate) * static_cast<uint64_t>(block_align), 4) +
              little_endian(static_cast<uint64_t>(block_align), 2) +
              little_endian(static_cast<uint64_t>(format.bits), 2);
  if (!format.extension.empty()) fmt += little_endian(format.extension.size(), 2) + format.extension;
  const uint64_t size = claimed_size >= 0 ? static_cast<uint64_t>(claimed_size) : data.size();
  const Bytes chunks = "WAVEfmt " + little_endian(fmt.size(), 4) + fmt + "data" + little_endian(size, 4) + data;
  return "RIFF" + little_endian(chunks.size() - data.size() + size, 4) + chunks;
}

/// A folder of its own for each test, removed after it.
class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    Bytes pattern = (std::filesystem::temp_directory_path() / "siamaudio-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string write(const std::string& name, const Bytes& bytes) const {
    std::ofstream(path(name), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path(name);
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace siamaudio
