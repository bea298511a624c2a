#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "moe/config_json.h"
#include "moe/evaluate.h"
#include "moe/load.h"
#include "moe/presets.h"
#include "moe/validate.h"

/// What tests share: small layers, and comparisons that say where two things differ.
namespace moe {

inline constexpr double kUnit = 0x1p-53;  // the unit roundoff of binary64
inline const double kLn2 = std::log(2.0);

template <typename Num = double>
Matrix<Num> matrix(const std::vector<std::vector<double>>& rows) {
  Matrix<Num> m(static_cast<Index>(rows.size()), rows.empty() ? 0 : static_cast<Index>(rows.front().size()));
  for (Index i = 0; i < m.rows(); ++i)
    for (Index j = 0; j < m.cols(); ++j) m(i, j) = Num(at(at(rows, i), j));
  return m;
}
inline IdMatrix ids(const std::vector<std::vector<double>>& rows) {
  return matrix(rows).cast<std::int32_t>();
}

/// A weight that is just a matrix.
inline Weight<double> as_weight(const Matrix<double>& m) {
  return {m.rows(), m.cols(), [m](Index i, double* to) { std::copy_n(row(m, i), m.cols(), to); },
          [m](Index j, double* to) {
            for (Index i = 0; i < m.rows(); ++i) to[i] = m(i, j);
          }};
}

/// Does x round to the printed digits? `unit` is one of their last place.
inline bool prints(double x, double printed, double unit) {
  return std::abs(x - printed) <= unit / 2 * (1 + 1e-9);
}

/// "" if every |got - want| <= bound; else the first element that is not. Empty or differently shaped never passes.
template <typename A, typename B>
std::string difference(const Matrix<A>& got, const Matrix<B>& want, double bound) {
  if (got.rows() != want.rows() || got.cols() != want.cols() || got.size() == 0)
    return "the shapes differ, or are empty";
  for (Index i = 0; i < got.rows(); ++i)
    for (Index j = 0; j < got.cols(); ++j)
      if (!(std::abs(approx(got(i, j)) - approx(want(i, j))) <= bound))
        return '(' + std::to_string(i) + ", " + std::to_string(j) + "): " + print_real(approx(got(i, j))) +
               " is not " + print_real(approx(want(i, j)));
  return "";
}

/// The same for arrays of one name each; integers must be equal, reals within `bound` of the largest of their tensor.
inline std::string difference(const Arrays& got, const Arrays& want, double bound) {
  if (got.size() != want.size() || got.empty()) return "other tensors";
  for (std::size_t n = 0; n < got.size(); ++n) {
    const auto& [name, a] = got[n];
    const auto& [wanted, b] = want[n];
    if (name != wanted || a.dims != b.dims || is_real(a.format) != is_real(b.format))
      return name + " is not " + wanted + ", or not of its shape";
    double largest = 0;
    for (Index i = 0; i < b.size(); ++i)
      largest = std::max(largest, is_real(b.format) ? std::abs(b.real(i)) : 0.0);
    for (Index i = 0; i < a.size(); ++i) {
      const bool same = is_real(a.format) ? std::abs(a.real(i) - b.real(i)) <= bound * largest
                                          : a.integer(i) == b.integer(i);
      if (!same) return name + '[' + std::to_string(i) + ']';
    }
  }
  return "";
}

inline const Array& tensor_in(const Arrays& arrays, const std::string& name) {
  for (const auto& [known, a] : arrays)
    if (known == name) return a;
  throw Error(name, name + " is not there");
}
inline std::vector<double> values_in(const Arrays& arrays, const std::string& name) {
  const Array& a = tensor_in(arrays, name);
  std::vector<double> values;
  for (Index i = 0; i < a.size(); ++i)
    values.push_back(is_real(a.format) ? a.real(i) : static_cast<double>(a.integer(i)));
  return values;
}

/// The message of the Error that `action` throws, or what it did instead.
template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

/// A preset in a size at which a test may look at every number, changed by assignments as with --set.
inline Config small(const std::string& preset, const std::vector<std::string>& sets = {}) {
  std::vector<std::string> all{"shape.num_tokens=5", "shape.hidden_size=6", "shape.ffn_size=7"};
  if (preset != "dense") all.emplace_back("shape.num_experts=4");
  all.insert(all.end(), sets.begin(), sets.end());
  return load_config(preset, all).config;
}

}  // namespace moe
