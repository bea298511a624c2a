#include "losses.h"
#include "softmax.h"

namespace moe::cuda {
namespace {

/// The sum of the scores of a token by (B1): 1 for a softmax.
__device__ double size_of(const Warp& warp, const BalanceView& v, const double* s) {
  if (!v.sigmoid) return 1;
  double sum = 0;
  for (Index e = warp.lane; e < v.E; e += 32) sum += s[e];
  return warp.sum(sum);
}

__device__ Index part_of(const BalanceView& v, Index t) { return t / (v.T / v.parts); }

}  // namespace

void count_load(cudaStream_t stream, const BalanceView& v) {
  each(stream, v.parts * v.E, [v] __device__(Index i) { v.counts[i] = 0; });
  each(stream, v.T * v.slots, [v] __device__(Index i) {
    const Index t = i / v.slots, at = t * v.K + i % v.slots;
    if (v.kept == nullptr || v.kept[at] != 0) atomicAdd(v.counts + part_of(v, t) * v.E + v.expert[at], 1ULL);
  });
}

void balance(cudaStream_t stream, const BalanceView& v, double* of_token) {
  each_by_warp(stream, v.T, [=] __device__(const Warp& warp, Index t) {
    const double* s = v.scores + t * v.E;
    const unsigned long long* c = v.counts + part_of(v, t) * v.E;
    const double size = size_of(warp, v, s);
    double sum = 0;
    for (Index e = warp.lane; e < v.E; e += 32) sum += static_cast<double>(c[e]) * (s[e] / size);
    sum = warp.sum(sum);
    if (warp.lane == 0) of_token[t] = v.factor * sum;
  });
}

void balance_back(cudaStream_t stream, const BalanceView& v, double each_dL, double* ds) {
  const double factor = each_dL * v.factor;
  each_by_warp(stream, v.T, [=] __device__(const Warp& warp, Index t) {
    const double* s = v.scores + t * v.E;
    const unsigned long long* c = v.counts + part_of(v, t) * v.E;
    const double size = size_of(warp, v, s);
    for (Index e = warp.lane; e < v.E; e += 32) {
      double dp = factor * static_cast<double>(c[e]);
      if (v.sigmoid) {  // normalize', by differences: exactly zero for an even load
        double sum = 0;
        for (Index j = 0; j < v.E; ++j) sum += s[j] / size * (dp - factor * static_cast<double>(c[j]));
        dp = sum / size;
      }
      ds[t * v.E + e] += dp;
    }
  });
}

void z_loss(cudaStream_t stream, Index T, const double* logsumexp, double* of_token) {
  each(stream, T,
       [=] __device__(Index t) { of_token[t] = logsumexp[t] * logsumexp[t] / static_cast<double>(T); });
}

template <typename A>
void z_loss_back(cudaStream_t stream, Index T, Index E, const A* z, const double* logsumexp, double each_dL,
                 double* dz) {
  each_by_warp(stream, T, [=] __device__(const Warp& warp, Index t) {
    const Softmax softmax = Softmax::of(warp, z + t * E, E);
    const double slope = 2 * each_dL * logsumexp[t] / static_cast<double>(T);
    for (Index e = warp.lane; e < E; e += 32) dz[t * E + e] += slope * softmax.share(z[t * E + e]);
  });
}

template <typename S>
void task_loss(cudaStream_t stream, Index T, Index D, const S* y, const S* dy, double* of_token) {
  each_by_warp(stream, T, [=] __device__(const Warp& warp, Index t) {
    double sum = 0;
    for (Index d = warp.lane; d < D; d += 32)
      sum += static_cast<double>(widen(y[t * D + d])) * static_cast<double>(widen(dy[t * D + d]));
    sum = warp.sum(sum);
    if (warp.lane == 0) of_token[t] = sum;
  });
}

void add_up(cudaStream_t stream, const double* x, Index n, double* sum) {
  each_by_warp(stream, 1, [=] __device__(const Warp& warp, Index) {
    double own = 0;
    for (Index i = warp.lane; i < n; i += 32) own += x[i];
    own = warp.sum(own);
    if (warp.lane == 0) *sum = own;
  });
}

template void z_loss_back(cudaStream_t, Index, Index, const float*, const double*, double, double*);
template void z_loss_back(cudaStream_t, Index, Index, const double*, const double*, double, double*);
template void task_loss(cudaStream_t, Index, Index, const float*, const float*, double*);
template void task_loss(cudaStream_t, Index, Index, const double*, const double*, double*);
template void task_loss(cudaStream_t, Index, Index, const Bf16*, const Bf16*, double*);
template void task_loss(cudaStream_t, Index, Index, const Half*, const Half*, double*);

}  // namespace moe::cuda
