#pragma once

#include "moe/layer/activation.h"
#include "moe/layer/conventions.h"

namespace moe {

/// sqrt(log(1 + exp(z))), and its slope. Its own slope's curvature is that of the next.
struct SqrtSoftplus {
  static double curvature() { return 0.07453; }
  template <typename Num>
  Num operator()(const Num& z) const {
    using std::sqrt;
    return sqrt(softplus(z));
  }
};
struct SqrtSoftplusSlope {
  static double curvature() { return 0.0477; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return sigmoid(z) / (Num(2) * SqrtSoftplus()(z));
  }
};

/// The logits that scores, weights and losses are made of.   z (n) -> z~ (n)
///   (R7)  z~_e = logit_softcap tanh(z_e / logit_softcap)   or z_e
/// Source: google/praxis, gshard_utils.py; LagunaTopKRouter of huggingface/transformers.
template <typename Num>
std::vector<Num> capped(const Router& router, const Num* z, Index n) {
  std::vector<Num> all(z, z + n);
  for (Num& of : all)
    if (caps_logits(router)) of = smooth(Softcap{router.logit_softcap}, of);
  return all;
}
///   (R7')  dz_e = (1 - tanh^2(z_e / logit_softcap)) dz~_e
template <typename Num>
void uncap(const Router& router, const Matrix<Num>& z, Matrix<Num>& dz) {
  for (Index i = 0; caps_logits(router) && i < z.size(); ++i)
    dz.data()[i] = dz.data()[i] * smooth(SoftcapSlope{router.logit_softcap}, z.data()[i]);
}

/// One token's scores.   z (E) -> s (E)
///   (R2)   s_e = exp(z_e) / sum_j exp(z_j)   or   s_e = 1 / (1 + exp(-z_e)) + score_offset   or   s_e = sqrt(log(1 + exp(z_e)))   or   s_e = z_e
/// The offset is added by add_offset, since what a sigmoid is has none elsewhere. Source: allenai/OLMo-core, nn/moe/router.py.
template <typename Num>
void score_forward(ScoreFunction function, const Num* z, Index E, Num* s) {
  switch (function) {
    case ScoreFunction::None:
      return;
    case ScoreFunction::Softmax:
      return softmax(z, E, s);
    case ScoreFunction::Sigmoid:
      for (Index e = 0; e < E; ++e) s[e] = sigmoid(z[e]);
      return;
    case ScoreFunction::SqrtSoftplus:
      for (Index e = 0; e < E; ++e) s[e] = smooth(SqrtSoftplus(), z[e]);
      return;
    case ScoreFunction::Identity:
      std::copy_n(z, E, s);
  }
}
template <typename Num>
void add_offset(const Router& router, Num* s, Index E) {
  const Num offset = configured<Num>(router.score_offset);
  for (Index e = 0; router.score_offset > 0 && e < E; ++e) s[e] += offset;
}
/// The scores of the sigmoid that an offset was added to.
template <typename Num>
std::vector<Num> without_offset(const Router& router, const Num* s, Index E) {
  std::vector<Num> sigmoids(s, s + E);
  const Num offset = configured<Num>(router.score_offset);
  for (Index e = 0; router.score_offset > 0 && e < E; ++e) at(sigmoids, e) += -offset;
  return sigmoids;
}
/// The scores that decisions are made by: as they are stored.
template <typename Num>
std::vector<Num> scores_to_rank(const Router& router, const Num* z, Index E) {
  const StageScope<Num> stage(Tensor::router_scores);
  std::vector<Num> s = buffer<Num>(E);
  score_forward(router.score_function, capped(router, z, E).data(), E, s.data());
  add_offset(router, s.data(), E);
  for (Num& x : s) store(x, Tensor::router_scores);
  return s;
}
///   (R2')  dz_e = s_e (ds_e - sum_j s_j ds_j)   or   dz_e = s_e (1 - s_e) ds_e   or   dz_e = sigmoid(z_e) / (2 s_e) ds_e   or   dz_e = ds_e
template <typename Num>
void score_backward(ScoreFunction function, const Num* z, const Num* s, const Num* ds, Index E, Num* dz) {
  switch (function) {
    case ScoreFunction::None:
      return;
    case ScoreFunction::Softmax:
      return softmax_backward(s, ds, E, dz);
    case ScoreFunction::Sigmoid:
      for (Index e = 0; e < E; ++e) dz[e] = ds[e] * smooth(SigmoidSlope(), z[e]);
      cover(dz, E, [&](Num* other) {  // from the scores as they were stored
        for (Index e = 0; e < E; ++e) other[e] = ds[e] * (s[e] * (Num(1) - s[e]));
      });
      return;
    case ScoreFunction::SqrtSoftplus:
      for (Index e = 0; e < E; ++e) dz[e] = ds[e] * smooth(SqrtSoftplusSlope(), z[e]);
      cover(dz, E, [&](Num* other) {  // likewise
        for (Index e = 0; e < E; ++e) other[e] = ds[e] / (Num(2) * s[e]) * sigmoid(z[e]);
      });
      return;
    case ScoreFunction::Identity:
      std::copy_n(ds, E, dz);
  }
}

}  // namespace moe
