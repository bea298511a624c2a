#pragma once

#include "moe/check.h"
#include "moe/scalar/bound.h"

/// Which choices of experts a correct implementation may make.
namespace moe {

/// What ranks the experts of one token, and its groups, with what the profile leaves open.
struct Candidates {
  std::vector<Bound> expert, group;
};
/// The same for all tokens, and the logits that it comes from; where logits rank, also by the scores that increase with them:
/// programs rank by those, too, and rounding makes more of them equal.
struct Rankings {
  Matrix<Bound> z;
  std::vector<Candidates> of_token, by_score;

  /// May the set be the choice of token t?
  bool admits(const Config& config, Index t, const std::vector<Index>& chosen) const;
};
inline double low(const Bound& b) { return b.v - b.e; }
inline double high(const Bound& b) { return b.v + b.e; }

/// What a candidate returned that ranks its experts; null for what it did not.
struct OwnRanks {
  const Held* logits = nullptr;
  const Held* scores = nullptr;
};
/// The rankings under a profile, from the candidate's own numbers where it returned them.
Rankings rankings(const Config& config, const Inputs& inputs, const Profile& profile,
                  const OwnRanks& own = {});

/// The same of logits that are what they are, where nothing else ranks.   z (T, E), b (1, E) or empty
Rankings rankings_of_logits(const Config& config, const Matrix<double>& z, const Matrix<double>& b,
                            const Profile& profile);

/// May the set of experts be the choice of a correct evaluation: in some admissible choice of groups, if there are groups?
bool admissible(const Config& config, const Candidates& c, const std::vector<Index>& chosen);

/// Every set of K experts that may be the choice of token t, each with the likelier experts first; at most `most` of them.
std::vector<std::vector<Index>> admissible_choices(const Config& config, const Rankings& all, Index t,
                                                   std::size_t most);

/// How far the worst chosen one is from the best of the others, and how far off both may be together: the smallest such gap,
/// of experts among the open groups or of these groups among all.
struct Gap {
  double margin = HUGE_VAL, bound = 0;
};
Gap gap_of(const Config& config, const Candidates& c, const std::vector<Index>& chosen);

/// The experts (T, E) of which rounding may decide whether they are among the K best by their scores alone, as stored: what a
/// loss may count, whatever the choice was.
Matrix<std::uint8_t> open_by_score(const Config& config, const Matrix<Bound>& z, const Profile& profile);

inline bool contains(const std::vector<Index>& set, Index i) {
  return std::find(set.begin(), set.end(), i) != set.end();
}

}  // namespace moe
