#pragma once

#include "device.h"
#include "moe/layer/conventions.h"
#include "number.h"

namespace moe::cuda {

/// The pre-activations of rows: pre (rows, F1) has those of gate, if there is a gate, and beside them those of up.
struct Width {
  Index F, F1;  // F1 = 2 F where there is a gate, else F
  bool glu;
  Activation activation;
};

/// What is done to every number by itself.
template <typename S>
struct Elements {
  using A = SumOf<S>;

  /// (X2): hidden (rows, F) from pre.
  static void activate(cudaStream_t stream, Index rows, const Width& width, const S* pre, S* hidden);
  /// (X2'): dpre (rows, F1) from pre and dhidden (rows, F).
  static void activate_back(cudaStream_t stream, Index rows, const Width& width, const S* pre,
                            const S* dhidden, S* dpre);
  static void widen_all(cudaStream_t stream, Index n, const S* from, A* to);
  static void narrow_all(cudaStream_t stream, Index n, const A* from, S* to);
};

/// Every row of `to` (rows, n) becomes `row` (n).
template <typename T>
void fill_rows(cudaStream_t stream, Index rows, Index n, const T* row, T* to);

/// to = from, rounded: gradients of logits before they are multiplied.
template <typename A>
void round_to(cudaStream_t stream, Index n, const double* from, A* to);

}  // namespace moe::cuda
