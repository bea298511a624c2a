#pragma once

#include "moe/evaluate.h"
#include "moe/scalar/exact.h"

/// The exact tier: what a layer in floating point must match at zero tolerance.
namespace moe {

/// A real tensor whose every element is dyadic, and what a format needs so that no operation on the way to it rounds.
struct ExactTensor {
  std::string name;
  Array values;
  Need need;  // all 0 where everything on the way is 0
};

/// Those tensors of a layer for given decisions, forward and backward, in the order of every file. None where a
/// comparison on the way hangs on a number that is not dyadic.
std::vector<ExactTensor> exact_tensors(const Config& config, const Inputs& inputs,
                                       const Decisions& decisions);

}  // namespace moe
