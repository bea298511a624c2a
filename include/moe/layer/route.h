#pragma once

#include "moe/layer/activation.h"
#include "moe/layer/plan.h"

namespace moe {

/// What the router made of T tokens and E experts: all that backward needs.
template <typename Num>
struct Routing {
  Matrix<Num> logits;       // (T, E)
  Matrix<Num> scores;       // (T, E) softmax: rows sum to 1; sigmoid: each in (0, 1)
  Matrix<Num> logsumexp;    // (T, 1) of the logits
  IdMatrix expert;          // (T, K) chosen experts, largest logit first
  Matrix<Num> weights;      // (T, K) what the experts' outputs are multiplied by
  Matrix<Num> denominator;  // (T, 1) the sum of the scores that share a weight of 1; where renorm is Sum
};

/// One token's scores.   z (E) -> s (E)
///   (R2)   s_e = exp(z_e) / sum_j exp(z_j)          or   s_e = 1 / (1 + exp(-z_e))
template <typename Num>
void score_forward(ScoreFunction function, const Num* z, Index E, Num* s) {
  if (function == ScoreFunction::Softmax) return softmax(z, E, s);
  for (Index e = 0; e < E; ++e) s[e] = sigmoid(z[e]);
}
///   (R2')  dz_e = s_e (ds_e - sum_j s_j ds_j)       or   dz_e = s_e (1 - s_e) ds_e
template <typename Num>
void score_backward(ScoreFunction function, const Num* z, const Num* s, const Num* ds, Index E, Num* dz) {
  if (function == ScoreFunction::Softmax) return softmax_backward(s, ds, E, dz);
  for (Index e = 0; e < E; ++e) dz[e] = ds[e] * smooth(SigmoidSlope(), z[e]);
}

/// The weights of n choices of one token, from their logits z and scores s.   -> w (n)
///   (R3)   w_k = s_k   or, renorm Sum,   s_k / sum_j s_j, which is softmax of the chosen z if s is a softmax:
///          computed so, an expert that was not chosen gets a gradient of exactly zero
template <typename Num>
void weigh_forward(const Router& router, const Num* z, const Num* s, Index n, Num* w) {
  if (router.renorm == Renorm::None)
    std::copy_n(s, n, w);
  else if (router.score_function == ScoreFunction::Softmax)
    softmax(z, n, w);
  else
    normalize(s, n, w);
}
///   (R3')  ds_k = dw_k   or   ds_k = (dw_k - sum_j w_j dw_j) / sum_j s_j
template <typename Num>
void weigh_backward(const Router& router, const Num* s, const Num* w, const Num* dw, Index n, Num* ds) {
  if (router.renorm == Renorm::None)
    std::copy_n(dw, n, ds);
  else
    normalize_backward(s, w, dw, n, ds);
}

/// The slots of token t that take part in (R3): all, or with renorm_stage AfterDrop those that were kept.
inline std::vector<Index> partners(const Router& router, const Plan& plan, Index t) {
  std::vector<Index> slots;
  for (Index k = 0; k < plan.kept.cols(); ++k)
    if (router.renorm_stage == RenormStage::BeforeDrop || plan.kept(t, k) != 0) slots.push_back(k);
  return slots;
}

/// The elements of row t of m at the experts of `slots`.
template <typename Num>
std::vector<Num> picked(const Matrix<Num>& m, Index t, const IdMatrix& expert,
                        const std::vector<Index>& slots) {
  std::vector<Num> values;
  values.reserve(slots.size());
  for (const Index k : slots) values.push_back(m(t, expert(t, k)));
  return values;
}

/// (R2) and (R3) for every token.   z (T, E), expert (T, K) -> scores (T, E), weights (T, K)
/// Source: Switch Transformer eq. 1; Mixtral sec. 2.1.
template <typename Num>
Routing<Num> route_forward(const Router& router, Matrix<Num> z, const IdMatrix& expert, const Plan& plan) {
  const Index T = z.rows(), E = z.cols(), K = expert.cols();
  Routing<Num> r{std::move(z), Matrix<Num>(T, E), Matrix<Num>(T, 1),
                 expert,       zeros<Num>(T, K),  zeros<Num>(T, 1)};
  for (Index t = 0; t < T; ++t) {
    score_forward(router.score_function, row(r.logits, t), E, row(r.scores, t));
    r.logsumexp(t, 0) = log_sum_exp(row(r.logits, t), E);
  }
  r.scores = stored(Tensor::router_scores, std::move(r.scores));
  for (Index t = 0; t < T; ++t) {
    const std::vector<Index> slots = partners(router, plan, t);
    const auto n = static_cast<Index>(slots.size());
    const std::vector<Num> s = picked(r.scores, t, expert, slots);
    std::vector<Num> w = buffer<Num>(n);
    weigh_forward(router, picked(r.logits, t, expert, slots).data(), s.data(), n, w.data());
    for (Index i = 0; i < n; ++i) r.weights(t, at(slots, i)) = at(w, i);
    r.denominator(t, 0) = sum(s.data(), n);
  }
  r.weights = stored(Tensor::router_topk_weights, std::move(r.weights));
  return r;
}

template <typename Num>
struct RoutingGrads {
  Matrix<Num> scores;  // (T, E)
  Matrix<Num> logits;  // (T, E)
};

/// The vector-Jacobian product of route_forward.   ds (T, E) from the losses, dw (T, K) from combine -> ds, dz (T, E)
/// Where (R3) is a softmax of the chosen logits, their gradient is taken from there, so that its zeros are exact; the
/// gradient of the scores still says what (R3') says.
template <typename Num>
RoutingGrads<Num> route_backward(const Router& router, const Routing<Num>& r, const Plan& plan,
                                 Matrix<Num> ds, const Matrix<Num>& dw) {
  const Index T = r.scores.rows(), E = r.scores.cols();
  const bool through_logits = router.renorm == Renorm::Sum && router.score_function == ScoreFunction::Softmax;
  Matrix<Num> dz(T, E);
  for (Index t = 0; t < T; ++t) {
    const std::vector<Index> slots = partners(router, plan, t);
    const auto n = static_cast<Index>(slots.size());
    std::vector<Num> w, dw_n, ds_n = buffer<Num>(n), dz_n = buffer<Num>(n);
    for (const Index k : slots) w.push_back(r.weights(t, k)), dw_n.push_back(dw(t, k));
    const std::vector<Num> s = picked(r.scores, t, r.expert, slots);
    weigh_backward(router, s.data(), w.data(), dw_n.data(), n, ds_n.data());
    if (through_logits) {
      softmax_backward(row(r.scores, t), row(ds, t), E, row(dz, t));
      softmax_backward(w.data(), dw_n.data(), n, dz_n.data());
    }
    for (Index i = 0; i < n; ++i) ds(t, r.expert(t, at(slots, i))) += at(ds_n, i);
    if (!through_logits)
      score_backward(router.score_function, row(r.logits, t), row(r.scores, t), row(ds, t), E, row(dz, t));
    for (Index i = 0; i < n; ++i) dz(t, r.expert(t, at(slots, i))) += at(dz_n, i);
  }
  return {std::move(ds), std::move(dz)};
}

}  // namespace moe
