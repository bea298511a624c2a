#pragma once

#include "moe/layer/plan.h"
#include "moe/layer/route.h"

namespace moe {

/// The assignments that a load-balancing loss counts per expert: whole numbers, so they pass no gradient.   -> (E)
///   (B2)  c_e = #{(t, k) : e_tk = e},  k = 1 only (f_source top1) or all k;  kept ones only (f_stage post_drop)
inline std::vector<double> counted_load(const Aux& aux, const IdMatrix& expert, const Plan& plan) {
  std::vector<double> c(plan.counts.size());
  const Index K = aux.f_source == LoadSource::Top1 ? 1 : expert.cols();
  for (Index t = 0; t < expert.rows(); ++t)
    for (Index k = 0; k < K; ++k)
      if (aux.f_stage == LoadStage::PreDrop || plan.kept(t, k) != 0) at(c, expert(t, k)) += 1;
  return c;
}

/// What (B1) divides by: T for the mean of the shares, T for the fraction of tokens, K if f_divide_by_k.
template <typename Num>
Num balance_divisor(const Aux& aux, const IdMatrix& expert) {
  const Num T = Num(static_cast<double>(expert.rows()));
  return aux.f_divide_by_k ? square(T) * Num(static_cast<double>(expert.cols())) : square(T);
}

/// The load-balancing loss; 1 for even shares when every token counts once.   scores (T, E) -> L
///   (B1)  L = E sum_e f_e P_e,   f_e = c_e / T, or c_e / (T K) if f_divide_by_k,   P_e = 1/T sum_t p_te
///         p_te = s_te / sum_j s_tj, which for softmax is s_te;   L = 0 for T = 0
/// Source: Switch Transformer eq. 4 to 6.
template <typename Num>
Num balance_forward(const Aux& aux, ScoreFunction function, const Routing<Num>& r, const Plan& plan) {
  const Index T = r.scores.rows(), E = r.scores.cols();
  if (T == 0) return Num(0);
  const std::vector<double> c = counted_load(aux, r.expert, plan);
  std::vector<Num> p = buffer<Num>(E);
  Num total(0);
  for (Index t = 0; t < T; ++t) {
    if (function == ScoreFunction::Softmax)
      std::copy_n(row(r.scores, t), E, p.data());
    else
      normalize(row(r.scores, t), E, p.data());
    for (Index e = 0; e < E; ++e) total += Num(at(c, e)) * at(p, e);
  }
  return Num(static_cast<double>(E)) * total / balance_divisor<Num>(aux, r.expert);
}

/// Its gradient in the scores, times dL, added to ds.   -> ds (T, E)
///   (B1')  dp_te = E c_e / (T T) dL, or / (T T K);   ds_t = normalize'(dp_t), which for softmax is dp_t
template <typename Num>
void balance_backward(const Aux& aux, ScoreFunction function, const Routing<Num>& r, const Plan& plan,
                      const Num& dL, Matrix<Num>& ds) {
  const Index T = r.scores.rows(), E = r.scores.cols();
  if (T == 0) return;
  const std::vector<double> c = counted_load(aux, r.expert, plan);
  const Num each = dL * Num(static_cast<double>(E)) / balance_divisor<Num>(aux, r.expert);
  std::vector<Num> p = buffer<Num>(E), dp = buffer<Num>(E), dt = buffer<Num>(E);
  for (Index e = 0; e < E; ++e) at(dp, e) = each * Num(at(c, e));
  for (Index t = 0; t < T; ++t) {
    if (function == ScoreFunction::Softmax) {
      dt = dp;
    } else {
      normalize(row(r.scores, t), E, p.data());
      normalize_backward(row(r.scores, t), p.data(), dp.data(), E, dt.data());
    }
    for (Index e = 0; e < E; ++e) ds(t, e) += at(dt, e);
  }
}

/// The router z-loss keeps logits small.   logsumexp l (T, 1) -> L
///   (Z1)  L = 1/T sum_t l_t^2,   l_t = log sum_e exp(z_te);   L = 0 for T = 0
/// Source: ST-MoE (2022) eq. 5.
template <typename Num>
Num z_loss_forward(const Matrix<Num>& logsumexp) {
  const Index T = logsumexp.rows();
  if (T == 0) return Num(0);
  std::vector<Num> squares;
  for (Index t = 0; t < T; ++t) squares.push_back(square(logsumexp(t, 0)));
  return sum(squares.data(), T) / Num(static_cast<double>(T));
}

/// Its gradient in the logits, times dL, added to dz.   -> dz (T, E)
///   (Z1')  dz_te = 2 / T l_t softmax(z_t)_e dL
template <typename Num>
void z_loss_backward(const Matrix<Num>& z, const Matrix<Num>& logsumexp, const Num& dL, Matrix<Num>& dz) {
  const Index T = z.rows(), E = z.cols();
  std::vector<Num> p = buffer<Num>(E);
  for (Index t = 0; t < T; ++t) {
    softmax(row(z, t), E, p.data());
    const Num slope = Num(2) * dL * logsumexp(t, 0) / Num(static_cast<double>(T));
    for (Index e = 0; e < E; ++e) dz(t, e) += slope * at(p, e);
  }
}

}  // namespace moe
