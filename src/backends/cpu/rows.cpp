#include "rows.h"

#include <algorithm>
#include <limits>

#include "numbers.h"

namespace moe::cpu {
namespace {

/// What is not written shows, in debug builds.
[[maybe_unused]] void fill_with_nan(std::uint16_t* x, Index n) { std::fill_n(x, n, std::uint16_t{0x7fc0}); }
[[maybe_unused]] void fill_with_nan(float* x, Index n) {
  std::fill_n(x, n, std::numeric_limits<float>::quiet_NaN());
}
template <typename T>
void poison([[maybe_unused]] T* x, [[maybe_unused]] Index n) {
#ifndef NDEBUG
  fill_with_nan(x, n);
#endif
}

}  // namespace

void Rows::prepare(Index rows, Index cols, Storage storage) {
  const bool narrow = storage == Storage::BF16 && multiplies_bf16();
  rows_ = rows, cols_ = cols, narrow_ = narrow;
  const Index room = (rows + kSpareRows) * cols;
  narrow ? poison(halves_.of(room), room) : poison(floats_.of(room), room);
}

void Rows::put(Index i, Index j, const float* from, Index n) {
  if (narrow_)
    cpu::narrow(from, n, halves_.data() + i * cols_ + j);
  else
    std::copy_n(from, n, floats_.data() + i * cols_ + j);
}

void Rows::get(Index i, Index j, Index n, float* to) const {
  if (narrow_)
    widen(halves_.data() + i * cols_ + j, n, to);
  else
    std::copy_n(floats_.data() + i * cols_ + j, n, to);
}

void Rows::copy(Index from, Index to) {
  if (narrow_)
    std::copy_n(halves_.data() + from * cols_, cols_, halves_.data() + to * cols_);
  else
    std::copy_n(floats_.data() + from * cols_, cols_, floats_.data() + to * cols_);
}

Operand Rows::from(Index i, Index j) const {
  const Index at = i * cols_ + j;
  if (narrow_) return {halves_.data() + at, cols_, true};
  return {floats_.data() + at, cols_, false};
}

void* Rows::to(Index i) {
  if (narrow_) return halves_.data() + i * cols_;
  return floats_.data() + i * cols_;
}

void Floats::prepare(Index rows, Index cols) {
  rows_ = rows, cols_ = cols;
  const Index room = (rows + kSpareRows) * cols;
  poison(floats_.of(room), room);
}

Matrix<double> widened(const Floats& m, Index first, Index n) {
  Matrix<double> all(n, m.cols());
  for (Index i = 0; i < n; ++i) std::copy_n(m.row(first + i), m.cols(), row(all, i));
  return all;
}

Matrix<double> widened(const Rows& rows, Index first, Index n) {
  Matrix<double> all(rows.rows(), n);
  std::vector<float> line(static_cast<std::size_t>(n));
  for (Index i = 0; i < rows.rows(); ++i) {
    rows.get(i, first, n, line.data());
    std::copy(line.begin(), line.end(), row(all, i));
  }
  return all;
}

}  // namespace moe::cpu
