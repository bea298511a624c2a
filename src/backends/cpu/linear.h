#pragma once

#include <functional>
#include <string>
#include <vector>

#include "buffer.h"

/// The matrix products of the CPU backend: oneDNN's, with weights that are packed once.
namespace moe::cpu {

/// How weights are kept. bf16 ones are widened to f32, block by block, where they are used.
enum class Storage { F32, BF16 };

/// Rows that are read by `Linear::multiply` must be followed by so many more, whatever they hold.
inline constexpr Index kSpareRows = 4;
/// The most rows that one call multiplies.
inline constexpr Index kMostRows = 256;

/// A fixed matrix W (n, k), by which rows are multiplied, in blocks of its rows: what one thread computes at a time.
///   (L1)  y_b = x W_b^T
/// A result is the same bits for any number of threads: a block is always computed by one, in the order that oneDNN has for
/// its shape. For oneDNN this is a convolution with a 1 x 1 window, k input and n output channels, over m pixels: on every
/// CPU that is the primitive which takes packed weights and, unlike matmul of oneDNN 2, runs at full speed for few rows.
class Linear {
 public:
  /// fetch(b, to) writes W_b, of widths[b] rows of k, to `to`.
  using Fetch = std::function<void(Index b, float* to)>;
  Linear() = default;
  Linear(std::vector<Index> widths, Index k, Storage storage, const Fetch& fetch);

  Index blocks() const { return static_cast<Index>(widths_.size()); }
  Index width(Index b) const { return at(widths_, b); }
  /// The first row of block b.
  Index first(Index b) const { return at(firsts_, b); }
  Index inputs() const { return k_; }

  /// Has what `multiply` needs for m rows made; call it before, from one thread.
  void prepare(Index m) const;
  /// y (m, width(b)) = x (m, k) W_b^T for m <= kMostRows. Both are dense; up to kSpareRows - 1 rows more of x are read, and
  /// of y written.
  void multiply(Index b, Index m, const float* x, float* y) const;

 private:
  std::vector<Index> widths_, firsts_, offsets_;  // offsets_: of the packed blocks, in numbers
  Index k_ = 0;
  Storage storage_ = Storage::F32;
  Buffer<float> wide_;            // packed, where storage is F32
  Buffer<std::uint16_t> narrow_;  // else
};

/// C (m, n) = A^T B for A (k, m) and B (k, n), on the calling thread; rows are lda, ldb and ldc numbers apart.
void multiply_transposed(Index m, Index n, Index k, const float* A, Index lda, const float* B, Index ldb,
                         float* C, Index ldc);

/// Which implementation multiplies, as oneDNN calls it, with its version.
std::string linear_implementation();

/// f(i) for i in [0, n) by all threads, one at a time each. Throws what one of them threw.
void parallel_for(Index n, const std::function<void(Index)>& f);

}  // namespace moe::cpu
