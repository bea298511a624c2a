#include "rows.h"

#include <algorithm>
#include <limits>

#include "numbers.h"

namespace moe::cpu {

void Rows::prepare(Index rows, Index cols, Storage storage) {
  const bool narrow = storage == Storage::BF16 && multiplies_bf16();
  const Index room = (rows + kSpareRows) * cols;
  if (room > room_ || narrow != narrow_) {
    halves_ = Buffer<std::uint16_t>(narrow ? room : 0);
    floats_ = Buffer<float>(narrow ? 0 : room);
    room_ = room;
  }
  rows_ = rows, cols_ = cols, narrow_ = narrow;
#ifndef NDEBUG
  if (narrow) std::fill_n(halves_.data(), room, std::uint16_t{0x7fc0});
  if (!narrow) std::fill_n(floats_.data(), room, std::numeric_limits<float>::quiet_NaN());
#endif
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

Operand Rows::from(Index i, Index j) const {
  const Index at = i * cols_ + j;
  if (narrow_) return {halves_.data() + at, cols_, true};
  return {floats_.data() + at, cols_, false};
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
