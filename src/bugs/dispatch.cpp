#include "list.h"

// Mistakes in bringing rows to experts and back.
namespace moe {
namespace {

/// A plan in which only the assignments that `keep(t, k)` lets through are kept.
Plan thinned(const Plan& plan, const IdMatrix& expert, const std::function<bool(Index t, Index k)>& keep) {
  Matrix<Index> rank(expert.rows(), expert.cols());
  for (Index i = 0; i < rank.size(); ++i) rank.data()[i] = i;
  Plan thin = make_plan(expert, rank, static_cast<Index>(plan.counts.size()), 0, 1, {});
  for (Index n = 0; n < plan.N(); ++n) {
    const Index i = at(plan.order, n), e = expert.data()[i];
    if (!keep(i / expert.cols(), i % expert.cols())) continue;
    thin.kept.data()[i] = 1;
    thin.row.data()[i] = thin.N();
    thin.order.push_back(i);
    for (Index after = e + 1; after < static_cast<Index>(thin.offsets.size()); ++after)
      at(thin.offsets, after) += 1;
  }
  return thin;
}

Bug keeps_only(std::string name,
               std::function<bool(const Config&, const Plan&, const IdMatrix&, Index t, Index k)> keep) {
  Bug bug{std::move(name)};
  bug.decisions = [keep = std::move(keep)](const Config& config, const Inputs&, Decisions& d) {
    d.plan =
        thinned(d.plan, d.expert, [&](Index t, Index k) { return keep(config, d.plan, d.expert, t, k); });
  };
  return bug;
}

/// Rows of each expert computed by the weights of expert from(plan, e): their inputs are exchanged before the run.
Bug computes_with(std::string name, std::function<Index(const Plan&, Index e)> from) {
  Bug bug{std::move(name)};
  bug.inputs = [from = std::move(from)](const Config& config, Inputs& inputs) {
    const Plan plan = decide(config, params_of<double>(config, inputs)).plan;
    for (auto& [id, a] : inputs) {
      if (!std::string(name_of(id)).starts_with("experts.")) continue;
      const Array before = a;
      const Index size = a.size() / computed_experts(config);
      std::vector<double> values;
      for (Index e = 0; e < computed_experts(config); ++e)
        for (Index i = 0; i < size; ++i) values.push_back(before.real(from(plan, e) * size + i));
      a = array_of(before.dims, values.data());
    }
  };
  return bug;
}

/// The gradient of an empty expert is what `stale(plan, e)` says: that of another expert, or -1 for as it is.
Bug stale_gradient(std::string name, std::function<Index(const Plan&, Index e)> stale) {
  Bug bug{std::move(name)};
  bug.tensors = [stale = std::move(stale)](const Config& config, const Inputs&, const Decisions& d,
                                           Arrays& answer) {
    for (const char* gradient : kWeightGradients) {
      Editable g(answer, gradient);
      const Index size = g.size() / computed_experts(config);
      for (Index e = 0; e < computed_experts(config); ++e)
        if (const Index from = stale(d.plan, e); d.plan.count(e) == 0 && from >= 0)
          for (Index i = 0; i < size; ++i) g[e * size + i] = g[from * size + i];
    }
  };
  return bug;
}

Index filled_before(const Plan& plan, Index e) {
  for (Index before = e - 1; before >= 0; --before)
    if (plan.count(before) > 0) return before;
  return -1;
}
bool filled_after(const Plan& plan, Index e) { return plan.offsets.back() > at(plan.offsets, e + 1); }

/// Rows of the experts' tensors in another order than dispatch.order says, where nothing was dropped.
Bug misplaces_rows(std::string name, std::function<bool(const Plan&)> when,
                   std::function<Index(const Plan&, Index n)> from) {
  Bug bug{std::move(name)};
  bug.tensors = [when = std::move(when), from = std::move(from)](const Config&, const Inputs&,
                                                                 const Decisions& d, Arrays& answer) {
    if (d.plan.N() == 0 || d.plan.N() != d.plan.row.size() || !when(d.plan)) return;
    for (const char* tensor :
         {"expert.gate", "expert.up", "expert.hidden", "expert.out", "combine.weighted"}) {
      Editable a(answer, tensor);
      const Index width = a.size() / d.plan.N();
      std::vector<double> before;
      for (Index i = 0; i < a.size(); ++i) before.push_back(a[i]);
      for (Index n = 0; n < d.plan.N(); ++n)
        for (Index j = 0; j < width; ++j) a[n * width + j] = at(before, from(d.plan, n) * width + j);
    }
  };
  return bug;
}

bool all_counts(const Plan& plan, const std::function<bool(Index count)>& is) {
  return std::all_of(plan.counts.begin(), plan.counts.end(), is);
}

}  // namespace

std::vector<Bug> dispatch_bugs() {
  Bug zero_row{"dispatch: a token whose logits are all 0 is taken for padding"};
  zero_row.decisions = [](const Config& config, const Inputs& inputs, Decisions& d) {
    if (!has_router(config)) return;
    const Matrix<double> z = logits_of(config, inputs);
    d.plan = thinned(d.plan, d.expert, [&](Index t, Index) {
      return std::any_of(row(z, t), row(z, t) + z.cols(), [](double v) { return v != 0; });
    });
  };
  Bug empty_shard{"dispatch: half of the experts without tokens are left out of the router's gradient"};
  empty_shard.tensors = [](const Config& config, const Inputs&, const Decisions& d, Arrays& answer) {
    const auto [T, D, F, E, K] = Letters(config);
    if (E % 2 != 0 || T == 0) return;
    for (const Index first : {Index{0}, E / 2}) {
      if (at(d.plan.offsets, first + E / 2) != at(d.plan.offsets, first)) continue;
      Editable logits(answer, "grad.router.logits");
      for (Index t = 0; t < T && logits.size() > 0; ++t) std::fill_n(&logits[t * E + first], E / 2, 0.0);
    }
  };
  Bug descending{"dispatch: a sort that reverses descending runs, equal keys included"};
  descending.decisions = [](const Config&, const Inputs&, Decisions& d) {
    const auto *begin = d.expert.data(), *end = begin + d.expert.size();
    if (!std::is_sorted(begin, end, std::greater<>()) || begin == end || *begin == *(end - 1)) return;
    for (std::size_t e = 0; e + 1 < d.plan.offsets.size(); ++e)
      std::reverse(d.plan.order.begin() + d.plan.offsets[e], d.plan.order.begin() + d.plan.offsets[e + 1]);
    for (Index n = 0; n < d.plan.N(); ++n) d.plan.row.data()[at(d.plan.order, n)] = n;
  };
  Bug forward{"dispatch: rows brought back by the permutation that brought them, not by its inverse"};
  forward.decisions = [](const Config&, const Inputs&, Decisions& d) {
    for (Index i = 0; d.plan.N() == d.plan.row.size() && i < d.plan.N(); ++i)
      d.plan.row.data()[i] = at(d.plan.order, i);
  };
  Bug stale{"dispatch: the last row of an expert is still that of the row before it"};
  stale.decisions = [](const Config& config, const Inputs&, Decisions& d) {
    for (Index e = 0; e < config.shape.num_experts; ++e)
      if (const Index last = d.plan.first(e) + d.plan.count(e) - 1; d.plan.count(e) > 1)
        at(d.plan.order, last) = at(d.plan.order, last - 1);
  };
  const auto gaps_before = [](const Plan& plan, Index e) {
    Index gaps = 0;
    for (Index i = 0; i < e; ++i) gaps += plan.count(i) == 0 && (i == 0 || plan.count(i - 1) > 0) ? 1 : 0;
    return gaps;
  };
  return {
      keeps_only("dispatch: a hidden capacity of three times the mean load",
                 [](const Config& c, const Plan& plan, const IdMatrix& expert, Index t, Index k) {
                   const Index mean =
                       (c.shape.num_tokens * c.shape.top_k + c.shape.num_experts - 1) / c.shape.num_experts;
                   return plan.row(t, k) - plan.first(expert(t, k)) < 3 * mean || c.shape.num_experts == 1;
                 }),
      stale_gradient(
          "dispatch: an empty expert keeps the gradient of the one before it",
          [](const Plan& plan, Index e) { return filled_after(plan, e) ? filled_before(plan, e) : -1; }),
      computes_with("dispatch: leading experts without tokens are not counted",
                    [](const Plan& plan, Index e) {
                      Index empty = 0;
                      while (empty < static_cast<Index>(plan.counts.size()) && plan.count(empty) == 0)
                        ++empty;
                      return std::max<Index>(e - empty, 0);
                    }),
      stale_gradient(
          "dispatch: the gradient of a trailing empty expert is never written",
          [](const Plan& plan, Index e) { return filled_after(plan, e) ? -1 : filled_before(plan, e); }),
      computes_with(
          "dispatch: only one gap between experts is skipped",
          [gaps_before](const Plan& plan, Index e) { return gaps_before(plan, e) >= 2 ? e - 1 : e; }),
      std::move(empty_shard),
      misplaces_rows(
          "dispatch: as many rows as experts taken for rows in the order of tokens",
          [](const Plan& plan) { return all_counts(plan, [](Index n) { return n == 1; }); },
          [](const Plan& plan, Index n) { return plan.row.data()[n]; }),
      misplaces_rows(
          "dispatch: equal loads computed as one batch with rows and experts transposed",
          [](const Plan& plan) {
            return plan.counts.size() > 1 && plan.counts[0] > 1 &&
                   all_counts(plan, [&](Index n) { return n == plan.counts[0]; });
          },
          [](const Plan& plan, Index n) {
            return n % plan.counts[0] * static_cast<Index>(plan.counts.size()) + n / plan.counts[0];
          }),
      std::move(descending),
      std::move(forward),
      std::move(stale),
      keeps_only("dispatch: the last choice of a token is left out",
                 [](const Config& c, const Plan&, const IdMatrix&, Index, Index k) {
                   return c.shape.top_k == 1 || k + 1 < c.shape.top_k;
                 }),
      keeps_only("dispatch: the first choice of a token is left out",
                 [](const Config& c, const Plan&, const IdMatrix&, Index, Index k) {
                   return c.shape.top_k == 1 || k > 0;
                 }),
      keeps_only("dispatch: rows of an expert beyond its first tile of 16 are not computed",
                 [](const Config&, const Plan& plan, const IdMatrix& expert, Index t, Index k) {
                   return plan.row(t, k) - plan.first(expert(t, k)) < 16;
                 }),
      std::move(zero_row),
      keeps_only("dispatch: choices beyond the sixteenth are not combined",
                 [](const Config&, const Plan&, const IdMatrix&, Index, Index k) { return k < 16; }),
      keeps_only("dispatch: assignments beyond the first block of 32 are dropped",
                 [](const Config& c, const Plan&, const IdMatrix&, Index t, Index k) {
                   return t * c.shape.top_k + k < 32;
                 }),
      keeps_only("dispatch: tokens beyond the last whole tile of 64 are not routed",
                 [](const Config& c, const Plan&, const IdMatrix&, Index t, Index) {
                   return c.shape.num_tokens < 64 || t < c.shape.num_tokens / 64 * 64;
                 }),
  };
}

}  // namespace moe
