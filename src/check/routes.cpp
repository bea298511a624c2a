#include "moe/routes.h"

#include <set>

#include "admissible.h"
#include "moe/validate.h"

namespace moe {
namespace {

void require_choice_by_logits(const Config& config) {
  require(has_router(config), "router.score_function", "none", "has no routes");
  require(!is_given(config), "router.choice", spelling(config.router.choice),
          "leaves the router nothing to choose");
  require(!has_noise(config) && !has_gumbel(config), "noise.kind", spelling(config.noise.kind),
          "is in no recording");
}

bool all_skipped(const std::vector<Index>& chosen) {
  return std::all_of(chosen.begin(), chosen.end(), [](Index e) { return e == -1; });
}

/// Are they K experts of E?
bool are_experts(const std::vector<Index>& chosen, Index E) {
  const std::set<Index> set(chosen.begin(), chosen.end());
  return set.size() == chosen.size() && *set.begin() >= 0 && *set.rbegin() < E;
}

/// The widest gap between an expert that should have been chosen and one that was, where both are open; else that of the best choice.
Gap widest_gap(const Config& config, const Candidates& c, const std::vector<Index>& chosen,
               const std::vector<Index>& right) {
  Gap widest = gap_of(config, c, right);
  if (has_groups(config) || !are_experts(chosen, static_cast<Index>(c.expert.size()))) return widest;
  for (const Index r : right)
    for (const Index e : chosen) {
      const double margin = at(c.expert, r).v - at(c.expert, e).v;
      if (!contains(chosen, r) && !contains(right, e) && margin > widest.margin)
        widest = {margin, at(c.expert, r).e + at(c.expert, e).e};
    }
  return widest;
}

RoutesVerdict judge(const Config& config, const Matrix<Index>& ids, const IdMatrix& nearest,
                    const Rankings& all) {
  const Index T = ids.rows(), K = ids.cols(), E = config.shape.num_experts;
  RoutesVerdict verdict;
  for (Index t = 0; t < T; ++t) {
    const std::vector<Index> chosen(row(ids, t), row(ids, t) + K),
        right(row(nearest, t), row(nearest, t) + K);
    if (all_skipped(chosen)) {
      ++verdict.skipped;
      continue;
    }
    const bool experts = are_experts(chosen, E);
    if (!experts || !all.admits(config, t, chosen)) {
      const Gap gap = widest_gap(config, at(all.of_token, t), chosen, right);
      verdict.wrong.push_back({t, chosen, right, experts, gap.margin, gap.bound});
      continue;
    }
    const Gap gap = gap_of(config, at(all.of_token, t), right);
    const bool flipped = std::set(chosen.begin(), chosen.end()) != std::set(right.begin(), right.end());
    verdict.flips += flipped ? 1 : 0;
    ++(gap.margin == 0                      ? verdict.tied
       : gap.margin <= gap.bound || flipped ? verdict.ambiguous
                                            : verdict.certain);
  }
  return verdict;
}

}  // namespace

RoutesVerdict judge_routes(const Config& config, const Matrix<Index>& ids, const Matrix<double>& z,
                           const Matrix<double>& b, const Profile& profile) {
  require_choice_by_logits(config);
  return judge(config, ids, choose_experts(config.router, z, b, config.shape.top_k),
               rankings_of_logits(config, z, b, profile));
}

RoutesVerdict judge_routes(const Config& config, const Matrix<Index>& ids, const Inputs& inputs,
                           const Profile& profile) {
  require_choice_by_logits(config);
  const auto params = params_of<double>(config, inputs);
  const Matrix<double> z = logits_forward(config, all_rows(params.x), params).logits;
  return judge(config, ids,
               choose_experts(config.router, z, all_rows(params.selection_bias), config.shape.top_k),
               rankings(config, inputs, profile));
}

}  // namespace moe
