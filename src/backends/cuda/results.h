#pragma once

#include "device.h"
#include "number.h"

/// From the device to the host: numbers as doubles, none of them rounded.
namespace moe::cuda {

inline double as_double(double x) { return x; }
inline double as_double(float x) { return static_cast<double>(x); }
inline double as_double(Bf16 x) { return static_cast<double>(widen(x)); }
inline double as_double(Half x) { return static_cast<double>(widen(x)); }

/// The first rows x cols numbers as a matrix, or those from row `first` on.
template <typename T>
Matrix<double> host_matrix(const Memory<T>& from, Index rows, Index cols, cudaStream_t stream,
                           Index first = 0) {
  const std::vector<T> numbers = from.take(first * cols, rows * cols, stream);
  Matrix<double> m(rows, cols);
  std::transform(numbers.begin(), numbers.end(), m.data(), [](T x) { return as_double(x); });
  return m;
}
inline IdMatrix host_ids(const Memory<std::int32_t>& from, Index rows, Index cols, cudaStream_t stream) {
  const std::vector<std::int32_t> numbers = from.take(0, rows * cols, stream);
  IdMatrix m(rows, cols);
  std::copy(numbers.begin(), numbers.end(), m.data());
  return m;
}

}  // namespace moe::cuda
