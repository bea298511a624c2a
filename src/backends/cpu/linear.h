#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rows.h"

/// The matrix products of the CPU backend, with weights that oneDNN packs once: our own where we read its packing, else
/// oneDNN's.
namespace moe::cpu {

struct Kernel;

/// The most rows that one call multiplies.
inline constexpr Index kMostRows = 256;

/// A fixed matrix W (n, k), by which rows are multiplied, in blocks of its rows: what one thread computes at a time.
///   (L1)  y_b = x W_b^T
/// A result is the same bits for any number of threads: a block is always computed by one, in an order that its shape gives.
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
  Index outputs() const { return blocks() == 0 ? 0 : first(blocks() - 1) + width(blocks() - 1); }
  Storage storage() const { return storage_; }
  /// What its weights take, packed.
  Index bytes() const { return bytes_; }

  /// Has what `multiply` needs for m rows made; call it before, from one thread.
  void prepare(Index m) const;
  /// y (m, width(b)) = x W_b^T for m <= kMostRows rows of x (m, k), dense, and in the format of the weights' storage. Up to
  /// kSpareRows - 1 rows more of x are read. Rows of y are ldy numbers apart.
  void multiply(Index b, Index m, Operand x, float* y, Index ldy) const;
  /// The same by oneDNN, as `multiply` does where it does not read the packing itself.
  void multiply_by_onednn(Index b, Index m, Operand x, float* y, Index ldy) const;

 private:
  const void* packed(Index b) const;

  std::vector<Index> widths_, firsts_, offsets_;  // offsets_: of the packed blocks, in numbers
  std::vector<const Kernel*> packings_;  // the kernels of kMostRows rows, which say how blocks are packed
  Index k_ = 0, bytes_ = 0;
  Storage storage_ = Storage::F32;
  Buffer<float> wide_;            // packed, where storage is F32
  Buffer<std::uint16_t> narrow_;  // else
};

/// C (m, n) = A^T B for A (k, m) and B (k, n) of one format, on the calling thread; rows of C are ldc numbers apart.
void multiply_transposed(Index m, Index n, Index k, Operand A, Operand B, float* C, Index ldc);

/// Rows [first, first + m) of dW (., n) = A^T B for A (k, m) and the first k rows of B (., n), in dW's format, on the calling
/// thread.
void multiply_transposed(Index m, Index k, Operand A, const Part& B, Rows& dW, Index first);

/// The gradient (n, m) of the weights of a map, for dy (T, n) and x (T, m).
///   (L1")  dW = dy^T x
Matrix<float> weight_gradient(Index T, Index n, Index m, const float* dy, const float* x);

/// Are weights of a storage multiplied by our own products on this machine, where their shape allows it?
bool multiplies_panels(Storage storage);
/// What multiplies numbers of a storage: the implementation of oneDNN, as it calls it, with its version; or ours, which then
/// takes what that packs.
std::string linear_implementation(Storage storage);

}  // namespace moe::cpu
