// Which of the processor's instruction sets our kernels use.
#pragma once

#include <string>
#include <vector>

namespace siamaudio {

/// By rising width. The baseline is what every processor of the platform has: SSE2, NEON, or plain C++.
enum class Isa { kBaseline, kAvx2, kAvx512 };

/// "sse2", "neon" or "generic" for the baseline; "avx2"; "avx512".
std::string isa_name(Isa isa);

/// Those that this build has kernels for and this processor runs, by rising width.
std::vector<Isa> usable_isas();

/// The widest usable one, or the one that the environment variable SIAMAUDIO_ISA names. Throws ParameterError where
/// that names none that is usable.
Isa chosen_isa();

}  // namespace siamaudio
