#pragma once

#include "moe/layer/expert.h"
#include "moe/layer/score.h"

namespace moe {

/// What the shared expert computed for all T tokens.
template <typename Num>
struct SharedTrace {
  ExpertTrace<Num> expert;  // rows are tokens
  Matrix<Num> gate_logit;   // (T, 1) where there is a gate
  Matrix<Num> y;            // (T, D) what it adds
};

/// The expert that sees every token.   x (T, D), v (1, D) -> y (T, D)
///   (H1)  y_t = f(x_t),   f as (X1) to (X3)
///   (H2)  y_t = sigmoid(<v, x_t>) f(x_t)     mode sigmoid_gate
/// With mode average or weighted_mean the layer's result is a mean of this and the rest: (H3).
/// Source: DeepSeekMoE, arXiv 2401.06066, eq. 9; the gate: Qwen2 MoE of huggingface/transformers.
template <typename Num>
SharedTrace<Num> shared_forward(const Config& config, const Matrix<Num>& x, const ExpertParams<Num>& weight,
                                const Weight<Num>& gate) {
  SharedTrace<Num> a;
  a.expert = expert_forward(shared_form(config), x, weight, kSharedStages);
  a.y = a.expert.out;
  if (!gates_shared(config)) return a;
  a.gate_logit = stored(Tensor::shared_stage_gate_logit, [&] { return linear_forward(x, gate); });
  a.y = stored(Tensor::shared_stage_weighted, [&] {
    Matrix<Num> y(x.rows(), x.cols());
    for (Index t = 0; t < x.rows(); ++t)
      scale(sigmoid(a.gate_logit(t, 0)), row(a.expert.out, t), x.cols(), row(y, t));
    return y;
  });
  return a;
}

template <typename Num>
struct SharedGrads {
  Matrix<Num> x;  // (T, D)
  ExpertWeightGrads<Num> weight;
  Matrix<Num> gate_weight;  // (1, D) where there is a gate
};

/// The vector-Jacobian product of shared_forward.   dy (T, D) -> dx (T, D) and the gradients of weights
///   (H1')  df_t = dy_t
///   (H2')  df_t = sigmoid(a_t) dy_t,   da_t = <f_t, dy_t> sigmoid'(a_t)   for a = x v^T
template <typename Num>
SharedGrads<Num> shared_backward(const Config& config, const Matrix<Num>& x, const SharedTrace<Num>& a,
                                 const ExpertParams<Num>& weight, const Weight<Num>& gate,
                                 const Matrix<Num>& dy) {
  const Index T = x.rows(), D = x.cols();
  const Experts form = shared_form(config);
  if (!gates_shared(config)) {
    ExpertGrads<Num> of_expert = expert_backward(form, a.expert, weight, dy, kSharedStages);
    return {std::move(of_expert.x), std::move(of_expert.weight), {}};
  }
  const Matrix<Num> df = stored(Tensor::grad_shared_stage_out, [&] {
    Matrix<Num> scaled(T, D);
    for (Index t = 0; t < T; ++t) scale(sigmoid(a.gate_logit(t, 0)), row(dy, t), D, row(scaled, t));
    return scaled;
  });
  const Matrix<Num> da = stored(Tensor::grad_shared_stage_gate_logit, [&] {
    Matrix<Num> dz(T, 1);
    for (Index t = 0; t < T; ++t) {
      const Num &z = a.gate_logit(t, 0), s = sigmoid(z), ds = dot(row(a.expert.out, t), row(dy, t), D);
      score_backward(ScoreFunction::Sigmoid, &z, &s, &ds, 1, &dz(t, 0));
    }
    return dz;
  });
  ExpertGrads<Num> of_expert = expert_backward(form, a.expert, weight, df, kSharedStages);
  SharedGrads<Num> g{std::move(of_expert.x), std::move(of_expert.weight), {}};
  g.x += linear_backward(da, gate);
  g.gate_weight = stored(Tensor::grad_shared_gate_weight, [&] { return linear_backward_weight(da, x); });
  return g;
}

}  // namespace moe
