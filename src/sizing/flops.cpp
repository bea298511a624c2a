#include "blocks.h"

namespace moe {
namespace {

/// (F2) twice what the layers' scores cost for each token of context: an encoder sees all of it, as cross attention does.
Whole doubled_scores(const Model& m, Span span) {
  Whole sum = 0;
  for (std::size_t i = 0; i < m.layers.size(); ++i) {
    const Layer& layer = m.layers[i];
    if (layer.mixer < 0) continue;
    const bool sees_all = span == Span::Full || static_cast<std::int64_t>(i) < m.encoder_layers;
    sum += score_flops(m.mixers[static_cast<std::size_t>(layer.mixer)]) *
           ((sees_all ? 2 : 1) + (layer.cross ? 2 : 0));
  }
  return sum;
}

}  // namespace

std::int64_t score_flops_per_context(const Model& model) {
  validate(model);
  return doubled_scores(model, Span::Full).value() / 2;
}

ModelFlops flops(const Model& model, std::int64_t context, Span span, Recompute recompute) {
  const ModelCount counted = count(model);
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  require(0 <= context && context <= kMost, "context", context, "must lie in [0, ", kMost, ']');
  ModelFlops f;
  Whole weights = 0;
  for (std::size_t i = 0; i < kComponents; ++i) {
    const bool attention = i == static_cast<std::size_t>(Component::Attention);
    const Whole matrices = Whole(counted.parts[i].matmul) - (attention ? position_tables(model) : 0);
    f.forward[i] = (2 * matrices).value();
    weights += 2 * matrices;
  }
  // score_flops is even: a score is a multiply-add for each number of a head.
  const Whole scores = (doubled_scores(model, span).value() / 2) * Whole(context);
  const Whole forward = weights + scores;
  f.scores = scores.value();
  f.forward_total = forward.value();
  f.training = (3 * forward).value();
  const Whole again = recompute == Recompute::Full ? forward : recompute == Recompute::Selective ? scores : 0;
  f.hardware = (3 * forward + again).value();
  return f;
}

}  // namespace moe
