#pragma once

#include "moe/layer/route.h"

/// The losses that keep experts in balance where logits are noisy: of importance, and of load.
/// Source: Shazeer et al., Outrageously Large Neural Networks, arXiv 1701.06538, sec. 4 and appendix A.
namespace moe {

/// The squared coefficient of variation.   v (E) -> V
///   (M1)  V = var / (mean^2 + epsilon),   mean = sum_e v_e / n,   var = sum_e (v_e - mean)^2 / n,   n = E + epsilon
///         or, variance unbiased,   mean = sum_e v_e / E,   var = sum_e (v_e - mean)^2 / (E - 1)
/// The epsilons are those of tensorflow/tensor2tensor, cv_squared in expert_utils.py at bafdc1b67730; unbiased: davidmrau's
/// mixture-of-experts, FastMoE, Tutel.
template <typename Num>
struct Variation {
  Num size, mean, floor, V;  // what the sum of squares is divided by; mean^2 + epsilon
};
template <typename Num>
Variation<Num> variation(const std::vector<Num>& v, const Aux& aux) {
  const auto E = static_cast<Index>(v.size());
  const Num epsilon = configured<Num>(aux.epsilon), all = Num(static_cast<double>(E));
  const Num size = is_unbiased(aux) ? Num(static_cast<double>(E - 1)) : all + epsilon;
  const Num mean = sum(v.data(), E) / (is_unbiased(aux) ? all : size);
  std::vector<Num> squares;
  squares.reserve(v.size());
  for (const Num& x : v) squares.push_back(square(x - mean));
  const Num floor = square(mean) + epsilon;
  return {size, mean, floor, sum(squares.data(), E) / size / floor};
}
///   (M1')  dv_e = 2 ((v_e - mean - mean epsilon / n) - mean V) / (n (mean^2 + epsilon)) dV
///          or, unbiased,   2 ((v_e - mean) - mean V (E - 1) / E) / ((E - 1) (mean^2 + epsilon)) dV
template <typename Num>
std::vector<Num> variation_backward(const std::vector<Num>& v, const Aux& aux, const Num& dV) {
  const Variation<Num> a = variation(v, aux);
  const Num all = Num(static_cast<double>(v.size()));
  const Num share = is_unbiased(aux) ? a.V * (a.size / all) : configured<Num>(aux.epsilon) / a.size + a.V;
  std::vector<Num> dv;
  dv.reserve(v.size());
  for (const Num& x : v) dv.push_back(Num(2) * dV * (x - a.mean - a.mean * share) / (a.size * a.floor));
  return dv;
}

/// The scores that importances are sums of: those that experts are chosen by, or the softmax of logits without noise.   -> (T, E)
template <typename Num>
Matrix<Num> summed_scores(const Aux& aux, const Routing<Num>& r) {
  if (!sums_clean_scores(aux)) return r.scores;
  Matrix<Num> s(r.scores.rows(), r.scores.cols());
  for (Index t = 0; t < s.rows(); ++t) softmax(row(r.noise.clean, t), s.cols(), row(s, t));
  return s;
}
/// What each expert's choices weigh together, or all scores for it.   w (T, K) or s (T, E) -> (E)
///   (M2)  importance_e = sum of w_tk over e_tk = e   or, importance_of scores,   sum_t s_te
///         or, importance_of clean_scores,   sum_t softmax(z_t)_e of logits without noise
/// Source of clean_scores: google-research/vmoe, vmoe/nn/routing.py, _importance_auxiliary_loss.
template <typename Num>
std::vector<Num> importance_forward(const Aux& aux, const Routing<Num>& r) {
  const Index T = r.scores.rows(), E = r.scores.cols();
  if (sums_scores(aux)) {
    std::vector<Num> of_scores;
    const Matrix<Num> by_expert = summed_scores(aux, r).transpose();
    for (Index e = 0; e < E; ++e) of_scores.push_back(sum(row(by_expert, e), T));
    return of_scores;
  }
  const auto sums = [&](const auto& weight, Num* importance) {
    std::vector<std::vector<Num>> of(static_cast<std::size_t>(E));
    for (Index i = 0; i < r.weights.size(); ++i) at(of, r.expert.data()[i]).push_back(weight(i));
    for (Index e = 0; e < E; ++e) importance[e] = sum(at(of, e).data(), static_cast<Index>(at(of, e).size()));
  };
  std::vector<Num> importance = buffer<Num>(E);
  sums([&](Index i) { return r.weights.data()[i]; }, importance.data());
  cover(importance.data(), E, [&](Num* other) {  // from the weights before they were stored
    sums([&](Index i) { return unstored(r.weights.data()[i], Tensor::router_topk_weights); }, other);
  });
  return importance;
}
///   (M2')  dw_tk = d importance_e_tk, added to dw (T, K),   or   ds_te = d importance_e, added to ds (T, E),
///          or   dz_t = softmax'(d importance) in logits without noise, added to dz (T, E)
template <typename Num>
void importance_backward(const Aux& aux, const Routing<Num>& r, const std::vector<Num>& dimportance,
                         Matrix<Num>& dw, Matrix<Num>& ds, Matrix<Num>& dz) {
  if (sums_clean_scores(aux)) {
    const Matrix<Num> s = summed_scores(aux, r);
    const Index E = s.cols();
    std::vector<Num> dt = buffer<Num>(E);
    for (Index t = 0; t < s.rows(); ++t) {
      softmax_backward(row(s, t), dimportance.data(), E, dt.data());
      for (Index e = 0; e < E; ++e) dz(t, e) += at(dt, e);
    }
    return;
  }
  if (sums_scores(aux)) {
    for (Index t = 0; t < ds.rows(); ++t)
      for (Index e = 0; e < ds.cols(); ++e) ds(t, e) += at(dimportance, e);
    return;
  }
  for (Index i = 0; i < dw.size(); ++i) dw.data()[i] += at(dimportance, r.expert.data()[i]);
}

/// The noisy logit that expert e of token t has to exceed to be among the K: the best of the others that were not chosen
/// if e was, else the last that was; with load_against last_chosen that one for every e. -> its expert
inline Index rival(const Aux& aux, const IdMatrix& expert, const std::vector<std::int32_t>& runner_up,
                   Index t, Index e) {
  const Index K = expert.cols();
  const bool chosen =
      !against_last_chosen(aux) && std::count(expert.data() + t * K, expert.data() + (t + 1) * K, e) > 0;
  return chosen ? at(runner_up, t) : expert(t, K - 1);
}

/// How many tokens each expert would get if its own noise were drawn anew.   z, s, h (T, E) -> (E)
///   (M3)  load_e = sum_t Phi(u_te),   u_te = (z_te - h_t,rival(t,e)) / s_te;   load_e = T if K = E, but with load_against last_chosen
/// Source of last_chosen: google-research/vmoe, vmoe/nn/routing.py, _load_auxiliary_loss.
template <typename Num>
std::vector<Num> load_forward(const Aux& aux, const Routing<Num>& r) {
  const Index T = r.scores.rows(), E = r.scores.cols();
  if (r.expert.cols() == E && !against_last_chosen(aux))
    return std::vector<Num>(static_cast<std::size_t>(E), Num(static_cast<double>(T)));
  std::vector<Num> load, of_e = buffer<Num>(T);
  for (Index e = 0; e < E; ++e) {
    for (Index t = 0; t < T; ++t) {
      const Num& h = r.logits(t, rival(aux, r.expert, r.runner_up, t, e));
      at(of_e, t) = smooth(NormalCdf(), (r.noise.clean(t, e) - h) / r.noise.scale(t, e));
    }
    load.push_back(sum(of_e.data(), T));
  }
  return load;
}
///   (M3')  rho_te = phi(u_te) / s_te dload_e;   dz_te += rho_te,   ds_te -= rho_te u_te,   dh_t,rival(t,e) -= rho_te
template <typename Num>
void load_backward(const Aux& aux, const Routing<Num>& r, const std::vector<Num>& dload, Matrix<Num>& dz,
                   Matrix<Num>& ds, Matrix<Num>& dh) {
  const Index T = r.scores.rows(), E = r.scores.cols();
  if (r.expert.cols() == E && !against_last_chosen(aux)) return;
  for (Index t = 0; t < T; ++t)
    for (Index e = 0; e < E; ++e) {
      const Index other = rival(aux, r.expert, r.runner_up, t, e);
      const Num u = (r.noise.clean(t, e) - r.logits(t, other)) / r.noise.scale(t, e);
      const Num rho = smooth(NormalDensity(), u) / r.noise.scale(t, e) * at(dload, e);
      dz(t, e) += rho;
      ds(t, e) += -(rho * u);
      dh(t, other) += -rho;
    }
}

}  // namespace moe
