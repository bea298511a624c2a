#pragma once

#include "moe/params.h"
#include "moe/scalar/scalar.h"

namespace moe {

/// A linear map of N rows.   x (N, D), W (F, D), b (F) or absent -> y (N, F)
///   (L1)  y_nf = sum_d x_nd W_fd + b_f
/// Error in any order with unit roundoff u: gamma_D sum_d |x_nd W_fd| + u |y_nf| (Higham 2002, eq. 3.5).
template <typename Num>
Matrix<Num> linear_forward(const Matrix<Num>& x, const Weight<Num>& W, const Weight<Num>& b = {}) {
  const Index N = x.rows(), F = W.rows, D = W.cols;
  Matrix<Num> y(N, F);
  if (N == 0) return y;  // the weights of an expert without tokens are never read

  W.loop(F, [&](Index first, Index last) {
    std::vector<Num> w = buffer<Num>(D);  // one row of W serves all N rows of x
    for (Index f = first; f < last; ++f) {
      W.row(f, w.data());
      for (Index n = 0; n < N; ++n) y(n, f) = dot(row(x, n), w.data(), D);
    }
  });
  if (b.rows == 0) return y;
  std::vector<Num> bias = buffer<Num>(F);
  b.row(0, bias.data());
  for (Index n = 0; n < N; ++n)
    for (Index f = 0; f < F; ++f) y(n, f) += at(bias, f);
  return y;
}

/// The vector-Jacobian product of linear_forward in x.   dy (N, F) -> dx (N, D)
///   (L1')  dx_nd = sum_f dy_nf W_fd
template <typename Num>
Matrix<Num> linear_backward(const Matrix<Num>& dy, const Weight<Num>& W) {
  const Index N = dy.rows(), F = W.rows, D = W.cols;
  Matrix<Num> dx(N, D);
  if (N == 0) return dx;
  W.loop(D, [&](Index first, Index last) {
    std::vector<Num> w = buffer<Num>(F);
    for (Index d = first; d < last; ++d) {
      W.column(d, w.data());
      for (Index n = 0; n < N; ++n) dx(n, d) = dot(row(dy, n), w.data(), F);
    }
  });
  return dx;
}

/// ... and in W.   dy (N, F), x (N, D) -> dW (F, D), exactly zero for N = 0
///   (L1")  dW_fd = sum_n dy_nf x_nd
template <typename Num>
Matrix<Num> linear_backward_weight(const Matrix<Num>& dy, const Matrix<Num>& x, Loop loop = in_one_piece) {
  const Index N = x.rows(), F = dy.cols(), D = x.cols();
  const Matrix<Num> dy_by_f = dy.transpose(), x_by_d = x.transpose();  // so that every dot is contiguous
  Matrix<Num> dW(F, D);
  loop(F, [&](Index first, Index last) {
    for (Index f = first; f < last; ++f)
      for (Index d = 0; d < D; ++d) dW(f, d) = dot(row(dy_by_f, f), row(x_by_d, d), N);
  });
  return dW;
}

/// ... and in b.   dy (N, F) -> db (1, F)
///   (L1b)  db_f = sum_n dy_nf
template <typename Num>
Matrix<Num> linear_backward_bias(const Matrix<Num>& dy) {
  const Matrix<Num> dy_by_f = dy.transpose();
  Matrix<Num> db(1, dy.cols());
  for (Index f = 0; f < dy.cols(); ++f) db(0, f) = sum(row(dy_by_f, f), dy.rows());
  return db;
}

}  // namespace moe
