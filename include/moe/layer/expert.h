#pragma once

#include "moe/layer/activation.h"
#include "moe/layer/linear.h"

namespace moe {

/// What one expert computed for its N tokens. An ungated expert has no gate.
template <typename Num>
struct ExpertTrace {
  Matrix<Num> x;         // (N, D)
  Matrix<Num> gate, up;  // (N, F) before the activation
  Matrix<Num> hidden;    // (N, F)
  Matrix<Num> out;       // (N, D)
};

/// Where an expert's stages and gradients are stored.
struct ExpertStages {
  Tensor gate, up, hidden, out, grad_gate, grad_up, grad_hidden;
  Tensor weight_gate, weight_up, weight_down;  // gradients
};
inline constexpr ExpertStages kRoutedStages{
    Tensor::expert_gate,      Tensor::expert_up,        Tensor::expert_hidden,      Tensor::expert_out,
    Tensor::grad_expert_gate, Tensor::grad_expert_up,   Tensor::grad_expert_hidden, Tensor::grad_experts_gate,
    Tensor::grad_experts_up,  Tensor::grad_experts_down};
inline constexpr ExpertStages kSharedStages{Tensor::shared_stage_gate,        Tensor::shared_stage_up,
                                            Tensor::shared_stage_hidden,      Tensor::shared_stage_out,
                                            Tensor::grad_shared_stage_gate,   Tensor::grad_shared_stage_up,
                                            Tensor::grad_shared_stage_hidden, Tensor::grad_shared_gate,
                                            Tensor::grad_shared_up,           Tensor::grad_shared_down};

/// One expert, gated or not.   x (N, D) -> out (N, D)
///   (X1)  g = x gate^T + b_gate,   u = x up^T + b_up
///   (X2)  h_nf = act(g_nf) u_nf    or, ungated,    h_nf = act(u_nf)
///   (X3)  out = h down^T + b_down
/// Source: Shazeer, GLU Variants Improve Transformer (2020), eq. 5 and 6; ungated: eq. 1.
template <typename Num>
ExpertTrace<Num> expert_forward(const Experts& experts, Matrix<Num> x, const ExpertParams<Num>& weight,
                                const ExpertStages& at = kRoutedStages) {
  ExpertTrace<Num> a;
  a.x = std::move(x);
  if (experts.glu) a.gate = stored(at.gate, linear_forward(a.x, weight.gate, weight.gate_bias));
  a.up = stored(at.up, linear_forward(a.x, weight.up, weight.up_bias));
  a.hidden.resizeLike(a.up);
  for (Index i = 0; i < a.up.size(); ++i) {
    const Num& u = a.up.data()[i];
    a.hidden.data()[i] =
        experts.glu ? activate(experts.activation, a.gate.data()[i]) * u : activate(experts.activation, u);
  }
  a.hidden = stored(at.hidden, std::move(a.hidden));
  a.out = stored(at.out, linear_forward(a.hidden, weight.down, weight.down_bias));
  return a;
}

/// The gradients of one expert's weights: of their shapes, biases as single rows; those that do not exist are empty.
template <typename Num>
struct ExpertWeightGrads {
  Matrix<Num> gate, up, down;
  Matrix<Num> gate_bias, up_bias, down_bias;
};

template <typename Num>
struct ExpertGrads {
  Matrix<Num> x;         // (N, D)
  Matrix<Num> gate, up;  // (N, F)
  Matrix<Num> hidden;    // (N, F)
  ExpertWeightGrads<Num> weight;
};

/// The vector-Jacobian product of expert_forward.   dout (N, D) -> dx (N, D) and the gradients of stages and weights
///   (X3')  dh = dout down,                          ddown = dout^T h,   db_down = sum_n dout_n
///   (X2')  dg_nf = dh_nf u_nf act'(g_nf),           du_nf = dh_nf act(g_nf)   or   du_nf = dh_nf act'(u_nf)
///   (X1')  dx = dg gate + du up,                    dgate = dg^T x,   dup = du^T x,   db likewise
template <typename Num>
ExpertGrads<Num> expert_backward(const Experts& experts, const ExpertTrace<Num>& a,
                                 const ExpertParams<Num>& weight, const Matrix<Num>& dout,
                                 const ExpertStages& at = kRoutedStages) {
  ExpertGrads<Num> g;
  g.hidden = stored(at.grad_hidden, linear_backward(dout, weight.down));
  g.up.resizeLike(a.up);
  g.gate.resizeLike(a.gate);
  for (Index i = 0; i < a.up.size(); ++i) {
    const Num &u = a.up.data()[i], &dh = g.hidden.data()[i];
    if (!experts.glu) {
      g.up.data()[i] = dh * activate_slope(experts.activation, u);
      continue;
    }
    const Num& gate = a.gate.data()[i];
    g.gate.data()[i] = dh * u * activate_slope(experts.activation, gate);
    g.up.data()[i] = dh * activate(experts.activation, gate);
  }
  g.gate = stored(at.grad_gate, std::move(g.gate));
  g.up = stored(at.grad_up, std::move(g.up));

  g.x = linear_backward(g.up, weight.up);
  g.weight.up = stored(at.weight_up, linear_backward_weight(g.up, a.x, weight.up.loop));
  g.weight.down = stored(at.weight_down, linear_backward_weight(dout, a.hidden, weight.down.loop));
  if (weight.up_bias.rows > 0)
    g.weight.up_bias = stored(Tensor::grad_experts_up_bias, linear_backward_bias(g.up));
  if (weight.down_bias.rows > 0)
    g.weight.down_bias = stored(Tensor::grad_experts_down_bias, linear_backward_bias(dout));
  if (!experts.glu) return g;
  g.x += linear_backward(g.gate, weight.gate);
  g.weight.gate = stored(at.weight_gate, linear_backward_weight(g.gate, a.x, weight.gate.loop));
  if (weight.gate_bias.rows > 0)
    g.weight.gate_bias = stored(Tensor::grad_experts_gate_bias, linear_backward_bias(g.gate));
  return g;
}

}  // namespace moe
