#pragma once

#include "../emulated.h"

namespace moe::cuda {

template <typename... Parameters, typename... Args>
void start(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, cudaStream_t stream,
           Args... args) {
  emulated::launch(stream, blocks, threads, false, [=] { kernel(args...); });
}
template <typename... Parameters, typename... Args>
void start_warps(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, cudaStream_t stream,
                 Args... args) {
  emulated::launch(stream, blocks, threads, true, [=] { kernel(args...); });
}

}  // namespace moe::cuda
