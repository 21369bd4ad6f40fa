#include "simd/isa.h"

#include <cstdlib>

#include "base/errors.h"

namespace siamaudio {

std::string isa_name(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kBaseline:
      break;
  }
#if defined(__SSE2__)
  return "sse2";
#elif defined(__ARM_NEON)
  return "neon";
#else
  return "generic";
#endif
}

std::vector<Isa> usable_isas() {
  std::vector<Isa> isas{Isa::kBaseline};
#ifdef SIAMAUDIO_X86_KERNELS
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) isas.push_back(Isa::kAvx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq"))
    isas.push_back(Isa::kAvx512);
#endif
  return isas;
}

Isa chosen_isa() {
  const auto isas = usable_isas();
  const char* wanted = std::getenv("SIAMAUDIO_ISA");  // NOLINT(concurrency-mt-unsafe): nobody sets it meanwhile
  if (wanted == nullptr || *wanted == '\0') return isas.back();
  std::string accepted;
  for (const Isa isa : isas) {
    if (isa_name(isa) == wanted) return isa;
    accepted += (accepted.empty() ? "" : ", ") + isa_name(isa);
  }
  throw ParameterError("SIAMAUDIO_ISA", wanted, accepted + " on this machine");
}

}  // namespace siamaudio
