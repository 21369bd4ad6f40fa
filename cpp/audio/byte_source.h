// Where encoded audio comes from: a file, memory, or whatever else has bytes at positions.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace siamaudio {

/// A finite run of bytes that can be read at any position, by one thread at a time.
class ByteSource {
 public:
  /// name: what error messages call it.
  ByteSource(std::string name, int64_t size) : name_(std::move(name)), size_(size) {}
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  const std::string& name() const { return name_; }
  int64_t size() const { return size_; }

  /// Copies up to `count` bytes from `position` on into `bytes` and returns how many; fewer only at the end.
  virtual int64_t read_at(int64_t position, void* bytes, int64_t count) = 0;

 private:
  std::string name_;
  int64_t size_;
};

/// Opens a regular file. Throws AudioError.
std::unique_ptr<ByteSource> open_file(const std::string& path);

/// Bytes in memory, which must stay there as long as the source.
class MemorySource : public ByteSource {
 public:
  MemorySource(std::string name, std::span<const std::byte> bytes)
      : ByteSource(std::move(name), static_cast<int64_t>(bytes.size())), bytes_(bytes) {}

  int64_t read_at(int64_t position, void* bytes, int64_t count) override;

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace siamaudio
