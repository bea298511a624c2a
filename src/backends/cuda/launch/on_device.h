#pragma once

#include <cuda_runtime.h>

/// How a kernel is started. Tests replace this file by one that runs kernels on the CPU.
namespace moe::cuda {

template <typename... Parameters, typename... Args>
void start(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, cudaStream_t stream,
           Args... args) {
  kernel<<<blocks, threads, 0, stream>>>(args...);
}
/// ... one whose threads meet in warp functions.
template <typename... Parameters, typename... Args>
void start_warps(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, cudaStream_t stream,
                 Args... args) {
  kernel<<<blocks, threads, 0, stream>>>(args...);
}

}  // namespace moe::cuda
