#include "activation.h"
#include "kernels.h"
#include "routing.h"

namespace moe::cuda {
namespace {

/// d_i - sum_j p_j d_j for sum p = 1, by differences as in scalar.h: equal d, or n = 1, give exactly zero.
__device__ double deviation(const double* d, const double* p, Index n, Index i) {
  double sum = 0;
  for (Index j = 0; j < n; ++j) sum += p[j] * (d[i] - d[j]);
  return sum;
}

/// (R3') for one token: ds and, where (R3) is a softmax of logits, dz of its slots. A slot is one lane's, and its expert no
/// other's.
template <typename A>
__device__ void slots_back(const Warp& warp, const RouterView<A>& v, Index t, const std::uint8_t* kept) {
  const double *p = v.shares + t * v.K, *dw = v.dw + t * v.K;
  const auto takes_part = [&](Index k) { return kept == nullptr || kept[t * v.K + k] != 0; };
  for (Index k = warp.lane; k < v.K; k += 32) {
    if (!takes_part(k)) continue;
    const Index at = t * v.E + v.expert[t * v.K + k];
    const double dp = v.factor * dw[k];
    if (!v.share) {
      v.ds[at] += dp;
      continue;
    }
    double deviation = 0;
    for (Index j = 0; j < v.K; ++j)
      if (takes_part(j)) deviation += p[j] * (dp - v.factor * dw[j]);
    v.ds[at] += deviation / v.denominator[t];
    if (!v.sigmoid) v.dz[at] += p[k] * deviation;
  }
}

template <typename A>
__device__ void token_back(const Warp& warp, const RouterView<A>& v, Index t, const std::uint8_t* kept,
                           bool scores_wanted) {
  const bool through_logits = v.share && !v.sigmoid;
  const A* z = v.z + t * v.E;
  const double* s = v.scores + t * v.E;
  double *ds = v.ds + t * v.E, *dz = v.dz + t * v.E;
  for (Index e = warp.lane; !scores_wanted && e < v.E; e += 32) ds[e] = 0;
  for (Index e = warp.lane; through_logits && e < v.E; e += 32)
    dz[e] = scores_wanted ? s[e] * deviation(ds, s, v.E, e) : 0;
  warp.sync();
  slots_back(warp, v, t, kept);
  warp.sync();
  for (Index e = warp.lane; !through_logits && e < v.E; e += 32) {
    const auto logit = static_cast<double>(z[e]);
    dz[e] = v.sigmoid ? ds[e] * (sigmoid(logit) * sigmoid(-logit)) : s[e] * deviation(ds, s, v.E, e);
  }
}

}  // namespace

template <typename A>
void RouterKernels<A>::share_back(cudaStream_t stream, const RouterView<A>& v, const std::uint8_t* kept,
                                  bool scores_wanted) {
  each_by_warp(stream, v.T, [v, kept, scores_wanted] __device__(const Warp& warp, Index t) {
    token_back(warp, v, t, kept, scores_wanted);
  });
}

template struct RouterKernels<float>;
template struct RouterKernels<double>;

}  // namespace moe::cuda
