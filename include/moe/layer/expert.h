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

/// What goes out of the first two maps becomes what goes into the third.   g, u (N, F) -> h (N, F)
///   (X2)
template <typename Num>
Matrix<Num> hidden_forward(const Experts& experts, const Matrix<Num>& gate, const Matrix<Num>& up) {
  Matrix<Num> h(up.rows(), up.cols());
  for (Index i = 0; i < up.size(); ++i) {
    const Num& u = up.data()[i];
    h.data()[i] =
        experts.glu ? activate(experts.activation, gate.data()[i]) * u : activate(experts.activation, u);
  }
  return h;
}

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
  if (experts.glu)
    a.gate = stored(at.gate, [&] { return linear_forward(a.x, weight.gate, weight.gate_bias); });
  a.up = stored(at.up, [&] { return linear_forward(a.x, weight.up, weight.up_bias); });
  a.hidden = stored(at.hidden, [&] { return hidden_forward(experts, a.gate, a.up); });
  a.out = stored(at.out, [&] { return linear_forward(a.hidden, weight.down, weight.down_bias); });
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

/// The two halves of (X2').   dh (N, F) -> dg, du (N, F)
template <typename Num>
Matrix<Num> gate_backward(const Experts& experts, const ExpertTrace<Num>& a, const Matrix<Num>& dh) {
  Matrix<Num> dg(dh.rows(), dh.cols());
  for (Index i = 0; i < dg.size(); ++i)
    dg.data()[i] = dh.data()[i] * a.up.data()[i] * activate_slope(experts.activation, a.gate.data()[i]);
  return dg;
}
template <typename Num>
Matrix<Num> up_backward(const Experts& experts, const ExpertTrace<Num>& a, const Matrix<Num>& dh) {
  Matrix<Num> du(dh.rows(), dh.cols());
  for (Index i = 0; i < du.size(); ++i)
    du.data()[i] = dh.data()[i] * (experts.glu ? activate(experts.activation, a.gate.data()[i])
                                               : activate_slope(experts.activation, a.up.data()[i]));
  return du;
}

/// The vector-Jacobian product of expert_forward.   dout (N, D) -> dx (N, D) and the gradients of stages and weights
///   (X3')  dh = dout down,                          ddown = dout^T h,   db_down = sum_n dout_n
///   (X2')  dg_nf = dh_nf u_nf act'(g_nf),           du_nf = dh_nf act(g_nf)   or   du_nf = dh_nf act'(u_nf)
///   (X1')  dx = dg gate + du up,                    dgate = dg^T x,   dup = du^T x,   db likewise
template <typename Num>
ExpertGrads<Num> expert_backward(const Experts& experts, const ExpertTrace<Num>& a,
                                 const ExpertParams<Num>& weight, const Matrix<Num>& dout,
                                 const ExpertStages& at = kRoutedStages) {
  ExpertGrads<Num> g;
  g.hidden = stored(at.grad_hidden, [&] { return linear_backward(dout, weight.down); });
  if (experts.glu) g.gate = stored(at.grad_gate, [&] { return gate_backward(experts, a, g.hidden); });
  g.up = stored(at.grad_up, [&] { return up_backward(experts, a, g.hidden); });

  g.x = linear_backward(g.up, weight.up);
  g.weight.up = stored(at.weight_up, [&] { return linear_backward_weight(g.up, a.x, weight.up.loop); });
  g.weight.down =
      stored(at.weight_down, [&] { return linear_backward_weight(dout, a.hidden, weight.down.loop); });
  if (weight.up_bias.rows > 0)
    g.weight.up_bias = stored(Tensor::grad_experts_up_bias, [&] { return linear_backward_bias(g.up); });
  if (weight.down_bias.rows > 0)
    g.weight.down_bias = stored(Tensor::grad_experts_down_bias, [&] { return linear_backward_bias(dout); });
  if (!experts.glu) return g;
  g.x += linear_backward(g.gate, weight.gate);
  g.weight.gate =
      stored(at.weight_gate, [&] { return linear_backward_weight(g.gate, a.x, weight.gate.loop); });
  if (weight.gate_bias.rows > 0)
    g.weight.gate_bias = stored(Tensor::grad_experts_gate_bias, [&] { return linear_backward_bias(g.gate); });
  return g;
}

}  // namespace moe
