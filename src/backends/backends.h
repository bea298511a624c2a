#pragma once

#include "moe/backend.h"

namespace moe {

extern const Backend kReferenceBackend, kCpuBackend;

}  // namespace moe
