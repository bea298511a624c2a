#include "alternatives.h"

#include <set>

namespace moe {
namespace {

constexpr int kMostTried = 4096;
constexpr std::size_t kMostTies = 12;  // of two ways each, that is as many as are tried

bool counts_first_choices(const Config& config) {
  return std::any_of(config.aux.begin(), config.aux.end(),
                     [](const Aux& aux) { return is_balance(aux) && counts_first_only(aux); });
}

/// What follows from decisions, in a form that says whether two of them differ: per token the kept and the dropped
/// experts, whatever their slots but where each weight is of what was left, and the first choice where a loss counts it.
using Effect = std::vector<std::vector<Index>>;
Effect effect_of(const Config& config, const Decisions& d) {
  const bool first_counts = counts_first_choices(config);
  Effect effect;
  for (Index t = 0; t < d.expert.rows(); ++t) {
    std::vector<Index> of_token;
    for (Index k = 0; k < d.expert.cols(); ++k) of_token.push_back(2 * d.expert(t, k) + d.plan.kept(t, k));
    if (!shares_what_is_left(config.router)) std::sort(of_token.begin(), of_token.end());
    if (first_counts) of_token.push_back(d.expert(t, 0));
    effect.push_back(std::move(of_token));
  }
  return effect;
}

/// The rows of expert ids that a tie leaves open for its token: every order of every choice of its members.
std::vector<std::vector<std::int32_t>> open_rows(const Tie& tie, const IdMatrix& ours) {
  const auto tied = [&](Index k) {
    return std::find(tie.members.begin(), tie.members.end(), ours(tie.token, k)) != tie.members.end();
  };
  Index first = 0, slots = 0;
  while (!tied(first)) ++first;
  while (first + slots < ours.cols() && tied(first + slots)) ++slots;
  std::vector<std::vector<std::int32_t>> rows;
  std::vector<Index> order = tie.members;
  std::set<std::vector<Index>> seen;
  for (int tried = 0; tried < kMostTried; ++tried) {
    if (seen.insert({order.begin(), order.begin() + slots}).second) {
      std::vector<std::int32_t> ids(row(ours, tie.token), row(ours, tie.token) + ours.cols());
      for (Index i = 0; i < slots; ++i) at(ids, first + i) = static_cast<std::int32_t>(at(order, i));
      rows.push_back(std::move(ids));
    }
    if (!std::next_permutation(order.begin(), order.end())) break;
  }
  return rows;
}

class Search {
 public:
  Search(const Config& config, const Matrix<Ball>& z, const Lots<Ball>& lots, const Decisions& ours,
         const std::vector<Tie>& ties, const std::vector<Tie>& group_ties)
      : config_(config), z_(z), lots_(lots), ours_(ours), seen_{effect_of(config, ours)} {
    const bool order_matters =
        has_capacity(config) || counts_first_choices(config) || shares_what_is_left(config.router);
    keep(ties, order_matters, ties_);
    keep(group_ties, false, group_ties_);
    choose(0, ours.expert);
  }
  OtherDecisions found;

 private:
  /// Those of `ties` that can change a result, the first kMostTies of them.
  void keep(const std::vector<Tie>& ties, bool order_matters, std::vector<Tie>& kept) {
    for (const Tie& tie : ties)
      if (tie.at_boundary || order_matters) kept.push_back(tie);
    if (kept.size() > kMostTies) kept.resize(kMostTies), found.complete = false;
  }
  /// Every way to resolve the ties from number i on.
  void choose(std::size_t i, const IdMatrix& expert) {
    if (done()) return;
    if (i == ties_.size()) return choose_groups(0, expert);
    for (const std::vector<std::int32_t>& ids : open_rows(ties_[i], expert)) {
      IdMatrix choice = expert;
      std::copy(ids.begin(), ids.end(), row(choice, ties_[i].token));
      choose(i + 1, choice);
    }
  }
  /// ... and the ties of groups, whose other choices bring other experts.
  void choose_groups(std::size_t i, const IdMatrix& expert) {
    if (done()) return;
    if (i == group_ties_.size()) return rank(expert);
    choose_groups(i + 1, expert);
    for (const std::vector<Index>& ids : group_ties_[i].instead) {
      IdMatrix choice = expert;
      std::copy(ids.begin(), ids.end(), row(choice, group_ties_[i].token));
      choose_groups(i + 1, choice);
    }
  }
  /// Every order of the assignments whose priorities tie.
  void rank(const IdMatrix& expert) {
    const std::vector<Key<Ball>> key = priority_keys(config_, z_, expert, lots_);
    const std::vector<Index> place = places(key);
    std::vector<Index> order(place.size());
    const auto n = static_cast<Index>(place.size());
    for (Index i = 0; i < n; ++i) at(order, at(place, i)) = i;
    std::vector<Span> tied_spans;
    for (Index from = 0, to = 1; from < n; from = to++) {
      while (to < n && tied(at(key, at(order, from)), at(key, at(order, to)))) ++to;
      if (to - from > 1) tied_spans.push_back({from, to});
    }
    if (tied_spans.size() > kMostTies) tied_spans.resize(kMostTies), found.complete = false;
    permute(tied_spans, 0, order, expert);
  }
  /// Places [from, to) of the order, whose keys tie.
  struct Span {
    Index from, to;
  };
  void permute(const std::vector<Span>& spans, std::size_t i, std::vector<Index>& order,
               const IdMatrix& expert) {
    if (i == spans.size()) return take(order, expert);
    do {
      permute(spans, i + 1, order, expert);
    } while (!done() && std::next_permutation(order.begin() + spans[i].from, order.begin() + spans[i].to));
  }
  bool done() const { return tried_ >= kMostTried || found.list.size() > kMostAlternatives; }
  void take(const std::vector<Index>& order, const IdMatrix& expert) {
    std::vector<Index> place(order.size());
    for (Index i = 0; i < static_cast<Index>(order.size()); ++i) at(place, at(order, i)) = i;
    Decisions d = ours_;  // equal scores leave all other decisions as they are
    d.expert = expert;
    set_plan(config_, place, d);
    if (seen_.insert(effect_of(config_, d)).second) {
      found.list.push_back(std::move(d));
    }
    if (++tried_ == kMostTried) found.complete = false;
  }

  const Config& config_;
  const Matrix<Ball>& z_;
  const Lots<Ball>& lots_;
  const Decisions& ours_;
  std::vector<Tie> ties_, group_ties_;
  std::set<Effect> seen_;
  int tried_ = 0;
};

}  // namespace

OtherDecisions other_decisions(const Config& config, const Matrix<Ball>& z, const Lots<Ball>& lots,
                               const Decisions& ours, const std::vector<Tie>& ties,
                               const std::vector<Tie>& group_ties) {
  OtherDecisions found = std::move(Search(config, z, lots, ours, ties, group_ties).found);
  if (found.list.size() > kMostAlternatives) found.list.resize(kMostAlternatives), found.complete = false;
  return found;
}

}  // namespace moe
