#pragma once

#include "moe/layer/plan.h"
#include "moe/scalar/scalar.h"

namespace moe {

/// The rows of x that expert e works on.   x (T, D) -> (N_e, D)
///   (G1)  xg_n = x_{t(n)}
template <typename Num>
Matrix<Num> gather_forward(const Matrix<Num>& x, const Plan& plan, Index e) {
  Matrix<Num> xg(plan.count(e), x.cols());
  for (Index n = 0; n < xg.rows(); ++n)
    std::copy_n(row(x, plan.token(plan.first(e) + n)), x.cols(), row(xg, n));
  return xg;
}

/// The vector-Jacobian product of gather_forward, added to what x already has.   dxg (N_e, D) -> dx (T, D)
///   (G1')  dx_t += sum_{n : t(n) = t} dxg_n
template <typename Num>
void gather_backward(const Matrix<Num>& dxg, const Plan& plan, Index e, Matrix<Num>& dx) {
  for (Index n = 0; n < dxg.rows(); ++n) {
    Num* to = row(dx, plan.token(plan.first(e) + n));
    for (Index d = 0; d < dx.cols(); ++d) to[d] += dxg(n, d);
  }
}

/// The rows of all experts where weights multiply what goes in.   x (T, D), w (T, K) -> in (N, D)
///   (G2)  in_n = w_tk x_t    for n = row(t, k)
/// Source: Llama4TextMoe of huggingface/transformers.
template <typename Num>
Matrix<Num> weigh_forward(const Matrix<Num>& x, const Matrix<Num>& weight, const Plan& plan) {
  Matrix<Num> in(plan.N(), x.cols());
  for (Index n = 0; n < plan.N(); ++n)
    scale(weight.data()[at(plan.order, n)], row(x, plan.token(n)), x.cols(), row(in, n));
  return in;
}

/// The vector-Jacobian product of weigh_forward in w, added to dw, and in x, row by row.   din (N, D) -> dw (T, K), dxg (N, D)
///   (G2')  dw_tk += <din_n, x_t>,   dxg_n = w_tk din_n
template <typename Num>
Matrix<Num> weigh_backward(const Matrix<Num>& din, const Matrix<Num>& x, const Matrix<Num>& weight,
                           const Plan& plan, Matrix<Num>& dw) {
  const Index D = x.cols();
  Matrix<Num> dxg(plan.N(), D);
  for (Index n = 0; n < plan.N(); ++n) {
    const StageScope<Num> stage(Tensor::grad_router_topk_weights);
    dw.data()[at(plan.order, n)] += dot(row(din, n), row(x, plan.token(n)), D);
  }
  for (Index n = 0; n < plan.N(); ++n) scale(weight.data()[at(plan.order, n)], row(din, n), D, row(dxg, n));
  return dxg;
}

}  // namespace moe
