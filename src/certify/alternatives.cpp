#include "alternatives.h"

#include <set>

namespace moe {
namespace {

constexpr int kMostTried = 4096;

/// What follows from decisions, in a form that says whether two of them differ: per token the kept and the dropped
/// experts, whatever their slots, and the first choice where a loss counts it.
using Effect = std::vector<std::vector<Index>>;
Effect effect_of(const Config& config, const Decisions& d) {
  bool first_counts = false;
  for (const Aux& aux : config.aux)
    first_counts = first_counts || (aux.kind == AuxKind::Switch && aux.f_source == LoadSource::Top1);
  Effect effect;
  for (Index t = 0; t < d.expert.rows(); ++t) {
    std::vector<Index> of_token;
    for (Index k = 0; k < d.expert.cols(); ++k) of_token.push_back(2 * d.expert(t, k) + d.plan.kept(t, k));
    std::sort(of_token.begin(), of_token.end());
    if (first_counts) of_token.push_back(d.expert(t, 0));
    effect.push_back(std::move(of_token));
  }
  return effect;
}

/// The rows of expert ids that a tie leaves open for its token: every order of every choice of its members.
std::vector<std::vector<std::int32_t>> open_rows(const Tie& tie, const IdMatrix& ours) {
  const auto tied = [&](Index k) {
    return std::find(tie.experts.begin(), tie.experts.end(), ours(tie.token, k)) != tie.experts.end();
  };
  Index first = 0, slots = 0;
  while (!tied(first)) ++first;
  while (first + slots < ours.cols() && tied(first + slots)) ++slots;
  std::vector<std::vector<std::int32_t>> rows;
  std::vector<Index> order = tie.experts;
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
  Search(const Config& config, const Matrix<Ball>& z, const Decisions& ours, const std::vector<Tie>& ties)
      : config_(config), z_(z), ties_(ties), seen_{effect_of(config, ours)} {
    choose(0, ours.expert);
  }
  OtherDecisions found;

 private:
  /// Every way to resolve the ties from number i on.
  void choose(std::size_t i, const IdMatrix& expert) {
    if (!found.complete) return;
    if (i == ties_.size()) return rank(expert);
    for (const std::vector<std::int32_t>& ids : open_rows(ties_[i], expert)) {
      IdMatrix choice = expert;
      std::copy(ids.begin(), ids.end(), row(choice, ties_[i].token));
      choose(i + 1, choice);
    }
  }
  /// Every order of the assignments whose priorities tie.
  void rank(const IdMatrix& expert) {
    const std::vector<Key<Ball>> key = priority_keys(config_, z_, expert);
    const std::vector<Index> place = places(key);
    std::vector<Index> order(place.size());
    for (Index i = 0; i < static_cast<Index>(place.size()); ++i) at(order, at(place, i)) = i;
    permute(key, order, 0, expert);
  }
  void permute(const std::vector<Key<Ball>>& key, std::vector<Index>& order, Index from,
               const IdMatrix& expert) {
    const auto n = static_cast<Index>(order.size());
    Index to = from + 1;
    while (to < n && tied(at(key, at(order, from)), at(key, at(order, to)))) ++to;
    if (from >= n) return take(order, expert);
    do {
      permute(key, order, to, expert);
    } while (found.complete && std::next_permutation(order.begin() + from, order.begin() + to));
  }
  void take(const std::vector<Index>& order, const IdMatrix& expert) {
    std::vector<Index> place(order.size());
    for (Index i = 0; i < static_cast<Index>(order.size()); ++i) at(place, at(order, i)) = i;
    Decisions d = decide_for(config_, expert, place);
    if (seen_.insert(effect_of(config_, d)).second) {
      if (found.list.size() < kMostAlternatives)
        found.list.push_back(std::move(d));
      else
        found.complete = false;
    }
    if (++tried_ == kMostTried) found.complete = false;
  }

  const Config& config_;
  const Matrix<Ball>& z_;
  const std::vector<Tie>& ties_;
  std::set<Effect> seen_;
  int tried_ = 0;
};

}  // namespace

OtherDecisions other_decisions(const Config& config, const Matrix<Ball>& z, const Decisions& ours,
                               const std::vector<Tie>& ties) {
  return std::move(Search(config, z, ours, ties).found);
}

}  // namespace moe
