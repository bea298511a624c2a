#pragma once

#include "moe/layer/plan.h"

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

}  // namespace moe
