#pragma once

#include "device.h"
#include "moe/layer/conventions.h"
#include "number.h"

namespace moe::cuda {

/// What the router of one batch reads and makes, on the device. Logits are A, float or double; what becomes of them is made
/// in double, so that no score underflows and no long sum drifts. All is as in Routing<double>, layer/route.h.
template <typename A>
struct RouterView {
  Index T, E, K, G, topk_group, group_n;  // group_n: how many of a group's scores count
  bool sigmoid, share;                    // (R2); (R3) with renorm Sum
  double factor;                          // routed_scaling_factor

  const A* z;                                // (T, E)
  const double* bias;                        // (E), or null
  double *scores, *logsumexp, *denominator;  // (T, E), (T), (T)
  double *shares, *groups;                   // (T, K), (T, G)
  A* weights;                                // (T, K) as the combine uses them
  std::int32_t *expert, *retopk;             // (T, K); retopk may be null

  const double* dw;  // (T, K) the gradient of the weights
  double *ds, *dz;   // (T, E) those of scores and logits
};

template <typename A>
struct RouterKernels {
  /// (R1), (R2), (R4), (R5): scores, groups and choices.
  static void choose(cudaStream_t stream, const RouterView<A>& view);
  /// (R3) among the slots that are `kept` (T, K), or all for null.
  static void share(cudaStream_t stream, const RouterView<A>& view, const std::uint8_t* kept);
  /// (R3'), (R2'): from dw to dz; `ds` has what the losses want of the scores where `scores_wanted`, else anything. `kept` as
  /// for `share`. Without a gradient of the scores from losses, that of renorm Sum's softmax is of the chosen alone.
  static void share_back(cudaStream_t stream, const RouterView<A>& view, const std::uint8_t* kept,
                         bool scores_wanted);
};

/// (R6): taken (T, 2) from the shares (T, 2) and u (T).
void take_up(cudaStream_t stream, Index T, double threshold, const double* weights, const double* u,
             std::uint8_t* taken);

}  // namespace moe::cuda
