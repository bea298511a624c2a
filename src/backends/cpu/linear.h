#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rows.h"

/// The matrix products of the CPU backend: oneDNN's, with weights that are packed once.
namespace moe::cpu {

/// The most rows that one call multiplies.
inline constexpr Index kMostRows = 256;

/// A fixed matrix W (n, k), by which rows are multiplied, in blocks of its rows: what one thread computes at a time.
///   (L1)  y_b = x W_b^T
/// A result is the same bits for any number of threads: a block is always computed by one, in the order that oneDNN has for
/// its shape.
class Linear {
 public:
  /// fetch(b, to) writes W_b, of widths[b] rows of k, to `to`: numbers of the storage.
  using Fetch = std::function<void(Index b, float* to)>;
  Linear() = default;
  Linear(std::vector<Index> widths, Index k, Storage storage, const Fetch& fetch);

  Index blocks() const { return static_cast<Index>(widths_.size()); }
  Index width(Index b) const { return at(widths_, b); }
  /// The first row of block b.
  Index first(Index b) const { return at(firsts_, b); }
  Index inputs() const { return k_; }
  Storage storage() const { return storage_; }
  /// What its weights take, packed.
  Index bytes() const { return bytes_; }

  /// Has what `multiply` needs for m rows made; call it before, from one thread.
  void prepare(Index m) const;
  /// y (m, width(b)) = x W_b^T for m <= kMostRows rows of x (m, k), dense, and in the format of the weights' storage. Up to
  /// kSpareRows - 1 rows more of x are read, and of y written.
  void multiply(Index b, Index m, Operand x, float* y) const;

 private:
  std::vector<Index> widths_, firsts_, offsets_;  // offsets_: of the packed blocks, in numbers
  Index k_ = 0, bytes_ = 0;
  Storage storage_ = Storage::F32;
  Buffer<float> wide_;            // packed, where storage is F32
  Buffer<std::uint16_t> narrow_;  // else
};

/// C (m, n) = A^T B for A (k, m) and B (k, n) of one format, on the calling thread; rows of C are ldc numbers apart.
void multiply_transposed(Index m, Index n, Index k, Operand A, Operand B, float* C, Index ldc);

/// Which implementation multiplies numbers of a storage, as oneDNN calls it, with its version.
std::string linear_implementation(Storage storage);

}  // namespace moe::cpu
