#pragma once

#include "moe/layer/expert.h"

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
/// Source: DeepSeekMoE, arXiv 2401.06066, eq. 9; the gate: Qwen2 MoE of huggingface/transformers.
template <typename Num>
SharedTrace<Num> shared_forward(const Config& config, const Matrix<Num>& x, const ExpertParams<Num>& weight,
                                const Weight<Num>& gate) {
  SharedTrace<Num> a;
  a.expert = expert_forward(config.experts, x, weight, kSharedStages);
  a.y = a.expert.out;
  if (config.shared.mode == SharedMode::Add) return a;
  a.gate_logit = linear_forward(x, gate);
  for (Index t = 0; t < x.rows(); ++t)
    scale(sigmoid(a.gate_logit(t, 0)), row(a.expert.out, t), x.cols(), row(a.y, t));
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
  const bool gated = config.shared.mode == SharedMode::SigmoidGate;
  const Index T = x.rows(), D = x.cols();
  Matrix<Num> df = dy, da(T, 1);
  for (Index t = 0; gated && t < T; ++t) {
    scale(sigmoid(a.gate_logit(t, 0)), row(dy, t), D, row(df, t));
    da(t, 0) = dot(row(a.expert.out, t), row(dy, t), D) * smooth(SigmoidSlope(), a.gate_logit(t, 0));
  }
  ExpertGrads<Num> of_expert = expert_backward(config.experts, a.expert, weight, df, kSharedStages);
  SharedGrads<Num> g{std::move(of_expert.x), std::move(of_expert.weight), {}};
  if (!gated) return g;
  g.x += linear_backward(da, gate);
  g.gate_weight = stored(Tensor::grad_shared_gate_weight, linear_backward_weight(da, x));
  return g;
}

}  // namespace moe
