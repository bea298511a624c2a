#include "admissible.h"

#include <numeric>

namespace moe {
namespace {

std::vector<Bound> scores_of(const std::vector<Key<Bound>>& keys) {
  std::vector<Bound> scores;
  scores.reserve(keys.size());
  for (const Key<Bound>& key : keys) scores.push_back(key.score);
  return scores;
}

/// May `chosen` be the best of those of `all` that are open?
bool may_be_best(const std::vector<Bound>& all, const std::vector<Index>& chosen,
                 const std::vector<char>& open) {
  double worst_chosen = HUGE_VAL;
  for (const Index i : chosen)
    worst_chosen = at(open, i) ? std::min(worst_chosen, high(at(all, i))) : -HUGE_VAL;
  for (Index i = 0; i < static_cast<Index>(all.size()); ++i)
    if (at(open, i) && !contains(chosen, i) && low(at(all, i)) > worst_chosen) return false;
  return worst_chosen > -HUGE_VAL || chosen.empty();
}

/// Calls visit(set) for every way to fill `set` up to `size` from [next, n), until it returns true.
template <typename Visit>
bool each_completion(std::vector<Index>& set, std::size_t size, Index next, Index n, Visit visit) {
  if (set.size() == size) return visit(set);
  for (Index i = next; i < n; ++i) {
    if (contains(set, i)) continue;
    set.push_back(i);
    if (each_completion(set, size, i + 1, n, visit)) return true;
    set.pop_back();
  }
  return false;
}

/// What competes where `groups` are open: (R1).
struct Field {
  std::vector<Bound> expert;
  std::vector<char> open;
};
Field field_of(const Router& router, const std::vector<Bound>& expert, const std::vector<Index>& groups) {
  const auto E = static_cast<Index>(expert.size());
  Field field{expert, open_experts(router, E, groups)};
  if (router.n_group == 1 || !closed_compete(router)) return field;
  for (Index e = 0; e < E; ++e)
    if (at(field.open, e) == 0) at(field.expert, e) = Bound(0);
  field.open = all_open(E);
  return field;
}

Gap gap_of(const std::vector<Bound>& all, const std::vector<Index>& chosen, const std::vector<char>& open) {
  Gap gap;
  for (const Index i : chosen)
    for (Index j = 0; j < static_cast<Index>(all.size()); ++j) {
      if (!at(open, j) || contains(chosen, j)) continue;
      const double margin = at(all, i).v - at(all, j).v, bound = at(all, i).e + at(all, j).e;
      if (margin - bound < gap.margin - gap.bound || gap.margin == HUGE_VAL) gap = {margin, bound};
    }
  return gap;
}

}  // namespace

namespace {

/// Where noise does not rank the first choice: what ranks a token if the first is another one that rounding may put there.
std::vector<Bound> with_other_first(const Config& config, const Bound* z, const Bound* h, Index E,
                                    std::vector<Bound> ranks) {
  const std::vector<Bound> s = scores_to_rank(config.router, z, E);
  const Index first =
      std::max_element(ranks.begin(), ranks.end(), [](const Bound& a, const Bound& b) { return a.v < b.v; }) -
      ranks.begin();
  const auto may_exceed = [&](const Bound& a, const Bound& b) { return high(a) >= low(b); };
  for (Index e = 0; e < E; ++e)
    if (e != first && (may_exceed(z[e], z[first]) || may_exceed(at(s, e), at(s, first)))) {
      std::swap(at(ranks, e), at(ranks, first));
      at(ranks, first) = h[first];
      return ranks;
    }
  return ranks;
}

}  // namespace

namespace {

/// What ranks every token, of its logits.   given (T, K) or empty, b (1, E) or empty
Rankings ranked(const Config& config, const RouterLogits<Bound>& logits, const Matrix<Bound>& given,
                const Matrix<Bound>& b, const OwnRanks& own) {
  Rankings all;
  all.z = logits.logits;
  const Matrix<Bound>& z = all.z;
  const Index E = z.cols();
  for (Index t = 0; t < z.rows(); ++t) {
    Candidates c;
    if (chooses_by_input(config)) {
      c.expert = scores_of(keys_of_input(config, logits, given, t));
      if (ranks_first_clean(config.noise))
        all.by_score.push_back(
            {with_other_first(config, row(z, t), row(logits.noise.ranked, t), E, c.expert), {}});
    } else if (has_noise(config)) {
      c.expert.assign(row(z, t), row(z, t) + E);
    } else {
      const Ranking<Bound> r = ranking_of(config.router, row(z, t), b.size() > 0 ? b.data() : nullptr, E);
      c.expert = scores_of(r.expert), c.group = scores_of(r.group);
    }
    if (b.size() == 0 && !chooses_by_input(config)) {
      Candidates by_score{scores_to_rank(config.router, row(z, t), E), c.group};
      for (Index e = 0; own.scores != nullptr && e < E; ++e)
        at(by_score.expert, e) = at(own.scores->values, t * E + e);
      for (Index e = E - config.router.sinks; e < E; ++e) at(by_score.expert, e) = Bound(kRankOfSink);
      all.by_score.push_back(std::move(by_score));
    }
    all.of_token.push_back(std::move(c));
  }
  return all;
}

}  // namespace

Rankings rankings(const Config& config, const Inputs& inputs, const Profile& profile, const OwnRanks& own) {
  const ProfileScope scope(profile);
  const Params<Bound> params = params_of<Bound>(config, inputs);
  Isolation isolation;
  const Tensor by = has_noise(config) ? Tensor::router_noisy_logits : Tensor::router_logits;
  isolation.held[static_cast<std::size_t>(by)] = own.logits;
  RouterLogits<Bound> logits;
  {
    const IsolationScope isolated(own.logits != nullptr ? &isolation : nullptr);
    logits = logits_forward(config, all_rows(params.x), params);
  }
  return ranked(config, logits, all_rows(params.given_ids), all_rows(params.selection_bias), own);
}

Rankings rankings_of_logits(const Config& config, const Matrix<double>& z, const Matrix<double>& b,
                            const Profile& profile) {
  const ProfileScope scope(profile);
  RouterLogits<Bound> logits;
  logits.logits = z.cast<Bound>();
  return ranked(config, logits, {}, b.cast<Bound>(), {});
}

bool Rankings::admits(const Config& config, Index t, const std::vector<Index>& chosen) const {
  return admissible(config, at(of_token, t), chosen) ||
         (!by_score.empty() && admissible(config, at(by_score, t), chosen));
}

bool admissible(const Config& config, const Candidates& c, const std::vector<Index>& chosen) {
  const Router& router = config.router;
  const auto E = static_cast<Index>(c.expert.size());
  if (!has_groups(config)) return may_be_best(c.expert, chosen, all_open(E));
  std::vector<Index> groups;  // that must be open
  for (const Index e : chosen)
    if (const Index g = e / (E / router.n_group); !closed_compete(router) && !contains(groups, g))
      groups.push_back(g);
  if (static_cast<Index>(groups.size()) > router.topk_group) return false;
  return each_completion(groups, static_cast<std::size_t>(router.topk_group), 0, router.n_group,
                         [&](const std::vector<Index>& full) {
                           const Field field = field_of(router, c.expert, full);
                           return may_be_best(c.group, full, all_open(router.n_group)) &&
                                  may_be_best(field.expert, chosen, field.open);
                         });
}

namespace {

/// How many of those that are open rank above number i, surely or perhaps.
struct Rank {
  Index surely_above = 0, maybe_above = 0;
};
Rank rank_of(const std::vector<Bound>& all, const std::vector<char>& open, Index i) {
  Rank rank;
  for (Index other = 0; other < static_cast<Index>(all.size()); ++other) {
    if (other == i || !at(open, other)) continue;
    rank.surely_above += low(at(all, other)) > high(at(all, i)) ? 1 : 0;
    rank.maybe_above += high(at(all, other)) >= low(at(all, i)) ? 1 : 0;
  }
  return rank;
}

/// The sets of K among the experts that are open: those that are surely among the K best, and any of those that may be.
class Choices {
 public:
  Choices(const std::vector<Bound>& all, const std::vector<char>& open, Index K, std::size_t most,
          std::vector<std::vector<Index>>& found)
      : all_(all), open_(open), K_(static_cast<std::size_t>(K)), most_(most), found_(found) {}

