# The interpreter's torch as one imported target, siamaudio::torch.
#
# find_package(Torch) is not used: on a CUDA build of torch it demands the CUDA toolkit, which nothing here needs.
# The extension has no CUDA source; torch's dispatcher picks the kernels at run time.

execute_process(
  COMMAND ${Python_EXECUTABLE} -c "
import torch
from torch.utils import cpp_extension
print(torch.__version__.split('+')[0])
print(int(torch.compiled_with_cxx11_abi()))
print(';'.join(cpp_extension.include_paths()))
print(';'.join(cpp_extension.library_paths()))
"
  OUTPUT_VARIABLE torch_facts
  RESULT_VARIABLE torch_failed
  OUTPUT_STRIP_TRAILING_WHITESPACE)
if(torch_failed)
  message(FATAL_ERROR "torch is missing in ${Python_EXECUTABLE}: pip install torch==2.13.0")
endif()

string(REPLACE ";" "@" torch_facts "${torch_facts}")
string(REPLACE "\n" ";" torch_facts "${torch_facts}")
list(GET torch_facts 0 SIAMAUDIO_TORCH_VERSION)
list(GET torch_facts 1 torch_cxx11_abi)
list(GET torch_facts 2 torch_include_paths)
list(GET torch_facts 3 torch_library_paths)
string(REPLACE "@" ";" torch_include_paths "${torch_include_paths}")
string(REPLACE "@" ";" torch_library_paths "${torch_library_paths}")
message(STATUS "LibTorch ${SIAMAUDIO_TORCH_VERSION} from ${torch_library_paths}")

add_library(siamaudio_torch INTERFACE)
add_library(siamaudio::torch ALIAS siamaudio_torch)
target_include_directories(siamaudio_torch SYSTEM INTERFACE ${torch_include_paths})
target_compile_definitions(siamaudio_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=${torch_cxx11_abi})
foreach(name IN ITEMS torch_cpu c10)
  find_library(siamaudio_lib_${name} ${name} PATHS ${torch_library_paths} NO_DEFAULT_PATH REQUIRED)
  target_link_libraries(siamaudio_torch INTERFACE ${siamaudio_lib_${name}})
endforeach()

# at::parallel_for is a template that starts threads only where OpenMP is on, and they must be torch's own: a second
# OpenMP library in the process would bring a second pool of threads.
file(GLOB siamaudio_torch_openmp ${torch_library_paths}/libgomp*.so*)
if(siamaudio_torch_openmp)
  target_compile_options(siamaudio_torch INTERFACE -fopenmp)
  target_link_libraries(siamaudio_torch INTERFACE ${siamaudio_torch_openmp})
else()
  message(WARNING "torch in ${torch_library_paths} has no libgomp: our own kernels will run on one thread")
endif()
