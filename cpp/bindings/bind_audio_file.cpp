#include <sndfile.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include "audio/audio_file.h"
#include "bindings/arrays.h"
#include "bindings/audio_module.h"
#include "bindings/python_poll.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

/// A Python object with seek() and read(). Used without the GIL; an exception of the object becomes the caller's.
class PythonSource final : public ByteSource {
 public:
  PythonSource(std::string name, int64_t size, py::object file)
      : ByteSource(std::move(name), size), file_(std::move(file)) {}
  ~PythonSource() override {
    const py::gil_scoped_acquire gil;
    file_ = py::object();
  }

  int64_t read_at(int64_t position, void* bytes, int64_t count) override {
    int64_t num_read = 0;
    call_python([&] {
      file_.attr("seek")(position);
      while (num_read < count) {  // an unbuffered file may give less than it has
        const auto part = py::buffer(file_.attr("read")(count - num_read)).request();
        const int64_t part_size = part.size * part.itemsize;
        if (part_size > count - num_read) throw py::value_error("read() of the file object returned more than asked");
        if (part_size == 0) break;
        std::memcpy(static_cast<char*>(bytes) + num_read, part.ptr, static_cast<size_t>(part_size));
        num_read += part_size;
      }
    });
    return num_read;
  }

 private:
  py::object file_;
};

/// Something with a buffer, kept as long as the source. Used without the GIL.
class BufferSource final : public MemorySource {
 public:
  explicit BufferSource(std::unique_ptr<py::buffer_info> view)
      : MemorySource("<bytes>",
                     {static_cast<const std::byte*>(view->ptr), static_cast<size_t>(view->size * view->itemsize)}),
        view_(std::move(view)) {}
  ~BufferSource() override {
    const py::gil_scoped_acquire gil;
    view_.reset();
  }

 private:
  std::unique_ptr<py::buffer_info> view_;
};

/// A path (str), something with a buffer, or a binary file object; Python has checked that it is one of these.
std::unique_ptr<ByteSource> open_source(const py::object& source) {
  if (py::isinstance<py::str>(source)) {
    const auto path = py::reinterpret_steal<py::bytes>(PyUnicode_EncodeFSDefault(source.ptr()));
    if (!path) throw py::error_already_set();
    return open_file(path);
  }
  if (py::isinstance<py::buffer>(source))
    return std::make_unique<BufferSource>(
        std::make_unique<py::buffer_info>(py::reinterpret_borrow<py::buffer>(source).request()));
  const py::object name = py::getattr(source, "name", py::none());
  source.attr("seek")(0, SEEK_END);
  return std::make_unique<PythonSource>(py::isinstance<py::str>(name) ? name.cast<std::string>() : "<file object>",
                                        source.attr("tell")().cast<int64_t>(), source);
}

}  // namespace

void bind_audio_file(py::module_& module) {
  module.def(
      "read_audio",
      [](const py::object& source, double offset_seconds, double duration_seconds, bool mono, double sample_rate) {
        auto bytes = open_source(source);
        Audio audio;
        {
          const py::gil_scoped_release release;
          audio = read_audio(std::move(bytes),
                             {.offset_seconds = offset_seconds, .duration_seconds = duration_seconds, .mono = mono},
                             sample_rate);
        }
        const auto num_samples = static_cast<int64_t>(audio.samples.size());
        const std::vector<int64_t> shape =
            mono ? std::vector<int64_t>{num_samples}
                 : std::vector<int64_t>{audio.num_channels, num_samples / audio.num_channels};
        return py::make_tuple(to_array(std::move(audio.samples), shape), audio.sample_rate);
      },
      py::arg("source"), py::kw_only(), py::arg("offset_seconds"), py::arg("duration_seconds"), py::arg("mono"),
      py::arg("sample_rate"),
      "(samples, the file's own sample rate); samples (frames,) when mono, else (channels, frames). A negative "
      "duration reads to the "
      "end, a sample rate of 0 does not resample. The source is a path, a contiguous buffer, or a binary file object "
      "with read, seek and tell.");

  module.def(
      "audio_info",
      [](const py::object& source) {
        auto bytes = open_source(source);
        const py::gil_scoped_release release;
        const AudioInfo info = audio_info(std::move(bytes));
        return std::make_tuple(info.num_frames, info.sample_rate, info.num_channels);
      },
      py::arg("source"), "(frames, sample rate, channels) from the header.");

  module.def(
      "libsndfile_version", [] { return std::string(sf_version_string()); }, "Name and version of the library in use.");
}

}  // namespace siamaudio
