#pragma once

#include "moe/layer/conventions.h"
#include "moe/layer/plan.h"
#include "moe/scalar/scalar.h"

namespace moe {

/// The parts of a mean that y is, (H3), or of its gradient, (H3'): n / (n + 1) and 1 / (n + 1) of m.
template <typename Num>
Matrix<Num> times(const Num& share, const Matrix<Num>& m) {
  Matrix<Num> part(m.rows(), m.cols());
  scale(share, m.data(), m.size(), part.data());
  return part;
}
template <typename Num>
Matrix<Num> routed_share(const Config& config, const Matrix<Num>& m) {
  const auto n = static_cast<double>(routed_parts(config));
  return times(Num(Num(n) / Num(n + 1)), m);
}
template <typename Num>
Matrix<Num> shared_share(const Config& config, const Matrix<Num>& m) {
  return times(Num(Num(1) / Num(static_cast<double>(routed_parts(config)) + 1)), m);
}

template <typename Num>
struct Combined {
  Matrix<Num> weighted;  // (N, D)
  Matrix<Num> y;         // (T, D)
};

inline bool all_dropped(const Plan& plan, Index t) {
  for (Index k = 0; k < plan.row.cols(); ++k)
    if (plan.row(t, k) >= 0) return false;
  return true;
}

/// The weighted sum of what the chosen experts said.   w (T, K), out (N, D), x (T, D) -> v (N, D), y (T, D)
///   (C1)  v_n = w_tk out_n                 for n = row(t, k); with weight_location input, where (G2) has it, v_n = out_n
///   (C2)  y_t = sum_k v_{row(t,k)}         over the kept k, plus what the shared expert says, (H1)
///   (C3)  y_t = 0, x_t or w_t1 x_t         for a token without a kept k: dropped_output zero, identity, scaled_identity
/// Source: Switch Transformer eq. 2.
template <typename Num>
Combined<Num> combine_forward(const Config& config, const Matrix<Num>& weight, const Plan& plan,
                              const Matrix<Num>& out, const Matrix<Num>& x, const Matrix<Num>& shared = {}) {
  const Index T = weight.rows(), K = weight.cols(), D = x.cols();
  const DroppedOutput dropped = config.capacity.dropped_output;
  Combined<Num> c;
  c.weighted = stored(Tensor::combine_weighted, [&] {
    if (weighs_input(config)) return out;
    Matrix<Num> v(out.rows(), D);
    for (Index t = 0; t < T; ++t)
      for (Index k = 0; k < K; ++k)
        if (const Index n = plan.row(t, k); n >= 0) scale(weight(t, k), row(out, n), D, row(v, n));
    return v;
  });
  c.y = stored(Tensor::y, [&] {
    Matrix<Num> y = zeros<Num>(T, D);
    std::vector<Num> term;
    for (Index t = 0; t < T; ++t) {
      if (all_dropped(plan, t)) {
        if (keeps_x(dropped)) std::copy_n(row(x, t), D, row(y, t));
        if (scales_x(dropped)) scale(weight(t, 0), row(x, t), D, row(y, t));
        continue;
      }
      for (Index d = 0; d < D; ++d) {
        term.clear();
        for (Index k = 0; k < K; ++k)
          if (const Index n = plan.row(t, k); n >= 0) term.push_back(c.weighted(n, d));
        y(t, d) = sum(term.data(), static_cast<Index>(term.size()));
      }
    }
    if (averages_shared(config)) y = routed_share(config, y);
    if (shared.size() > 0) y += averages_shared(config) ? shared_share(config, shared) : shared;
    return y;
  });
  return c;
}

template <typename Num>
struct CombineGrads {
  Matrix<Num> weight;  // (T, K)
  Matrix<Num> out;     // (N, D)
  Matrix<Num> x;       // (T, D) by way of (C3) only
};

/// The vector-Jacobian product of combine_forward.   dy (T, D) -> dw (T, K), dout (N, D), dx (T, D)
///   (C1')  dout_n = w_tk dy_t,   dw_tk = <out_n, dy_t>   for n = row(t, k); dw_tk = 0 where the choice was dropped;
///          with weight_location input   dout_n = dy_t,   and dw_tk is that of (G2')
///   (C3')  dx_t = 0, dy_t or w_t1 dy_t,   dw_t1 = <x_t, dy_t> if scaled, for a token without a kept k
template <typename Num>
CombineGrads<Num> combine_backward(const Config& config, const Matrix<Num>& weight, const Plan& plan,
                                   const Matrix<Num>& out, const Matrix<Num>& x, const Matrix<Num>& dy) {
  const Index T = weight.rows(), K = weight.cols(), D = x.cols();
  const DroppedOutput dropped = config.capacity.dropped_output;
  const bool weighed = weighs_input(config);  // already
  CombineGrads<Num> g{zeros<Num>(T, K), {}, zeros<Num>(T, D)};
  g.out = stored(Tensor::grad_expert_out, [&] {
    Matrix<Num> dout(out.rows(), D);
    for (Index t = 0; t < T; ++t)
      for (Index k = 0; k < K; ++k)
        if (const Index n = plan.row(t, k); n >= 0) {
          if (weighed)
            std::copy_n(row(dy, t), D, row(dout, n));
          else
            scale(weight(t, k), row(dy, t), D, row(dout, n));
        }
    return dout;
  });
  for (Index t = 0; t < T; ++t) {
    if (all_dropped(plan, t)) {
      if (keeps_x(dropped)) std::copy_n(row(dy, t), D, row(g.x, t));
      if (scales_x(dropped)) scale(weight(t, 0), row(dy, t), D, row(g.x, t));
    }
    const StageScope<Num> stage(Tensor::grad_router_topk_weights);
    for (Index k = 0; k < K; ++k)
      if (const Index n = plan.row(t, k); n >= 0 && !weighed)
        g.weight(t, k) = dot(row(out, n), row(dy, t), D);
    if (all_dropped(plan, t) && scales_x(dropped)) g.weight(t, 0) = dot(row(x, t), row(dy, t), D);
  }
  return g;
}

}  // namespace moe
