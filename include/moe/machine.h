#pragma once

#include <functional>
#include <string>
#include <vector>

#include "moe/array.h"

/// What this machine can do at most: work that is nothing but arithmetic, or nothing but reading, to be timed beside a layer.
namespace moe {

/// Something to time, and how much of it is done in one go.
struct Limit {
  std::string name;
  double amount;  // floating-point operations, or bytes
  std::function<void()> run;
};

/// Large products of f32 or bf16 matrices by all threads, in the ways that oneDNN has, with packed weights and as they come,
/// and in our own, if this machine has it. bf16 without instructions for it is f32 arithmetic, and has the same limit.
std::vector<Limit> arithmetic_limits(Format dtype);

/// Reading about so many bytes from memory by all threads, in several ways: now some of `all` bytes, next time those after
/// them, so that no cache keeps them where `all` are too many for it.
std::vector<Limit> reading_limits(Index bytes, Index all);

/// The bytes of the last-level cache; 32 MiB where the system does not say.
Index last_level_cache();

}  // namespace moe
