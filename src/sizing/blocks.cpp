#include "blocks.h"

namespace moe {
namespace {

constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 1;

void field(const char* name, std::int64_t value, std::int64_t least, std::int64_t most = kMost) {
  require(least <= value && value <= most, name, value, "must lie in [", least, ", ", most, ']');
}

/// How many branches a token takes: as many as experts in each of them.
std::int64_t branches_taken(const Mixture& x) {
  std::int64_t n = 1;
  while (n * n < x.top_k) ++n;
  return n;
}

void validate(const Mixture& x) {
  field("num_experts", x.num_experts, 1), field("ffn_size", x.ffn_size, 1);
  require(1 <= x.top_k && x.top_k <= x.num_experts, "top_k", x.top_k,
          "must lie in [1, num_experts = ", x.num_experts, ']');
  field("shared_size", x.shared_size, 0), field("zero_experts", x.zero_experts, 0);
  field("latent_size", x.latent_size, 0), field("router_matrices", x.router_matrices, 0, 2);
  field("branches", x.branches, 0), field("run_branches", x.run_branches, 0);
  for (const std::int64_t b : {x.branches, x.run_branches})
    require(b == 0 || x.num_experts % b == 0, "branches", b, "must divide num_experts = ", x.num_experts);
  require(x.branches == 0 || branches_taken(x) * branches_taken(x) == x.top_k, "top_k", x.top_k,
          "must be a square where the router has branches");
}

void validate(const Model& m, const Layer& layer) {
  require(-1 <= layer.mixer && layer.mixer < static_cast<int>(m.mixers.size()), "mixer", layer.mixer,
          "must be an index of mixers");
  require(layer.mixer >= 0 || !layer.cross, "cross", "true", "needs a mixer");
  require(layer.mixer >= 0 || layer.dense || layer.moe, "layer", "{}", "must hold something");
  if (layer.dense) field("dense_size", layer.dense_size > 0 ? layer.dense_size : m.dense_size, 1);
  require(!layer.moe || m.moe, "layer", "moe", "needs the fields of moe");
}

}  // namespace

BlockCount count_ffn(Whole outer, Whole inner, bool glu, bool bias) {
  const Whole in = glu ? 2 : 1, matrices = (in + 1) * outer * inner;
  return {bias ? matrices + in * inner + outer : matrices, matrices};
}

BlockCount count_dense(const Model& m, const Layer& layer) {
  const std::int64_t inner = layer.dense_size > 0 ? layer.dense_size : m.dense_size;
  return count_ffn(m.hidden_size, inner, m.dense_glu, m.dense_bias);
}

BlockCount count_shared(const Mixture& x, Whole D) {
  if (x.shared_size == 0) return {};
  const BlockCount ffn = count_ffn(D, x.shared_size, x.glu, false);
  const Whole gate = x.shared_gate ? D : 0;
  return {ffn.params + gate, ffn.matmul + gate};
}

BlockCount count_expert(const Mixture& x, Whole D) {
  return count_ffn(x.latent_size > 0 ? x.latent_size : D, x.ffn_size, x.glu, x.bias);
}

BlockCount count_latent(const Mixture& x, Whole D) {
  const Whole both = 2 * D * x.latent_size;
  return {both, both};
}

BlockCount count_router(const Mixture& x, Whole D) {
  const Whole width = x.router_matrices * D, gates = Whole(x.num_experts) + x.zero_experts;
  const Whole params = width * (gates + x.branches) + (x.router_bias ? gates : 0);
  if (x.branches == 0) return {params, width * gates};
  const std::int64_t b = x.run_branches > 0 ? x.run_branches : x.branches;
  return {params, width * (b + branches_taken(x) * Whole(x.num_experts / b))};
}

Whole position_tables(const Model& m) {
  if (m.relative_buckets == 0) return 0;
  return 2 * Whole(m.relative_buckets) * std::get<Gqa>(m.mixers.front()).heads;
}

void validate(const Model& m) {
  constexpr std::size_t kMostLayers = 10000;
  field("hidden_size", m.hidden_size, 1), field("vocabulary", m.vocabulary, 0), field("norms", m.norms, 0);
  field("relative_buckets", m.relative_buckets, 0), field("mtp_modules", m.mtp_modules, 0);
  require(!m.layers.empty() && m.layers.size() <= kMostLayers, "layers", m.layers.size(), "must lie in [1, ",
          kMostLayers, ']');
  field("encoder_layers", m.encoder_layers, 0, static_cast<std::int64_t>(m.layers.size()));
  require(m.relative_buckets == 0 || (!m.mixers.empty() && std::holds_alternative<Gqa>(m.mixers.front())),
          "relative_buckets", m.relative_buckets, "needs softmax attention as the first mixer");
  for (const Mixer& mixer : m.mixers) validate(mixer);
  for (const Layer& layer : m.layers) validate(m, layer);
  if (m.moe) validate(*m.moe);
}

}  // namespace moe
