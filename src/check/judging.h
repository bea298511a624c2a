#pragma once

#include <set>

#include "arithmetic.h"
#include "routing.h"

/// One answer to one case, judged in one arithmetic: route, align, expect, judge, verdict.
namespace moe {

/// What is judged, and in which arithmetic.
struct Judging {
  const CheckCase& c;
  const Answer& answer;
  const Decisions& expected;  // what the case decides
  const Profile& profile;
  StoredIn stored;  // how returned tensors are stored, where that is known: else as they were returned
  Mode mode = Mode::Automatic;
  const std::vector<std::string>& require;  // what must be there, beside what the case demands

  bool from_own() const { return mode == Mode::Automatic || mode == Mode::Isolated; }
  Format stored_as(const std::string& name, const Array& a) const {
    const auto found = stored.find(name);
    return found == stored.end() ? a.format : found->second;
  }
};

/// An answer in our order of slots and rows.
struct Aligned {
  Decisions decisions;  // the candidate's own where they are admissible, else what is expected
  bool as_expected = true;
  Arrays tensors;
  std::optional<RoutingVerdict> routing;  // where there is a router, and it was not given
  bool backward = false;                  // does it hold gradients?
};
Aligned aligned(const Judging& j);

/// What each real tensor is judged by.
struct Expectation {
  Budgets budgets;
  std::set<std::string> isolated;  // judged from the candidate's own numbers alone
  bool left_range = false;         // does a number leave the range of what it is kept in, or may it?
};
Expectation expectation(const Judging& j, const Aligned& a);

/// Every tensor that was returned and that the layer has.
std::vector<TensorVerdict> judged(const Judging& j, const Aligned& a, Expectation& e);

/// The decisions of the case; those of a golden file where it states them.
Decisions expected_decisions(const CheckCase& c);

/// All of it. A candidate that does not say whom it chose is right if y fits any choice that it may have made.
CaseVerdict judged_case(const Judging& j);

/// Other decisions that a candidate may have made of which no tensor tells that it returned, the most plausible first: those
/// that the case states, then the nearest to what was returned of all that rounding allows.
struct OtherChoices {
  std::vector<Decisions> list;
  bool all_tried = true;  // else the layer is too large for all that rounding allows
};
OtherChoices other_decisions(const Judging& j, const Aligned& a);
/// How many evaluations of a layer a search may take, so that it ends in seconds: `most`, fewer of a large layer, none of one as
/// large as a real model's.
Index evaluations_allowed(const Config& config, Index most);
/// The experts of each token, in a layer without a limit, by which its rows of y and grad.x lie nearest.
struct NearestChoices {
  IdMatrix expert;
  bool all_tried = true;
};
NearestChoices nearest_choices(const Judging& j, const Aligned& a);

}  // namespace moe
