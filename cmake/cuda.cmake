# The CUDA backend: host code by the C++ compiler, kernels by nvcc.
if(NOT DEFINED ENV{CUDACXX})
  find_program(CMAKE_CUDA_COMPILER nvcc PATHS /usr/local/cuda/bin)
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
  set(CMAKE_CUDA_ARCHITECTURES 80 90)  # A100, and H100 and H200; what is newer compiles the PTX of the last
endif()
set(CMAKE_CUDA_STANDARD 20)
enable_language(CUDA)
find_package(CUDAToolkit 12.5 REQUIRED)
file(GLOB MOE_CUDA_SOURCES CONFIGURE_DEPENDS src/backends/cuda/*.cpp src/backends/cuda/*.cu)
list(APPEND MOE_SOURCES ${MOE_CUDA_SOURCES})
# Each instantiates the parts of the layer that it defines.
set_source_files_properties(${MOE_CUDA_SOURCES} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
set_property(SOURCE src/backends/backends.cpp APPEND PROPERTY COMPILE_DEFINITIONS MOE_CUDA)

function(moe_use_cuda target)
  target_include_directories(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:${PROJECT_SOURCE_DIR}/src/backends/cuda>)
  # Kernels are computed as written, as the reference is: no fused multiply-adds that the text does not show.
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:--extended-lambda;--fmad=false;-DEIGEN_NO_CUDA>")
  target_link_libraries(${target} PRIVATE CUDA::cudart_static CUDA::cublas)
endfunction()
