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

/// The activation of an expert, and its slope.
///   (X2)  act~(z) = min(act(z), clamp_act_max),   or, with softcap_gate,   c tanh(z / c) sigmoid(z)
template <typename Num>
Num activated(const Experts& experts, const Num& z) {
  if (caps_gate(experts)) return smooth(CappedSilu{experts.softcap_gate}, z);
  const Num a = activate(experts.activation, z, experts.act_alpha);
  return clamps_act(experts) ? at_most(a, configured<Num>(experts.clamp_act_max)) : a;
}
template <typename Num>
Num activated_slope(const Experts& experts, const Num& z) {
  if (caps_gate(experts)) return smooth(CappedSiluSlope{experts.softcap_gate}, z);
  const Num slope = activate_slope(experts.activation, z, experts.act_alpha);
  if (!clamps_act(experts)) return slope;
  const Num a = activate(experts.activation, z, experts.act_alpha);
  return slope * at_most_slope(a, configured<Num>(experts.clamp_act_max));
}

/// The two halves of a gated expert as they meet.
///   (X2)  g~ = min(g, clamp_gate_max),   u~ = min(max(u, -clamp_up_abs), clamp_up_abs) + up_offset;
///         with softcap_up, c tanh(u / c) for u
template <typename Num>
Num limited_gate(const Experts& experts, const Num& g) {
  return clamps_gate(experts) ? at_most(g, configured<Num>(experts.clamp_gate_max)) : g;
}
template <typename Num>
Num limited_up(const Experts& experts, const Num& u) {
  const auto within = [&] {
    const Num limit = configured<Num>(experts.clamp_up_abs);
    return Num(-at_most(Num(-at_most(u, limit)), limit));
  };
  const Num v = clamps_up(experts) ? within() : caps_up(experts) ? smooth(Softcap{experts.softcap_up}, u) : u;
  return experts.up_offset == 0 ? v : v + configured<Num>(experts.up_offset);
}
/// a times the slope of these: (X2').
template <typename Num>
Num through_gate(const Experts& experts, const Num& g, const Num& a) {
  return clamps_gate(experts) ? a * at_most_slope(g, configured<Num>(experts.clamp_gate_max)) : a;
}
template <typename Num>
Num through_up(const Experts& experts, const Num& u, const Num& a) {
  if (caps_up(experts)) return a * smooth(SoftcapSlope{experts.softcap_up}, u);
  const Num distance = approx(u) < 0 ? -u : u;
  return clamps_up(experts) ? a * at_most_slope(distance, configured<Num>(experts.clamp_up_abs)) : a;
}

/// visit(z, bend) for every number whose place above or below `bend` decides what (X2) is there.
template <typename Num, typename Visit>
void each_bend(const Experts& experts, const Matrix<Num>& gate, const Matrix<Num>& up, Visit visit) {
  const auto all = [&](const Matrix<Num>& z, double bend) {
    for (Index i = 0; i < z.size(); ++i) visit(z.data()[i], bend);
  };
  if (has_kink(experts.activation)) all(experts.glu ? gate : up, 0);
  if (clamps_gate(experts)) all(gate, experts.clamp_gate_max);
  for (Index i = 0; clamps_act(experts) && i < gate.size(); ++i) {
    const Num z = limited_gate(experts, gate.data()[i]);
    visit(activate(experts.activation, z, experts.act_alpha), experts.clamp_act_max);
  }
  if (clamps_up(experts)) all(up, experts.clamp_up_abs), all(up, -experts.clamp_up_abs);
}

/// What goes out of the first two maps becomes what goes into the third.   g, u (N, F) -> h (N, F)
///   (X2)
template <typename Num>
Matrix<Num> hidden_forward(const Experts& experts, const Matrix<Num>& gate, const Matrix<Num>& up) {
  Matrix<Num> h(up.rows(), up.cols());
  for (Index i = 0; i < up.size(); ++i) {
    const Num& u = up.data()[i];
    h.data()[i] = experts.glu
                      ? activated(experts, limited_gate(experts, gate.data()[i])) * limited_up(experts, u)
                      : activated(experts, u);
  }
  return h;
}

/// One expert, gated or not.   x (N, D) -> out (N, D)
///   (X1)  g = x gate^T + b_gate,   u = x up^T + b_up
///   (X2)  h_nf = act~(g~_nf) u~_nf  or, ungated,   h_nf = act(u_nf)
///   (X3)  out = h down^T + b_down
/// Source: Shazeer, GLU Variants Improve Transformer (2020), eq. 5 and 6; ungated: eq. 1; limits: openai/gpt-oss, DeepSeek-V4.
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
  for (Index i = 0; i < dg.size(); ++i) {
    const Num &g = a.gate.data()[i], &u = a.up.data()[i];
    const Num slope = activated_slope(experts, limited_gate(experts, g));
    dg.data()[i] = through_gate(experts, g, dh.data()[i] * limited_up(experts, u) * slope);
  }
  return dg;
}
template <typename Num>
Matrix<Num> up_backward(const Experts& experts, const ExpertTrace<Num>& a, const Matrix<Num>& dh) {
  Matrix<Num> du(dh.rows(), dh.cols());
  for (Index i = 0; i < du.size(); ++i) {
    const Num &u = a.up.data()[i], &of_h = dh.data()[i];
    du.data()[i] =
        experts.glu
            ? through_up(experts, u, of_h * activated(experts, limited_gate(experts, a.gate.data()[i])))
            : of_h * activated_slope(experts, u);
  }
  return du;
}

/// The vector-Jacobian product of expert_forward.   dout (N, D) -> dx (N, D) and the gradients of stages and weights
///   (X3')  dh = dout down,                          ddown = dout^T h,   db_down = sum_n dout_n
///   (X2')  dg_nf = dh_nf u~_nf act'(g~_nf) [g_nf < clamp_gate_max] [act(g~_nf) < clamp_act_max],
///          du_nf = dh_nf act~(g~_nf) [|u_nf| < clamp_up_abs]   or, ungated,   du_nf = dh_nf act'(u_nf);
///          with softcap_up, 1 - tanh(u / c)^2 for [|u_nf| < clamp_up_abs]
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
