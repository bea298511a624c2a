#pragma once

#include "moe/check.h"
#include "moe/scalar/bound.h"

/// Which choices of experts a correct implementation may make.
namespace moe {

/// What ranks the experts of one token, and its groups, with what the profile leaves open.
struct Candidates {
  std::vector<Bound> expert, group;
};
/// The same for all tokens, and the logits that it comes from.
struct Rankings {
  Matrix<Bound> z;
  std::vector<Candidates> of_token;
};
inline double low(const Bound& b) { return b.v - b.e; }
inline double high(const Bound& b) { return b.v + b.e; }

/// The rankings under a profile, from the candidate's own logits where it returned them.
Rankings rankings(const Config& config, const Inputs& inputs, const Profile& profile, const Held* logits);

/// May the set of experts be the choice of a correct evaluation: in some admissible choice of groups, if there are groups?
bool admissible(const Config& config, const Candidates& c, const std::vector<Index>& chosen);

/// How far the worst chosen one is from the best of the others, and how far off both may be together: the smallest such gap,
/// of experts among the open groups or of these groups among all.
struct Gap {
  double margin = HUGE_VAL, bound = 0;
};
Gap gap_of(const Config& config, const Candidates& c, const std::vector<Index>& chosen);

inline bool contains(const std::vector<Index>& set, Index i) {
  return std::find(set.begin(), set.end(), i) != set.end();
}

}  // namespace moe
