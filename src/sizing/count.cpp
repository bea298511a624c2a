#include "blocks.h"
#include "mixers.h"

namespace moe {
namespace {

/// Sums of whole numbers that become a ComponentCount.
struct Sum {
  Whole params, active, matmul;
  void add(const BlockCount& block) {
    params += block.params, active += block.params - block.idle, matmul += block.matmul;
  }
  void add(const Sum& other) { params += other.params, active += other.active, matmul += other.matmul; }
  /// Fields that contradict each other may take away more than there is.
  ComponentCount value() const {
    for (const Whole n : {params, active, matmul})
      if (n.value() < 0) throw Error("model", "model: its fields contradict each other: a count is below 0");
    return {params.value(), active.value(), matmul.value()};
  }
};
using Sums = std::array<Sum, kComponents>;

Sum& at(Sums& sums, Component c) { return sums[static_cast<std::size_t>(c)]; }

/// n norms: vectors, with a bias where the model has them. (K1)
BlockCount norms(const Model& m, Whole n) { return {n * m.hidden_size * (m.norm_bias ? 2 : 1), 0}; }

void add_layer(const Model& m, const Layer& layer, Sums& sums) {
  const Whole D = m.hidden_size;
  Whole blocks = 0;
  if (layer.mixer >= 0) {
    const BlockCount mixer = count_mixer(m.mixers[static_cast<std::size_t>(layer.mixer)], D);
    for (int i = 0; i < (layer.cross ? 2 : 1); ++i) at(sums, Component::Attention).add(mixer), blocks += 1;
  }
  if (layer.dense) at(sums, Component::Dense).add(count_dense(m, layer));
  if (layer.moe) {
    Mixture x = *m.moe;
    x.router_bias = x.router_bias && !layer.by_table;
    at(sums, Component::Router).add(count_router(x, D));
    at(sums, Component::Shared).add(count_shared(x, D));
    const BlockCount expert = count_expert(x, D), latent = count_latent(x, D);
    at(sums, Component::Routed).add(latent);
    at(sums, Component::Router).add(count_of(x.extra));
    at(sums, Component::Routed)
        .add(Sum{x.num_experts * expert.params, x.top_k * expert.params, x.top_k * expert.matmul});
  }
  if (layer.dense || layer.moe) blocks += 1;
  at(sums, Component::Norms).add(norms(m, m.norms * blocks));
  at(sums, Component::Norms).add(count_of(layer.extra));
}

/// (K4) a module that predicts one more token: a layer like the last, a projection of state and embedding, three norms.
Sum mtp_modules(const Model& m) {
  Sum sum;
  if (m.mtp_modules == 0) return sum;
  Sums layer;
  add_layer(m, m.layers.back(), layer);
  const Whole D = m.hidden_size, n = m.mtp_modules, projection = 2 * D * D;
  for (const Sum& part : layer) sum.add(part);
  sum.add(BlockCount{projection, projection});
  sum.add(BlockCount{3 * D, 0});
  return {n * sum.params, n * sum.active, n * sum.matmul};
}

void add_ends(const Model& m, Sums& sums) {
  const Whole D = m.hidden_size, table = Whole(m.vocabulary) * D;
  const Whole head = m.headless ? 0 : m.head_rows > 0 ? Whole(m.head_rows) * D : table;
  at(sums, Component::Embedding) = {table, table, 0};
  at(sums, Component::Head) = {m.tied ? 0 : head, m.tied ? 0 : head, head};
  at(sums, Component::Norms).add(count_of(m.extra));
  at(sums, Component::Norms).add(norms(m, m.norms == 0 ? 0 : m.encoder_layers > 0 ? 2 : 1));
  at(sums, Component::Attention).add(BlockCount{position_tables(m), position_tables(m)});
}

}  // namespace

const char* name_of(Component component) {
  static constexpr const char* kNames[] = {"embedding", "head",   "attention", "dense",
                                           "router",    "shared", "routed",    "norms"};
  return kNames[static_cast<std::size_t>(component)];
}

ModelCount count(const Model& m) {
  validate(m);
  Sums sums;
  add_ends(m, sums);
  ModelCount all;
  for (const Layer& layer : m.layers) {
    add_layer(m, layer, sums);
    all.moe_layers += layer.moe ? 1 : 0;
  }
  Sum total;
  for (std::size_t i = 0; i < kComponents; ++i) total.add(sums[i]), all.parts[i] = sums[i].value();
  all.mtp = mtp_modules(m).value();
  all.total = total.params.value();
  all.matmul = total.matmul.value();
  const std::int64_t table = all[Component::Embedding].params;
  all.active.full = total.active.value();
  all.active.no_embed = m.tied ? all.active.full : all.active.full - table;
  all.active.no_embed_head = all.active.full - table - all[Component::Head].params;
  if (m.moe) all.expert = count_expert(*m.moe, m.hidden_size).params.value();
  return all;
}

}  // namespace moe
