#pragma once

#include "moe/layer/linear.h"

namespace moe {

/// The norms of rows: of the result (C4), of what experts work on (X6), of what they give (X7).
/// Source: Zhang and Sennrich, Root Mean Square Layer Normalization (2019), eq. 4.
///   q_t = 1 / sqrt(1/D sum_d v_td^2 + epsilon)
template <typename Num>
std::vector<Num> inverse_rms(double epsilon, const Matrix<Num>& v) {
  using std::sqrt;
  const Num D = Num(static_cast<double>(v.cols())), added = configured<Num>(epsilon);
  std::vector<Num> q, squares = buffer<Num>(v.cols());
  for (Index t = 0; t < v.rows(); ++t) {
    for (Index d = 0; d < v.cols(); ++d) at(squares, d) = square(v(t, d));
    q.push_back(Num(1) / sqrt(sum(squares.data(), v.cols()) / D + added));
  }
  return q;
}

/// Rows divided by their root mean squares.   v (T, D), c (1, D) -> y (T, D)
///   (C4)  y_td = c_d v_td q_t
template <typename Num>
Matrix<Num> rms_forward(double epsilon, const Matrix<Num>& v, const Matrix<Num>& c) {
  const std::vector<Num> q = inverse_rms(epsilon, v);
  Matrix<Num> y(v.rows(), v.cols());
  for (Index t = 0; t < v.rows(); ++t)
    for (Index d = 0; d < v.cols(); ++d) y(t, d) = v(t, d) * at(q, t) * c(0, d);
  return y;
}
///   (C4')  dv_td = q_t (c_d dy_td - v_td q_t^2 / D sum_j c_j dy_tj v_tj),   dc_d = sum_t dy_td v_td q_t
template <typename Num>
Matrix<Num> rms_backward(double epsilon, const Matrix<Num>& v, const Matrix<Num>& c, const Matrix<Num>& dy) {
  const Index D = v.cols();
  const std::vector<Num> q = inverse_rms(epsilon, v);
  Matrix<Num> dv(v.rows(), D);
  std::vector<Num> weighted = buffer<Num>(D);
  for (Index t = 0; t < v.rows(); ++t) {
    for (Index d = 0; d < D; ++d) at(weighted, d) = c(0, d) * dy(t, d);
    const Num along = dot(weighted.data(), row(v, t), D) * square(at(q, t)) / Num(static_cast<double>(D));
    for (Index d = 0; d < D; ++d) dv(t, d) = at(q, t) * (at(weighted, d) - v(t, d) * along);
  }
  return dv;
}
template <typename Num>
Matrix<Num> rms_backward_weight(double epsilon, const Matrix<Num>& v, const Matrix<Num>& dy) {
  const std::vector<Num> q = inverse_rms(epsilon, v);
  Matrix<Num> terms(v.rows(), v.cols());
  for (Index t = 0; t < v.rows(); ++t)
    for (Index d = 0; d < v.cols(); ++d) terms(t, d) = dy(t, d) * (v(t, d) * at(q, t));
  return linear_backward_bias(terms);
}

/// The same with the factors before the norm, which sees them: (X7).   v (N, L), c (1, L) -> y (N, L)
///   (X7)  y_nl = u_nl q_n,   u_nl = c_l v_nl,   q_n that of u
/// Source: MuseSparkTextInputScaledRMSNorm of huggingface/transformers.
template <typename Num>
Matrix<Num> factored(const Matrix<Num>& v, const Matrix<Num>& c) {
  Matrix<Num> u(v.rows(), v.cols());
  for (Index n = 0; n < v.rows(); ++n)
    for (Index l = 0; l < v.cols(); ++l) u(n, l) = v(n, l) * c(0, l);
  return u;
}
template <typename Num>
Matrix<Num> scaled_rms_forward(double epsilon, const Matrix<Num>& v, const Matrix<Num>& c) {
  const Matrix<Num> u = factored(v, c);
  const std::vector<Num> q = inverse_rms(epsilon, u);
  Matrix<Num> y(v.rows(), v.cols());
  for (Index n = 0; n < v.rows(); ++n)
    for (Index l = 0; l < v.cols(); ++l) y(n, l) = u(n, l) * at(q, n);
  return y;
}
///   (X7')  du by (C4') with factors of 1;   dv_nl = c_l du_nl,   dc_l = sum_n v_nl du_nl
template <typename Num>
Matrix<Num> factored_backward(double epsilon, const Matrix<Num>& v, const Matrix<Num>& c,
                              const Matrix<Num>& dy) {
  const Matrix<Num> ones = Matrix<Num>::Constant(1, v.cols(), Num(1));
  return rms_backward(epsilon, factored(v, c), ones, dy);
}
template <typename Num>
Matrix<Num> scaled_rms_backward(double epsilon, const Matrix<Num>& v, const Matrix<Num>& c,
                                const Matrix<Num>& dy) {
  return factored(factored_backward(epsilon, v, c, dy), c);
}
template <typename Num>
Matrix<Num> scaled_rms_backward_weight(double epsilon, const Matrix<Num>& v, const Matrix<Num>& c,
                                       const Matrix<Num>& dy) {
  const Matrix<Num> du = factored_backward(epsilon, v, c, dy);
  Matrix<Num> terms(v.rows(), v.cols());
  for (Index n = 0; n < v.rows(); ++n)
    for (Index l = 0; l < v.cols(); ++l) terms(n, l) = v(n, l) * du(n, l);
  return linear_backward_bias(terms);
}

}  // namespace moe