  void run() {
    std::vector<Index> set;
    for (Index i = 0; i < static_cast<Index>(all_.size()); ++i) {
      if (!at(open_, i)) continue;
      const Rank rank = rank_of(all_, open_, i);
      if (rank.maybe_above < static_cast<Index>(K_))
        set.push_back(i);
      else if (rank.surely_above < static_cast<Index>(K_))
        open_ends_.push_back(i);
    }
    const auto by_value = [this](Index a, Index b) { return at(all_, a).v > at(all_, b).v; };
    std::stable_sort(open_ends_.begin(), open_ends_.end(), by_value);
    complete(set, 0);
    for (std::vector<Index>& choice : found_) std::stable_sort(choice.begin(), choice.end(), by_value);
  }

 private:
  void complete(std::vector<Index>& set, std::size_t next) {
    if (found_.size() >= most_) return;
    if (set.size() == K_) {
      if (may_be_best(all_, set, open_)) found_.push_back(set);
      return;
    }
    for (std::size_t i = next; i + K_ - set.size() <= open_ends_.size(); ++i) {
      set.push_back(open_ends_[i]);
      complete(set, i + 1);
      set.pop_back();
    }
  }

  const std::vector<Bound>& all_;
  const std::vector<char>& open_;
  std::size_t K_, most_;
  std::vector<std::vector<Index>>& found_;
  std::vector<Index> open_ends_;
};

}  // namespace

Matrix<std::uint8_t> open_by_score(const Config& config, const Matrix<Bound>& z, const Profile& profile) {
  const ProfileScope scope(profile);
  const Index T = z.rows(), E = z.cols(), K = config.shape.top_k;
  Matrix<std::uint8_t> open(T, E);
  for (Index t = 0; t < T; ++t) {
    const std::vector<Bound> s = scores_to_rank(config.router, row(z, t), E);
    for (Index e = 0; e < E; ++e) {
      const Rank rank = rank_of(s, all_open(E), e);
      open(t, e) = rank.surely_above < K && rank.maybe_above >= K ? 1 : 0;
    }
  }
  return open;
}

namespace {

void add_choices(const Config& config, const Candidates& c, std::size_t most,
                 std::vector<std::vector<Index>>& found) {
  const Router& router = config.router;
  const auto E = static_cast<Index>(c.expert.size());
  const Index K = config.shape.top_k;
  if (!has_groups(config)) {
    const std::vector<char> open = all_open(E);
    return Choices(c.expert, open, K, most, found).run();
  }
  std::vector<Index> groups;
  each_completion(groups, static_cast<std::size_t>(router.topk_group), 0, router.n_group,
                  [&](const std::vector<Index>& full) {
                    if (!may_be_best(c.group, full, all_open(router.n_group))) return false;
                    const Field field = field_of(router, c.expert, full);
                    Choices(field.expert, field.open, K, most, found).run();
                    return found.size() >= most;
                  });
}

}  // namespace

std::vector<std::vector<Index>> admissible_choices(const Config& config, const Rankings& all, Index t,
                                                   std::size_t most) {
  std::vector<std::vector<Index>> found;
  add_choices(config, at(all.of_token, t), most, found);
  if (!all.by_score.empty()) add_choices(config, at(all.by_score, t), most, found);
  return found;
}

Gap gap_of(const Config& config, const Candidates& c, const std::vector<Index>& chosen) {
  const auto E = static_cast<Index>(c.expert.size());
  if (!has_groups(config)) return gap_of(c.expert, chosen, all_open(E));
  std::vector<Index> groups(static_cast<std::size_t>(config.router.n_group));
  std::iota(groups.begin(), groups.end(), 0);
  std::stable_sort(groups.begin(), groups.end(),
                   [&](Index a, Index b) { return at(c.group, a).v > at(c.group, b).v; });
  groups.resize(static_cast<std::size_t>(config.router.topk_group));
  const Gap of_groups = gap_of(c.group, groups, all_open(config.router.n_group));
  const Field field = field_of(config.router, c.expert, groups);
  const Gap of_experts = gap_of(field.expert, chosen, field.open);
  return of_groups.margin - of_groups.bound < of_experts.margin - of_experts.bound ? of_groups : of_experts;
}

}  // namespace moe
