# libsndfile, libsoxr and KissFFT as one target, siamaudio::audio_libraries; a missing one stops with the line that mends it.

find_package(PkgConfig REQUIRED)
set(missing "")
foreach(module IN ITEMS sndfile soxr)
  pkg_check_modules(${module} IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${module}_FOUND)
    list(APPEND missing ${module})
  endif()
endforeach()

# Only the header kissfft.hh is used: a template, instantiated for the types that the front end computes with.
find_path(KISSFFT_INCLUDE_DIR kissfft.hh PATH_SUFFIXES kissfft)
if(NOT KISSFFT_INCLUDE_DIR)
  list(APPEND missing kissfft)
endif()

if(missing)
  message(FATAL_ERROR "Missing audio libraries: ${missing}. Install them with\n"
                      "  apt-get install libsndfile1-dev libsoxr-dev libkissfft-dev pkg-config\n"
                      "  brew install libsndfile libsoxr kissfft pkg-config\n"
                      "or build without the audio module: -C cmake.define.SIAMAUDIO_AUDIO=OFF")
endif()

add_library(siamaudio_audio_libraries INTERFACE)
add_library(siamaudio::audio_libraries ALIAS siamaudio_audio_libraries)
target_link_libraries(siamaudio_audio_libraries INTERFACE PkgConfig::sndfile PkgConfig::soxr)
target_include_directories(siamaudio_audio_libraries SYSTEM INTERFACE ${KISSFFT_INCLUDE_DIR})
