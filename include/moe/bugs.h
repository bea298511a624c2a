#pragma once

#include "moe/evaluate.h"

/// Mistakes that implementations make, as data: each changes the config, the inputs, the decisions, the forward pass
/// or the tensors of an otherwise correct evaluation. What a bug does not reach, it leaves as it is.
namespace moe {

struct Bug {
  std::string name;  // "<stage>: <what is wrong>"
  std::function<void(Config&)> config = {};
  std::function<void(const Config&, Inputs&)> inputs = {};
  std::function<void(const Config&, const Inputs&, Decisions&)> decisions = {};
  // What router and experts gave: what is combined from it, losses and gradients follow.
  std::function<void(const Config&, const Params<double>&, Trace<double>&)> trace = {};
  std::function<void(const Config&, const Inputs&, const Decisions&, Arrays&)> tensors = {};
};

const std::vector<Bug>& bugs();

/// Forward and backward at double with the bug in it.
Arrays evaluate_with(const Bug& bug, const Config& config, const Inputs& inputs);

}  // namespace moe
