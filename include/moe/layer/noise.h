#pragma once

#include "moe/layer/conventions.h"
#include "moe/scalar/scalar.h"

namespace moe {

/// What noisy logits are made of; absent without noise.
template <typename Num>
struct NoiseTrace {
  Matrix<Num> clean, raw, scale, noise;  // (T, E) z, r, s, n
  Matrix<Num> ranked{};                  // (T, E) what only ranks experts, where there is such
};

/// Noise that only ranks experts: scores and losses are of the logits without it.   z, g (T, E) -> h (T, E)
///   (N2)  h_te = z_te + g_te, where noise.choices is second for all but the best logit
/// Source: deepspeedai/DeepSpeed, deepspeed/moe/sharded_moe.py, and facebookresearch/fairscale, top2gate.py, of Gumbel noise.
template <typename Num>
Matrix<Num> ranked_forward(const Matrix<Num>& z, const Matrix<Num>& g) {
  Matrix<Num> h(z.rows(), z.cols());
  for (Index i = 0; i < h.size(); ++i) h.data()[i] = z.data()[i] + g.data()[i];
  return h;
}

/// Noise on what the router sees, and only the router; its vector-Jacobian product is the same of dx'.   x, j (T, D) -> x' (T, D)
///   (N3)  x'_td = x_td j_td;   (N3')  dx_td = j_td dx'_td
/// Source: tensorflow/mesh, input_jitter; NVIDIA/Megatron-LM, apply_input_jitter.
template <typename Num>
Matrix<Num> jittered(const Matrix<Num>& x, const Matrix<Num>& j) {
  Matrix<Num> seen(x.rows(), x.cols());
  for (Index i = 0; i < seen.size(); ++i) seen.data()[i] = x.data()[i] * j.data()[i];
  return seen;
}

/// Noise of a learned standard deviation, or of a fixed one.   z, r = x W_noise^T or absent, n (T, E) -> s, h (T, E)
///   (N1)  h_te = z_te + n_te s_te,   s_te = log(1 + exp(r_te)) + epsilon   or   s_te = scale
/// Source: Shazeer et al., Outrageously Large Neural Networks, arXiv 1701.06538, eq. 4; the epsilon that keeps s from
/// 0 is tensorflow/tensor2tensor's, expert_utils.py at bafdc1b67730; fixed: google-research/vmoe, microsoft/tutel.
template <typename Num>
Matrix<Num> noise_forward(const Noise& noise, NoiseTrace<Num>& a) {
  const Index T = a.clean.rows(), E = a.clean.cols();
  Matrix<Num> h(T, E);
  a.scale.resize(T, E);
  for (Index i = 0; i < h.size(); ++i) {
    a.scale.data()[i] = learns_noise(noise) ? softplus(a.raw.data()[i]) + configured<Num>(noise.epsilon)
                                            : configured<Num>(noise.scale);
    h.data()[i] = a.clean.data()[i] + a.noise.data()[i] * a.scale.data()[i];
  }
  return h;
}

/// Its vector-Jacobian product: h passes dh on to z as it is, and the load loss has a ds of its own.   -> dr (T, E)
///   (N1')  dz = dh,   dr_te = (n_te dh_te + ds_te) sigmoid(r_te)
template <typename Num>
Matrix<Num> noise_backward(const NoiseTrace<Num>& a, const Matrix<Num>& dh, const Matrix<Num>& ds) {
  Matrix<Num> dr(dh.rows(), dh.cols());
  for (Index i = 0; i < dr.size(); ++i)
    dr.data()[i] = (a.noise.data()[i] * dh.data()[i] + ds.data()[i]) * sigmoid(a.raw.data()[i]);
  return dr;
}

}  // namespace moe
