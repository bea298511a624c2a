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

Rankings rankings(const Config& config, const Inputs& inputs, const Profile& profile, const Held* logits) {
  const ProfileScope scope(profile);
  const Params<Bound> params = params_of<Bound>(config, inputs);
  Isolation isolation;
  const Tensor ranked = has_noise(config) ? Tensor::router_noisy_logits : Tensor::router_logits;
  isolation.held[static_cast<std::size_t>(ranked)] = logits;
  Rankings all;
  {
    const IsolationScope isolated(logits != nullptr ? &isolation : nullptr);
    all.z = logits_forward(config, all_rows(params.x), params).logits;
  }
  const Matrix<Bound>& z = all.z;
  const Matrix<Bound> b = all_rows(params.selection_bias);
  for (Index t = 0; t < z.rows(); ++t) {
    Candidates c;
    if (has_noise(config)) {
      c.expert.assign(row(z, t), row(z, t) + z.cols());
    } else {
      const Ranking<Bound> r =
          ranking_of(config.router, row(z, t), b.size() > 0 ? b.data() : nullptr, z.cols());
      c.expert = scores_of(r.expert), c.group = scores_of(r.group);
    }
    all.of_token.push_back(std::move(c));
  }
  return all;
}

bool admissible(const Config& config, const Candidates& c, const std::vector<Index>& chosen) {
  const Router& router = config.router;
  const auto E = static_cast<Index>(c.expert.size());
  if (!has_groups(config)) return may_be_best(c.expert, chosen, all_open(E));
  std::vector<Index> groups;
  for (const Index e : chosen)
    if (const Index g = e / (E / router.n_group); !contains(groups, g)) groups.push_back(g);
  if (static_cast<Index>(groups.size()) > router.topk_group) return false;
  return each_completion(groups, static_cast<std::size_t>(router.topk_group), 0, router.n_group,
                         [&](const std::vector<Index>& full) {
                           return may_be_best(c.group, full, all_open(router.n_group)) &&
                                  may_be_best(c.expert, chosen, open_experts(router, E, full));
                         });
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
  const Gap of_experts = gap_of(c.expert, chosen, open_experts(config.router, E, groups));
  return of_groups.margin - of_groups.bound < of_experts.margin - of_experts.bound ? of_groups : of_experts;
}

}  // namespace moe
