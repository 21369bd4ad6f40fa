#include "audio/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/errors.h"

namespace siamaudio {
namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(const std::string& path, int64_t size, int descriptor) : ByteSource(path, size), descriptor_(descriptor) {}
  ~FileSource() override { close(descriptor_); }

  int64_t read_at(int64_t position, void* bytes, int64_t count) override {
    int64_t num_read = 0;
    while (num_read < count) {
      const ssize_t part = pread(descriptor_, static_cast<char*>(bytes) + num_read,
                                 static_cast<size_t>(count - num_read), position + num_read);
      if (part < 0 && errno == EINTR) continue;
      if (part < 0) throw AudioError(name(), std::string("cannot be read: ") + std::strerror(errno));
      if (part == 0) break;
      num_read += part;
    }
    return num_read;
  }

 private:
  int descriptor_;
};

}  // namespace

std::unique_ptr<ByteSource> open_file(const std::string& path) {
  if (path.find('\0') != std::string::npos) throw AudioError(path, "has a NUL character in its name");
  // O_NONBLOCK: opening a pipe must not wait for its other end.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const bool is_absent = errno == ENOENT || errno == ENOTDIR;
    throw AudioError(path, is_absent ? "no such file" : std::string("cannot be opened: ") + std::strerror(errno));
  }
  struct stat status{};
  const bool is_known = fstat(descriptor, &status) == 0;
  auto source = std::make_unique<FileSource>(path, is_known ? status.st_size : 0, descriptor);
  if (S_ISDIR(status.st_mode)) throw AudioError(path, "is a folder, not an audio file");
  if (!S_ISREG(status.st_mode)) throw AudioError(path, "is not a regular file");
  return source;
}

int64_t MemorySource::read_at(int64_t position, void* bytes, int64_t count) {
  const int64_t num_read = std::clamp<int64_t>(size() - position, 0, count);
  if (num_read > 0) std::memcpy(bytes, bytes_.data() + position, static_cast<size_t>(num_read));
  return num_read;
}

}  // namespace siamaudio
