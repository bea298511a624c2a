#include "activation.h"
#include "routing.h"
#include "softmax.h"

namespace moe::cuda {
namespace {

/// (R2) and (Z1)'s log-sum-exp for one token.
template <typename A>
__device__ void score_row(const Warp& warp, const RouterView<A>& v, Index t) {
  const A* z = v.z + t * v.E;
  const Softmax softmax = Softmax::of(warp, z, v.E);
  for (Index e = warp.lane; e < v.E; e += 32) {
    const auto logit = static_cast<double>(z[e]);
    v.scores[t * v.E + e] = v.sigmoid ? sigmoid(logit) : softmax.share(logit);
  }
  if (warp.lane == 0) v.logsumexp[t] = softmax.log_sum_exp();
  warp.sync();
}

template <typename A>
__device__ double ranked(const RouterView<A>& v, Index t, Index e) {
  const double s = v.scores[t * v.E + e];
  return v.bias == nullptr ? s : s + v.bias[e];
}

/// (R5): a group is worth the sum of its best scores, the largest first. -> the key that open groups have at least
template <typename A>
__device__ Key<double> group_row(const Warp& warp, const RouterView<A>& v, Index t) {
  const Index size = v.E / v.G;
  double* worth = v.groups + t * v.G;
  for (Index g = 0; g < v.G; ++g) {
    Key<double> last = Key<double>::above_all();
    double sum = 0;
    for (Index n = 0; n < v.group_n; ++n) {
      last = next_best<double>(warp, size, last,
                               [&](Index i) { return Key<double>::of(ranked(v, t, g * size + i), i); });
      sum += ranked(v, t, g * size + last.index());
    }
    if (warp.lane == 0) worth[g] = sum;
  }
  warp.sync();
  Key<double> last = Key<double>::above_all();
  for (Index n = 0; n < v.topk_group; ++n)
    last = next_best<double>(warp, v.G, last, [&](Index g) { return Key<double>::of(worth[g], g); });
  return last;
}

/// (R1): the K best by `number`, the best first, of the experts of groups that are not below `least`.
template <typename Num, typename A, typename NumberOf>
__device__ void choose_row(const Warp& warp, const RouterView<A>& v, Index t, const Key<double>& least,
                           std::int32_t* chosen, NumberOf number) {
  const Index size = v.E / v.G;
  Key<Num> last = Key<Num>::above_all();
  for (Index k = 0; k < v.K; ++k) {
    last = next_best<Num>(warp, v.E, last, [&](Index e) {
      const bool closed = v.G > 1 && Key<double>::of(v.groups[t * v.G + e / size], e / size) < least;
      return closed ? Key<Num>() : Key<Num>::of(number(e), e);
    });
    if (warp.lane == 0) chosen[t * v.K + k] = static_cast<std::int32_t>(last.index());
  }
}

/// (R3) for one token. Softmax: of the chosen logits, so that an expert that was not chosen gets no gradient.
template <typename A>
__device__ void share_row(const Warp& warp, const RouterView<A>& v, Index t, const std::uint8_t* kept) {
  const std::int32_t* expert = v.expert + t * v.K;
  const auto z_of = [&](Index k) { return v.z[t * v.E + expert[k]]; };
  const auto s_of = [&](Index k) { return v.scores[t * v.E + expert[k]]; };
  const auto takes_part = [&](Index k) { return kept == nullptr || kept[t * v.K + k] != 0; };
  const Key<A> top = next_best<A>(warp, v.K, Key<A>::above_all(),
                                  [&](Index k) { return takes_part(k) ? Key<A>::of(z_of(k), k) : Key<A>(); });
  const bool none = !(Key<A>() < top);
  const double shift = none ? 0 : z_of(top.index());
  double all_scores = 0, all_exps = 0;
  for (Index k = warp.lane; k < v.K; k += 32)
    if (takes_part(k)) all_scores += s_of(k), all_exps += exp(z_of(k) - shift);
  all_scores = warp.sum(all_scores), all_exps = warp.sum(all_exps);
  if (warp.lane == 0) v.denominator[t] = all_scores;
  for (Index k = warp.lane; k < v.K; k += 32) {
    double p = takes_part(k) ? s_of(k) : 0;
    if (v.share && takes_part(k)) p = v.sigmoid ? p / all_scores : exp(z_of(k) - shift) / all_exps;
    v.shares[t * v.K + k] = p;
    v.weights[t * v.K + k] = static_cast<A>(v.factor * p);
  }
}

}  // namespace

template <typename A>
void RouterKernels<A>::choose(cudaStream_t stream, const RouterView<A>& v) {
  each_by_warp(stream, v.T, [v] __device__(const Warp& warp, Index t) {
    score_row(warp, v, t);
    const Key<double> least = v.G > 1 ? group_row(warp, v, t) : Key<double>();
    const A* z = v.z + t * v.E;
    if (v.bias !=
        nullptr)  // (R4): without a bias the logits rank, which still differ where scores have saturated
      choose_row<double>(warp, v, t, least, v.expert, [&](Index e) { return ranked(v, t, e); });
    else
      choose_row<A>(warp, v, t, least, v.expert, [&](Index e) { return z[e]; });
    if (v.retopk == nullptr) return;
    RouterView<A> open = v;
    open.G = 1;
    choose_row<A>(warp, open, t, least, v.retopk, [&](Index e) { return z[e]; });
  });
}

template <typename A>
void RouterKernels<A>::share(cudaStream_t stream, const RouterView<A>& v, const std::uint8_t* kept) {
  each_by_warp(stream, v.T, [v, kept] __device__(const Warp& warp, Index t) { share_row(warp, v, t, kept); });
}

void take_up(cudaStream_t stream, Index T, double threshold, const double* weights, const double* u,
             std::uint8_t* taken) {
  each(stream, T, [=] __device__(Index t) {
    taken[2 * t] = 1;
    taken[2 * t + 1] = weights[2 * t + 1] > threshold * u[t] ? 1 : 0;
  });
}

template struct RouterKernels<float>;
template struct RouterKernels<double>;

}  // namespace moe::cuda
