#pragma once

namespace moe {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace moe
