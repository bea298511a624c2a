#include "activation.h"
#include "kernels.h"
#include "rows.h"

namespace moe::cuda {
namespace {

/// What a token without a row gets of itself: (C3).
template <typename S>
__device__ SumOf<S> own_share(const SlotsView<S>& v, Index t) {
  return v.dropped == DroppedOutput::Identity ? SumOf<S>(1) : v.weight[t * v.K];
}

template <typename A, typename S>
__device__ A dot(const Warp& warp, const A* a, const S* b, Index n) {
  A sum = 0;
  for (Index i = warp.lane; i < n; i += 32) sum += a[i] * widen(b[i]);
  return warp.sum(sum);
}
template <typename S>
__device__ SumOf<S> dot_kept(const Warp& warp, const S* a, const S* b, Index n) {
  SumOf<S> sum = 0;
  for (Index i = warp.lane; i < n; i += 32) sum += widen(a[i]) * widen(b[i]);
  return warp.sum(sum);
}

}  // namespace

template <typename S>
void Rows<S>::gather(cudaStream_t stream, Index N, Index D, Index K, const Index* order, const S* x,
                     S* rows) {
  constexpr Index kSome = static_cast<Index>(sizeof(uint4) / sizeof(S));
  if (D % kSome == 0) {  // memory from cudaMalloc is aligned, so then are all rows
    const auto* from = reinterpret_cast<const uint4*>(x);
    auto* to = reinterpret_cast<uint4*>(rows);
    const Index width = D / kSome;
    return each_of_rows(stream, N, width, [=] __device__(Index n, Index i) {
      to[n * width + i] = from[order[n] / K * width + i];
    });
  }
  each_of_rows(stream, N, D, [=] __device__(Index n, Index d) { rows[n * D + d] = x[order[n] / K * D + d]; });
}

template <typename S>
void Rows<S>::weigh(cudaStream_t stream, const SlotsView<S>& v, const A* out, S* weighted) {
  each_of_rows(stream, v.T * v.K, v.D, [=] __device__(Index i, Index d) {
    if (const Index n = v.row[i]; n >= 0) weighted[n * v.D + d] = narrow<S>(v.weight[i] * out[n * v.D + d]);
  });
}

template <typename S>
void Rows<S>::combine(cudaStream_t stream, const SlotsView<S>& v, const A* out, const S* shared,
                      const A* share, S* y) {
  each_of_rows(stream, v.T, v.D, [=] __device__(Index t, Index d) {
    A sum = 0;
    bool any = false;
    for (Index k = 0; k < v.K; ++k) {
      const Index n = v.row[t * v.K + k];
      if (n < 0) continue;
      any = true;
      sum += widen(narrow<S>(v.weight[t * v.K + k] * out[n * v.D + d]));
    }
    if (!any && v.dropped != DroppedOutput::Zero) sum = own_share(v, t) * widen(v.x[t * v.D + d]);
    if (shared != nullptr) {
      const A said = widen(shared[t * v.D + d]);
      sum += share != nullptr ? share[t] * said : said;
    }
    y[t * v.D + d] = narrow<S>(sum);
  });
}

template <typename S>
void Rows<S>::combine_back(cudaStream_t stream, const SlotsView<S>& v, const A* out, const S* dy, double* dw,
                           S* dout) {
  each_by_warp(stream, v.T * v.K, [=] __device__(const Warp& warp, Index i) {
    const Index n = v.row[i], t = i / v.K;
    const S* dy_t = dy + t * v.D;
    A sum = 0;
    if (n >= 0) {
      sum = dot(warp, out + n * v.D, dy_t, v.D);
      for (Index d = warp.lane; d < v.D; d += 32) dout[n * v.D + d] = narrow<S>(v.weight[i] * widen(dy_t[d]));
    } else if (v.dropped == DroppedOutput::ScaledIdentity) {  // only for K = 1: the token has no row
      sum = dot_kept(warp, v.x + t * v.D, dy_t, v.D);
    }
    if (warp.lane == 0) dw[i] = static_cast<double>(sum);
  });
}

template <typename S>
void Rows<S>::collect(cudaStream_t stream, const SlotsView<S>& v, const A* of_router, const S* dy,
                      const A* dx_rows, const A* of_shared, const A* da, const A* gate, S* dx) {
  each_of_rows(stream, v.T, v.D, [=] __device__(Index t, Index d) {
    const Index at = t * v.D + d;
    A sum = of_router != nullptr ? of_router[at] : A(0);
    bool any = false;
    for (Index k = 0; k < v.K; ++k) {
      const Index n = v.row[t * v.K + k];
      if (n < 0) continue;
      any = true;
      sum += dx_rows[n * v.D + d];
    }
    if (!any && v.dropped != DroppedOutput::Zero) sum += own_share(v, t) * widen(dy[at]);
    if (of_shared != nullptr) sum += of_shared[at];
    if (da != nullptr) sum += da[t] * gate[d];
    dx[at] = narrow<S>(sum);
  });
}

template <typename S>
void Rows<S>::shares(cudaStream_t stream, Index T, Index D, const S* x, const A* v, A* share, A* slope) {
  each_by_warp(stream, T, [=] __device__(const Warp& warp, Index t) {
    const A logit = dot(warp, v, x + t * D, D);
    if (warp.lane != 0) return;
    share[t] = sigmoid(logit);
    slope[t] = sigmoid(logit) * sigmoid(-logit);
  });
}

template <typename S>
void Rows<S>::shares_back(cudaStream_t stream, Index T, Index D, const A* share, const A* slope, const S* out,
                          const S* dy, A* df, A* da) {
  each_by_warp(stream, T, [=] __device__(const Warp& warp, Index t) {
    const A along = dot_kept(warp, out + t * D, dy + t * D, D);
    for (Index d = warp.lane; d < D; d += 32) df[t * D + d] = share[t] * widen(dy[t * D + d]);
    if (warp.lane == 0) da[t] = along * slope[t];
  });
}

template struct Rows<float>;
template struct Rows<double>;
template struct Rows<Bf16>;
template struct Rows<Half>;

}  // namespace moe::cuda
