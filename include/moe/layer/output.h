#pragma once

#include "moe/layer/combine.h"
#include "moe/layer/norm.h"

/// From what the experts said to y: the sum over choices, a map out of a latent space, a bias, the shared expert, a norm.
namespace moe {

/// The parts of a mean that y is, (H3), or of its gradient, (H3'): n / (n + 1) and 1 / (n + 1) of m; all of m where it is none.
template <typename Num>
Matrix<Num> times(const Num& share, const Matrix<Num>& m) {
  Matrix<Num> part(m.rows(), m.cols());
  scale(share, m.data(), m.size(), part.data());
  return part;
}
template <typename Num>
Matrix<Num> routed_share(const Config& config, const Matrix<Num>& m) {
  if (!averages_shared(config)) return m;
  const auto n = static_cast<double>(routed_parts(config));
  return times(Num(Num(n) / Num(n + 1)), m);
}
template <typename Num>
Matrix<Num> shared_share(const Config& config, const Matrix<Num>& m) {
  if (!averages_shared(config)) return m;
  return times(Num(Num(1) / Num(static_cast<double>(routed_parts(config)) + 1)), m);
}

template <typename Num>
struct Combined {
  Matrix<Num> weighted;  // (N, D)
  Matrix<Num> latent;    // (T, L) where experts work on a latent x
  Matrix<Num> sum;       // (T, D) where y is the norm of it
  Matrix<Num> y;         // (T, D)
};

/// The result of the layer.   w (T, K), out (N, D), x (T, D), what the shared expert says, (H1), (T, D) -> y (T, D)
///   (X5)  with latent_size, r_t of (C2) is latent.up r_t
///   (C2)  y_t = r_t, with a bias after the combine r_t + b, plus what the shared expert says; with (C4), the norm of that
template <typename Num>
Combined<Num> combine_forward(const Config& config, const Params<Num>& params, const Matrix<Num>& weight,
                              const Plan& plan, const Matrix<Num>& out, const Matrix<Num>& x,
                              const Matrix<Num>& shared = {}) {
  Combined<Num> c;
  c.weighted = stored(Tensor::combine_weighted, [&] { return weighted_forward(config, weight, plan, out); });
  const auto routed = [&] { return sum_forward(config, weight, plan, c.weighted, x); };
  Matrix<Num> raised;
  if (has_latent(config)) {
    c.latent = stored(Tensor::latent_y, routed);
    raised = stored(Tensor::latent_out, [&] { return linear_forward(c.latent, params.latent_up); });
  }
  const bool norm = norms_output(config);
  Matrix<Num> whole = stored(norm ? Tensor::combine_sum : Tensor::y, [&] {
    Matrix<Num> y = has_latent(config) ? std::move(raised) : routed();
    if (biases_sum(config)) {
      const Matrix<Num> b = all_rows(params.combine_bias);
      for (Index t = 0; t < y.rows(); ++t)
        for (Index d = 0; d < y.cols(); ++d) y(t, d) += b(0, d);
    }
    y = routed_share(config, y);
    if (shared.size() > 0) y += shared_share(config, shared);
    return y;
  });
  if (norm) {
    c.sum = std::move(whole);
    c.y = stored(Tensor::y, [&] {
      return rms_forward(config.combine.norm_epsilon, c.sum, all_rows(params.norm_weight));
    });
  } else {
    c.y = std::move(whole);
  }
  return c;
}

template <typename Num>
struct OutputGrads {
  Matrix<Num> sum, bias, norm_weight;  // (T, D), (1, D), (1, D) where there are such
  Matrix<Num> latent_y, latent_up;     // (T, L), (D, L)
  Matrix<Num> routed, shared;          // (T, D) in r, and in what the shared expert says
};

/// From the gradient of y to that of r.   dy (T, D), v (T, D) = combine.sum, l (T, L) = latent.y
///   (C2')  dr_t = dy_t,   db = sum_t dy_t;   (X5')  dl_t = latent.up^T dr_t,   dlatent.up = sum_t dr_t l_t^T
template <typename Num>
OutputGrads<Num> output_backward(const Config& config, const Params<Num>& params, const Matrix<Num>& v,
                                 const Matrix<Num>& l, Matrix<Num> dy) {
  OutputGrads<Num> g;
  if (norms_output(config)) {
    g.norm_weight = stored(Tensor::grad_combine_norm_weight,
                           [&] { return rms_backward_weight(config.combine.norm_epsilon, v, dy); });
    g.sum = stored(Tensor::grad_combine_sum, [&] {
      return rms_backward(config.combine.norm_epsilon, v, all_rows(params.norm_weight), dy);
    });
    dy = g.sum;
  }
  g.routed = routed_share(config, dy), g.shared = shared_share(config, dy);
  if (biases_sum(config))
    g.bias = stored(Tensor::grad_combine_bias, [&] { return linear_backward_bias(g.routed); });
  if (!has_latent(config)) return g;
  g.latent_up = stored(Tensor::grad_latent_up,
                       [&] { return linear_backward_weight(g.routed, l, params.latent_up.loop); });
  g.latent_y = stored(Tensor::grad_latent_y, [&] { return linear_backward(g.routed, params.latent_up); });
  return g;
}

}  // namespace moe
