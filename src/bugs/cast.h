#pragma once

#include "moe/trace.h"

namespace moe {

/// A trace with every number of another scalar.
template <typename To, typename From>
Trace<To> cast(const Trace<From>& a) {
  const auto matrix = [](const Matrix<From>& m) {
    return Matrix<To>(m.unaryExpr([](const From& x) { return To(approx(x)); }));
  };
  Trace<To> b;
  b.x = matrix(a.x), b.dispatch = a.dispatch;
  const Routing<From>& r = a.router;
  b.router.logits = matrix(r.logits), b.router.capped = matrix(r.capped), b.router.scores = matrix(r.scores);
  b.router.noise = {matrix(r.noise.clean), matrix(r.noise.raw), matrix(r.noise.scale), matrix(r.noise.noise),
                    matrix(r.noise.ranked)};
  b.router.earlier_counts = matrix(r.earlier_counts), b.router.earlier_scores = matrix(r.earlier_scores);
  b.router.token_mask = matrix(r.token_mask);
  b.router.logsumexp = matrix(r.logsumexp), b.router.group_scores = matrix(r.group_scores);
  b.router.expert = r.expert, b.router.retopk = r.retopk, b.router.retopk_open = r.retopk_open,
  b.router.runner_up = r.runner_up;
  b.router.shares = matrix(r.shares), b.router.weights = matrix(r.weights);
  b.router.denominator = matrix(r.denominator), b.router.next_bias = matrix(r.next_bias);
  b.latent_normed = matrix(a.latent_normed), b.normed = matrix(a.normed);
  b.latent_x = matrix(a.latent_x), b.latent_y = matrix(a.latent_y), b.sum = matrix(a.sum);
  b.in = matrix(a.in), b.gate = matrix(a.gate), b.up = matrix(a.up), b.hidden = matrix(a.hidden);
  b.out = matrix(a.out), b.weighted = matrix(a.weighted), b.y = matrix(a.y);
  const ExpertTrace<From>& s = a.shared.expert;
  b.shared.expert = {matrix(s.x), matrix(s.gate), matrix(s.up), matrix(s.hidden), matrix(s.out)};
  b.shared.gate_logit = matrix(a.shared.gate_logit), b.shared.y = matrix(a.shared.y);
  return b;
}

}  // namespace moe
