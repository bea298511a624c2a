#pragma once

#include "moe/backend.h"

namespace moe {

extern const Backend kReferenceBackend, kCpuBackend, kCudaBackend;  // the last with MOE_CUDA

/// Throws Error unless `batch` has what enters the layer with its tokens, in shapes that fit each other.
void require_batch(const Config& config, const Inputs& batch);

}  // namespace moe
