// One set of kernels for each instruction set, each in a source file that is compiled for it. Those files share no
// template with others: the linker keeps one copy of a shared template, and it might be one that this processor cannot
// run.
#pragma once

namespace siamaudio {

struct Kernels;

const Kernels& kernels_baseline();
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();

}  // namespace siamaudio
