#include "model/shifts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

namespace siamaudio {

at::Tensor shifted(const at::Tensor& spectrograms, const Shift& shift) {
  at::Tensor x = spectrograms;
  if (shift.bands != 0) {
    const int64_t last = x.size(-2) - 1;
    const at::Tensor bands = at::arange(x.size(-2), at::TensorOptions(at::kLong).device(x.device()));
    x = x.index_select(-2, (bands - shift.bands).clamp_(0, last));
  }
  return shift.frames == 0 ? x : x.roll(shift.frames, -1);
}

}  // namespace siamaudio
