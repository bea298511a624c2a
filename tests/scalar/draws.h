#pragma once

#include "moe/random.h"

namespace moe {

/// Draws in [-1, 1) of one stream, the same each time.
template <std::uint32_t kStream>
class DrawsOf {
 public:
  double operator()() {
    return static_cast<double>(static_cast<std::int32_t>(stream_.word(next_++))) * 0x1p-31;
  }

 private:
  Stream stream_{kDefaultSeed, kStream, 0};
  std::uint64_t next_ = 0;
};

}  // namespace moe
