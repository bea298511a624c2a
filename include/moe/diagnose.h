#pragma once

#include "moe/bugs.h"
#include "moe/check.h"

/// Which other convention, or which mistake, explains an answer that a case does not.
namespace moe {

/// What an implementation may compute in place of what a case says.
struct Hypothesis {
  std::string name;      // "router.renorm = none", or that of a bug
  std::string sentence;  // what it does, and what to change
  int gotcha = 0;        // its number in docs/GOTCHAS.md; 0 where it has none
  Bug bug;
};

/// The single changes of a config that its fields allow, then the mistakes: bugs(), and experts of few exchanged.
std::vector<Hypothesis> hypotheses(const Config& config);

struct Diagnosis {
  std::string name, sentence;
  int gotcha = 0;
  double residual = 0;    // the rms of (got - variant) / sigma, in the mean over tensors
  double ratio = 0;       // to the residual of the case as it is specified
  bool explains = false;  // is nothing but rounding left, at least of y?
  std::vector<std::string> not_explained = {};  // where it explains y: the tensors of which more is left
  std::vector<std::string> alike;               // what gives the same numbers on this case
};

/// The best five explanations of an answer, the best first; none where the answer agrees with the case. Throws Error for a
/// case that must be refused, and for an answer without tensors.
std::vector<Diagnosis> diagnose(const CheckCase& c, const Answer& answer, const CheckOptions& options);

}  // namespace moe
