// One maker of kernels for each instruction set, each in a source file that is compiled for it. They return plain
// pointers so that those files share no template with others: the linker keeps one copy of a shared template, and it
// might be one that this processor cannot run.
#pragma once

namespace siamaudio {

class FrameKernel;
struct FrameTables;

FrameKernel* new_frame_kernel_baseline(const FrameTables& tables);
FrameKernel* new_frame_kernel_avx2(const FrameTables& tables);
FrameKernel* new_frame_kernel_avx512(const FrameTables& tables);

}  // namespace siamaudio
