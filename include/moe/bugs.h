#pragma once

#include "moe/evaluate.h"
#include "moe/scalar/profile.h"

/// Mistakes that implementations make, as data: each changes the config, the inputs, the decisions, the forward pass
/// or the tensors of an otherwise correct evaluation. What a bug does not reach, it leaves as it is.
namespace moe {

/// Other passes, forward and backward, of the program that holds the mistake, in its own arithmetic.
struct Passes {
  bool narrow = false;  // is it at Narrow, and not at double?
  std::function<Arrays(const Config&, const Inputs&, const Decisions&)> run;
};

struct Bug {
  std::string name;  // "<stage>: <what is wrong>"
  std::function<void(Config&)> config = {};
  std::function<void(const Config&, Inputs&)> inputs = {};
  std::function<void(const Config&, const Inputs&, Decisions&)> decisions = {};
  // What router and experts gave: what is combined from it, losses and gradients follow.
  std::function<void(const Config&, const Params<double>&, Trace<double>&)> trace = {};
  std::function<void(const Config&, const Inputs&, const Decisions&, Arrays&)> tensors = {};
  std::function<void(const Config&, const Inputs&, const Decisions&, const Passes&, Arrays&)> passes = {};
};

const std::vector<Bug>& bugs();

/// Forward and backward with the bug in it: at binary64, or as a plain program does that has the arithmetic of a profile.
Arrays evaluate_with(const Bug& bug, const Config& config, const Inputs& inputs,
                     const Profile* profile = nullptr);

}  // namespace moe
