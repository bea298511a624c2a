#pragma once

#include <cmath>

#include "select.h"

namespace moe::cuda {

/// The softmax of n logits: the largest keeps exp in range, and what the others add to it, however little, is summed alone.
struct Softmax {
  double shift, others;

  template <typename A>
  __device__ static Softmax of(const Warp& warp, const A* z, Index n) {
    const Index top =
        next_best<A>(warp, n, Key<A>::above_all(), [&](Index i) { return Key<A>::of(z[i], i); }).index();
    const double shift = z[top];
    double others = 0;
    for (Index i = warp.lane; i < n; i += 32)
      if (i != top) others += exp(z[i] - shift);
    return {shift, warp.sum(others)};
  }
  __device__ double share(double z) const { return exp(z - shift) / (1 + others); }
  __device__ double log_sum_exp() const { return shift + log1p(others); }
};

}  // namespace moe::cuda
