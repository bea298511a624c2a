#pragma once

#include "moe/layer/plan.h"
#include "moe/layer/route.h"

namespace moe {

/// The tokens [first, first + count) that a loss is taken over, as one of `of` equal parts.
struct Part {
  Index first, count, of;
};
inline std::vector<Part> parts(const Aux& aux, Index T, Index num_groups) {
  const Index n = parts_of(aux.scope, num_groups), S = T / n;
  std::vector<Part> all;
  for (Index g = 0; g < n; ++g) all.push_back({g * S, S, n});
  return all;
}

/// The tokens of [first, first + count) that count: all, or with `masked` those that aux.token_mask marks.
template <typename Num>
std::vector<Index> counted_tokens(const Aux& aux, const Routing<Num>& r, Index first, Index count) {
  std::vector<Index> tokens;
  for (Index t = first; t < first + count; ++t)
    if (!aux.masked || approx(r.token_mask(0, t)) != 0) tokens.push_back(t);
  return tokens;
}
template <typename Num>
std::vector<Index> counted_tokens(const Aux& aux, const Routing<Num>& r, const Part& part) {
  return counted_tokens(aux, r, part.first, part.count);
}
template <typename Num>
std::vector<Index> counted_tokens(const Aux& aux, const Routing<Num>& r) {
  return counted_tokens(aux, r, 0, r.scores.rows());
}

/// The assignments that a load-balancing loss counts per expert: whole numbers, so they pass no gradient.   -> (E)
///   (B2)  c_e = #{(t, k) : e_tk = e},  k = 1 only (f_source top1) or all k;  kept ones only (f_stage post_drop)
///         with f_from retopk_of_aux_scores, e_tk are the K largest scores, whatever bias and groups say;
///         with f_stage post_drop_first, a token without any kept choice counts for expert 0; with earlier_tokens, aux.earlier_counts_e more;
///         with masked, of tokens with aux.token_mask_t = 1 only
template <typename Num>
std::vector<Num> counted_load(const Aux& aux, const Routing<Num>& r, const Plan& plan, const Part& part) {
  std::vector<double> c(plan.counts.size()), open(plan.counts.size());
  const bool selected = !counts_by_scores(aux);
  const IdMatrix& expert = selected ? r.expert : r.retopk;
  const Index K = counts_first_only(aux) ? 1 : expert.cols();
  const std::vector<Index> tokens = counted_tokens(aux, r, part);
  for (const Index t : tokens)
    for (Index k = 0; k < K; ++k)
      if (!selected || !after_drops(aux.f_stage) || plan.kept(t, k) != 0) at(c, expert(t, k)) += 1;
  for (const Index t : tokens)
    if (counts_dropped_as_first(aux.f_stage) && all_dropped(plan, t)) c.front() += 1;
  if (!selected && r.retopk_open.size() > 0)
    for (const Index t : tokens)
      for (Index e = 0; e < r.retopk_open.cols(); ++e) at(open, e) += r.retopk_open(t, e);
  std::vector<Num> load;
  for (std::size_t e = 0; e < c.size(); ++e) load.push_back(counted<Num>(c[e], open[e]));
  for (std::size_t e = 0; counts_earlier(aux) && e < c.size(); ++e)
    load[e] += r.earlier_counts(0, static_cast<Index>(e));
  return load;
}

/// What stands for S in (B1), under counts and under shares, in one of so many parts.
struct Divisors {
  Index of_counts, of_shares, parts;
};
template <typename Num>
Divisors divided_by(const Aux& aux, const Routing<Num>& r, const Plan& plan, const Part& part) {
  const std::vector<Index> tokens = counted_tokens(aux, r, part);
  const auto S = static_cast<Index>(tokens.size());
  if (!divides_by_kept(aux))
    return {S + aux.earlier_tokens, aux.p_of_batch ? S : S + aux.earlier_tokens, part.of};
  Index kept = 0;
  for (const Index t : tokens)
    for (Index k = 0; k < (counts_first_only(aux) ? 1 : plan.kept.cols()); ++k) kept += plan.kept(t, k);
  return {kept, kept, part.of};
}

/// What (B1) multiplies c_e p_te by: E (E2_mean) or 1 / E (none), over S S or S S K, over the number of parts.
template <typename Num>
Num balance_factor(const Aux& aux, Index E, Index K, const Divisors& by) {
  const Num S = Num(static_cast<double>(by.of_counts)), experts = Num(static_cast<double>(E));
  Num divisor = S * Num(static_cast<double>(by.of_shares)) * Num(static_cast<double>(by.parts));
  if (aux.f_divide_by_k) divisor = divisor * Num(static_cast<double>(K));
  switch (aux.multiply) {
    case Multiply::E2Mean:
      return experts / divisor;
    case Multiply::None:
      return Num(1) / (divisor * experts);
  }
  return Num(0);
}

/// p_t of (B1), for one token.
template <typename Num>
void shares_in_loss(const Aux& aux, ScoreFunction function, const Routing<Num>& r, Index t, Num* p) {
  const Index E = r.scores.cols();
  if (of_softmax(aux))
    softmax(row(scored(r), t), E, p);
  else if (of_softmax_of_scores(aux))
    softmax(row(r.scores, t), E, p);
  else if (couples_experts(function))
    std::copy_n(row(r.scores, t), E, p);
  else
    normalize(row(r.scores, t), E, p);
}

/// The load-balancing loss; 1 for even shares when every token counts once.   scores (T, E) -> L
///   (B1)  L = A mean_e f_e P_e,   A = E^2 (E2_mean) or 1 (none),   f_e = c_e / S, or c_e / (S K) if f_divide_by_k
///         P_e = 1/S sum_t p_te,   p_te = s_te / sum_j s_tj, which for softmax is s_te, or (p_source softmax) the softmax of z,
///         or (softmax_of_scores) that of s;   L = 0 for T = 0
///         with divisor kept, S is the number of kept assignments that count, and L = 0 without any;
///         with earlier_tokens, S is that many more, and P_e aux.earlier_scores_e / S more: those are of other layers, or of batches before;
///         p_of_batch: not P_e, whose S remains that of this batch;   with masked, t and S are of tokens with aux.token_mask_t = 1; L = 0 without any
///         over S = T tokens, or, with scope group, the mean of the groups of S tokens
/// Source: Switch Transformer eq. 4 to 6; GShard algorithm 1 (multiply none); DeepSeek-V3 eq. 17 to 20 (scope group);
/// laekov/fastmoe, SwitchGate (divisor kept); huggingface/transformers, load_balancing_loss_func (earlier_tokens, masked);
/// NVIDIA/Megatron-LM, the global loss of router.py (p_of_batch).
template <typename Num>
Num balance_forward(const Aux& aux, ScoreFunction function, Index num_groups, const Routing<Num>& r,
                    const Plan& plan) {
  const Index T = r.scores.rows(), E = r.scores.cols(), K = r.expert.cols();
  Num loss(0);
  if (T == 0) return loss;
  std::vector<Num> p = buffer<Num>(E);
  for (const Part& part : parts(aux, T, num_groups)) {
    const std::vector<Num> c = counted_load(aux, r, plan, part);
    std::vector<Num> terms;
    for (const Index t : counted_tokens(aux, r, part)) {
      shares_in_loss(aux, function, r, t, p.data());
      for (Index e = 0; e < E; ++e) terms.push_back(at(c, e) * at(p, e));
    }
    for (Index e = 0; scores_earlier(aux) && e < E; ++e) terms.push_back(at(c, e) * r.earlier_scores(0, e));
    const Num total = sum(terms.data(), static_cast<Index>(terms.size()));
    const Divisors by = divided_by(aux, r, plan, part);
    if (by.of_shares > 0) loss += total * balance_factor<Num>(aux, E, K, by);
  }
  return loss;
}

/// Its gradient in the scores, times dL, added to ds, or in the logits, added to dz.   -> ds, dz (T, E)
///   (B1')  dp_te = A / E c_e / (S S) dL, or / (S S K), over the number of groups;   ds_t = normalize'(dp_t) or dz_t = softmax'(dp_t)
///          or ds_t = softmax'(dp_t)
template <typename Num>
void balance_backward(const Aux& aux, ScoreFunction function, Index num_groups, const Routing<Num>& r,
                      const Plan& plan, const Num& dL, Matrix<Num>& ds, Matrix<Num>& dz) {
  const Index T = r.scores.rows(), E = r.scores.cols(), K = r.expert.cols();
  if (T == 0) return;
  std::vector<Num> p = buffer<Num>(E), dp = buffer<Num>(E), dt = buffer<Num>(E);
  for (const Part& part : parts(aux, T, num_groups)) {
    const std::vector<Num> c = counted_load(aux, r, plan, part);
    const Divisors by = divided_by(aux, r, plan, part);
    if (by.of_shares == 0) continue;
    const Num each = dL * balance_factor<Num>(aux, E, K, by);
    for (Index e = 0; e < E; ++e) at(dp, e) = each * at(c, e);
    for (const Index t : counted_tokens(aux, r, part)) {
      shares_in_loss(aux, function, r, t, p.data());
      if (of_softmax(aux) || of_softmax_of_scores(aux))
        softmax_backward(p.data(), dp.data(), E, dt.data());
      else if (couples_experts(function))
        dt = dp;
      else
        normalize_backward(row(r.scores, t), p.data(), dp.data(), E, dt.data());
      Matrix<Num>& to = of_softmax(aux) ? dz : ds;
      for (Index e = 0; e < E; ++e) to(t, e) += at(dt, e);
    }
  }
}

/// The logarithm of the sum that a softmax of each token divides by.   z (T, E) -> l (T, 1)
template <typename Num>
Matrix<Num> log_sum_exp_of(const Matrix<Num>& z) {
  Matrix<Num> l(z.rows(), 1);
  for (Index t = 0; t < z.rows(); ++t) l(t, 0) = log_sum_exp(row(z, t), z.cols());
  return l;
}

/// The router z-loss keeps logits small.   logsumexp l (T, 1), of the T tokens that count -> L
///   (Z1)  L = 1/T sum_t l_t^2,   l_t = log sum_e exp(z_te), with noise of h_te, but with z_of clean of z_te;   L = 0 for T = 0;
///         with masked, T is the number of tokens with aux.token_mask_t = 1, and t of them
/// Source: ST-MoE (2022) eq. 5; masked: NVIDIA/Megatron-LM, z_loss_func.
template <typename Num>
Num z_loss_forward(const Matrix<Num>& logsumexp, const std::vector<Index>& tokens) {
  if (tokens.empty()) return Num(0);
  std::vector<Num> squares;
  for (const Index t : tokens) squares.push_back(square(logsumexp(t, 0)));
  return sum(squares.data(), static_cast<Index>(squares.size())) / Num(static_cast<double>(tokens.size()));
}

/// Its gradient in the logits, times dL, added to dz.   -> dz (T, E)
///   (Z1')  dz_te = 2 / T l_t softmax(z_t)_e dL
template <typename Num>
void z_loss_backward(const Matrix<Num>& z, const Matrix<Num>& logsumexp, const std::vector<Index>& tokens,
                     const Num& dL, Matrix<Num>& dz) {
  using std::exp;
  const Index E = z.cols();
  std::vector<Num> p = buffer<Num>(E);
  for (const Index t : tokens) {
    softmax(row(z, t), E, p.data());
    cover(p.data(), E, [&](Num* other) {  // without a shift: the logarithm of the sum is at hand
      for (Index e = 0; e < E; ++e) other[e] = exp(z(t, e) - logsumexp(t, 0));
    });
    const Num slope = Num(2) * dL * logsumexp(t, 0) / Num(static_cast<double>(tokens.size()));
    for (Index e = 0; e < E; ++e) dz(t, e) += slope * at(p, e);
  }
}

}  // namespace moe
