#pragma once

#include "device.h"
#include "moe/layer/conventions.h"
#include "number.h"

namespace moe::cuda {

/// Which rows of which token count how much: the plan and weights as the combine reads them.
template <typename S>
struct SlotsView {
  using A = SumOf<S>;
  Index T, K, D;
  DroppedOutput dropped;
  const Index* row;  // (T, K): the row of an assignment, -1 where it was dropped
  const A* weight;   // (T, K)
  const S* x;        // (T, D)
};

/// Between tokens and rows; layer/gather.h, combine.h and shared.h. Rows are added up token by token in the order of their
/// slots, so nothing is added by two threads.
template <typename S>
struct Rows {
  using A = SumOf<S>;

  /// (G1): rows (N, D) of x.
  static void gather(cudaStream_t stream, Index N, Index D, Index K, const Index* order, const S* x, S* rows);
  /// (C1): v (N, D) from out (N, D); what `combine` adds up.
  static void weigh(cudaStream_t stream, const SlotsView<S>& view, const A* out, S* weighted);
  /// (C1) to (C3) and (H2): y (T, D). shared (T, D) or null is what the shared expert says, share (T) or null its share.
  static void combine(cudaStream_t stream, const SlotsView<S>& view, const A* out, const S* shared,
                      const A* share, S* y);
  /// (C1'), and of (C3') what reaches the weights: dw (T, K) and dout (N, D) from dy (T, D).
  static void combine_back(cudaStream_t stream, const SlotsView<S>& view, const A* out, const S* dy,
                           double* dw, S* dout);
  /// (G1'), (C3') and the parts of router and shared expert: dx (T, D) = of_router + dropped dy + sum of dx_rows (N, D) +
  /// of_shared + da v, for da (T) and v (D); all but dx_rows and dy may be null.
  static void collect(cudaStream_t stream, const SlotsView<S>& view, const A* of_router, const S* dy,
                      const A* dx_rows, const A* of_shared, const A* da, const A* v, S* dx);

  /// (H2): share (T) = sigmoid of <v, x_t>, for v (D), and `slope` (T) that of the sigmoid.
  static void shares(cudaStream_t stream, Index T, Index D, const S* x, const A* v, A* share, A* slope);
  /// (H2'): df (T, D) = share dy, da (T) = slope <out, dy>.
  static void shares_back(cudaStream_t stream, Index T, Index D, const A* share, const A* slope, const S* out,
                          const S* dy, A* df, A* da);
};

}  // namespace moe::cuda
