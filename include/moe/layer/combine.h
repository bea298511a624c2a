#pragma once

#include "moe/layer/conventions.h"
#include "moe/layer/plan.h"
#include "moe/scalar/scalar.h"

namespace moe {

/// What the weights of a token leave of 1.   -> 1 - sum of w_tk over the kept k
template <typename Num>
Num rest_of(const Matrix<Num>& weight, const Plan& plan, Index t) {
  std::vector<Num> parts{Num(1)};
  for (Index k = 0; k < weight.cols(); ++k)
    if (plan.row(t, k) >= 0) parts.push_back(-weight(t, k));
  return sum(parts.data(), static_cast<Index>(parts.size()));
}

/// What the chosen experts said, weighted.   w (T, K), out (N, D) -> v (N, D)
///   (C1)  v_n = w_tk out_n                 for n = row(t, k); with weight_location input, where (G2) has it, v_n = out_n
/// Source: Switch Transformer eq. 2.
template <typename Num>
Matrix<Num> weighted_forward(const Config& config, const Matrix<Num>& weight, const Plan& plan,
                             const Matrix<Num>& out) {
  if (weighs_input(config)) return out;
  Matrix<Num> v(out.rows(), out.cols());
  for (Index t = 0; t < weight.rows(); ++t)
    for (Index k = 0; k < weight.cols(); ++k)
      if (const Index n = plan.row(t, k); n >= 0) scale(weight(t, k), row(out, n), out.cols(), row(v, n));
  return v;
}

/// Its sum over the choices of each token.   v (N, D), w (T, K), x (T, D) -> r (T, D)
///   (C2)  r_t = sum_k v_{row(t,k)}         over the kept k
///   (C3)  r_t = 0, x_t or w_t1 x_t         for a token without a kept k: dropped_output zero, identity, scaled_identity
///   (C5)  with rest x, r_t is (1 - sum_k w_tk) x_t more, over the kept k. Source: facebookresearch/fairseq, base_layer.py.
template <typename Num>
Matrix<Num> sum_forward(const Config& config, const Matrix<Num>& weight, const Plan& plan,
                        const Matrix<Num>& v, const Matrix<Num>& x) {
  const Index T = weight.rows(), K = weight.cols(), D = v.cols();
  const DroppedOutput dropped = config.capacity.dropped_output;
  Matrix<Num> r = zeros<Num>(T, D);
  std::vector<Num> term;
  for (Index t = 0; t < T; ++t) {
    if (all_dropped(plan, t)) {
      if (keeps_x(dropped) || rests_on_x(config)) std::copy_n(row(x, t), D, row(r, t));
      if (scales_x(dropped)) scale(weight(t, 0), row(x, t), D, row(r, t));
      continue;
    }
    const Num rest = rests_on_x(config) ? rest_of(weight, plan, t) : Num(0);
    for (Index d = 0; d < D; ++d) {
      term.clear();
      for (Index k = 0; k < K; ++k)
        if (const Index n = plan.row(t, k); n >= 0) term.push_back(v(n, d));
      if (rests_on_x(config)) term.push_back(rest * x(t, d));
      r(t, d) = sum(term.data(), static_cast<Index>(term.size()));
    }
  }
  return r;
}

template <typename Num>
struct CombineGrads {
  Matrix<Num> weight;  // (T, K)
  Matrix<Num> out;     // (N, D)
  Matrix<Num> x;       // (T, D) by way of (C3) and (C5) only
};

/// The vector-Jacobian product of both.   dr (T, D) -> dw (T, K), dout (N, D), dx (T, D)
///   (C1')  dout_n = w_tk dr_t,   dw_tk = <out_n, dr_t>   for n = row(t, k); dw_tk = 0 where the choice was dropped;
///          with weight_location input   dout_n = dr_t,   and dw_tk is that of (G2')
///   (C3')  dx_t = 0, dr_t or w_t1 dr_t,   dw_t1 = <x_t, dr_t> if scaled, for a token without a kept k
///   (C5')  dx_t = (1 - sum_k w_tk) dr_t,   dw_tk is <x_t, dr_t> less for every kept k
template <typename Num>
CombineGrads<Num> combine_backward(const Config& config, const Matrix<Num>& weight, const Plan& plan,
                                   const Matrix<Num>& out, const Matrix<Num>& x, const Matrix<Num>& dr) {
  const Index T = weight.rows(), K = weight.cols(), D = out.cols();
  const DroppedOutput dropped = config.capacity.dropped_output;
  const bool weighed = weighs_input(config);  // already
  CombineGrads<Num> g{zeros<Num>(T, K), {}, zeros<Num>(T, x.cols())};
  g.out = stored(norms_experts(config) ? Tensor::grad_expert_normed : Tensor::grad_expert_out, [&] {
    Matrix<Num> dout(out.rows(), D);
    for (Index t = 0; t < T; ++t)
      for (Index k = 0; k < K; ++k)
        if (const Index n = plan.row(t, k); n >= 0) {
          if (weighed)
            std::copy_n(row(dr, t), D, row(dout, n));
          else
            scale(weight(t, k), row(dr, t), D, row(dout, n));
        }
    return dout;
  });
  for (Index t = 0; t < T; ++t) {
    if (all_dropped(plan, t)) {
      if (keeps_x(dropped)) std::copy_n(row(dr, t), D, row(g.x, t));
      if (scales_x(dropped)) scale(weight(t, 0), row(dr, t), D, row(g.x, t));
    }
    if (rests_on_x(config)) scale(rest_of(weight, plan, t), row(dr, t), D, row(g.x, t));
    const StageScope<Num> stage(Tensor::grad_router_topk_weights);
    for (Index k = 0; k < K; ++k)
      if (const Index n = plan.row(t, k); n >= 0 && !weighed)
        g.weight(t, k) = dot(row(out, n), row(dr, t), D);
    if (all_dropped(plan, t) && scales_x(dropped)) g.weight(t, 0) = dot(row(x, t), row(dr, t), D);
    if (rests_on_x(config)) {
      const Num along = dot(row(x, t), row(dr, t), D);
      for (Index k = 0; k < K; ++k)
        if (plan.row(t, k) >= 0) g.weight(t, k) += -along;
    }
  }
  return g;
}

}  // namespace moe
