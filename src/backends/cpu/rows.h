#pragma once

#include "buffer.h"

/// Rows of numbers that are multiplied by a matrix.
namespace moe::cpu {

/// How weights and stages are kept.
enum class Storage { F32, BF16 };

/// Does this machine multiply bf16 numbers as they are? Else they are widened to f32 first.
bool multiplies_bf16();

/// Rows that are read by `Linear::multiply` are followed by so many more, whatever they hold.
inline constexpr Index kSpareRows = 4;

/// Numbers to be multiplied where they lie, in rows that are `stride` numbers apart.
struct Operand {
  const void* data = nullptr;
  Index stride = 0;
  bool narrow = false;  // bf16, else f32
};
inline Operand operand(const float* data, Index stride) { return {data, stride, false}; }

/// A matrix in the format in which oneDNN multiplies it: f32, or bf16 where the storage is bf16 and the machine takes it.
class Rows {
 public:
  /// Room for a matrix, of which nothing is known; in debug builds it is NaN, so that what is not written shows.
  void prepare(Index rows, Index cols, Storage storage);

  Index rows() const { return rows_; }
  bool narrow() const { return narrow_; }  // bf16
  Index cols() const { return cols_; }

  /// Writes n numbers from (i, j) on, rounded where the format is bf16; or reads them.
  void put(Index i, Index j, const float* from, Index n);
  void get(Index i, Index j, Index n, float* to) const;
  /// Row `to` as row `from` is.
  void copy(Index from, Index to);

  /// The numbers from (i, j) on.
  Operand from(Index i, Index j = 0) const;
  /// Where row i is, as float or bf16.
  void* to(Index i);

 private:
  Index rows_ = 0, cols_ = 0;
  bool narrow_ = false;
  Room<std::uint16_t> halves_;
  Room<float> floats_;
};

/// A matrix of f32 that our own loops read and write, or that f32 weights multiply.
class Floats {
 public:
  /// Room for a matrix and kSpareRows more rows, of which nothing is known; in debug builds it is NaN.
  void prepare(Index rows, Index cols);

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  bool empty() const { return rows_ * cols_ == 0; }
  float* row(Index i) { return floats_.data() + i * cols_; }
  const float* row(Index i) const { return floats_.data() + i * cols_; }

 private:
  Index rows_ = 0, cols_ = 0;
  Room<float> floats_;
};

/// Some rows of such a matrix, from `first` on.
struct Part {
  Rows* of = nullptr;
  Index first = 0;

  Operand from(Index i, Index j = 0) const { return of->from(first + i, j); }
  void put(Index i, Index j, const float* numbers, Index n) const { of->put(first + i, j, numbers, n); }
  void get(Index i, Index j, Index n, float* to) const { of->get(first + i, j, n, to); }
};

/// Columns [first, first + n) of all rows, as doubles.
Matrix<double> widened(const Rows& rows, Index first, Index n);
/// Rows [first, first + n), as doubles.
Matrix<double> widened(const Floats& m, Index first, Index n);

}  // namespace moe::cpu
