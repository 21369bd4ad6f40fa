#include "kernels/kernels.h"

#include <cstdlib>
#include <string>

#include "base/errors.h"
#include "kernels/kernel_sets.h"

namespace siamaudio {

const Kernels& kernels(Isa isa) {
#ifdef SIAMAUDIO_X86_KERNELS
  if (isa == Isa::kAvx512) return kernels_avx512();
  if (isa == Isa::kAvx2) return kernels_avx2();
#endif
  (void)isa;
  return kernels_baseline();
}

const Kernels* chosen_kernels() {
  const char* variable = std::getenv("SIAMAUDIO_FUSED");  // NOLINT(concurrency-mt-unsafe): nobody sets it meanwhile
  const std::string wanted = variable == nullptr ? "" : variable;
  if (wanted == "off") return nullptr;
  if (!wanted.empty() && wanted != "on") throw ParameterError("SIAMAUDIO_FUSED", wanted, "'on' or 'off'");
  return &kernels(chosen_isa());
}

}  // namespace siamaudio
