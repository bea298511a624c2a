#pragma once

#include "amendments.h"

/// What amendments of models share.
namespace moe {

/// Is the i-th element of the list `name` this word? Absent: `otherwise`.
inline bool says(Keys& keys, const char* name, std::size_t i, std::size_t L, const char* word,
                 bool otherwise) {
  if (!keys.has(name)) return otherwise;
  return is_text(keys.list(name, static_cast<std::int64_t>(L))[i], word);
}

/// The mixer of a layer, apart from those of other layers, to be changed.
inline Mixer& own_mixer(Model& m, Layer& layer) {
  m.mixers.push_back(m.mixers[static_cast<std::size_t>(layer.mixer)]);
  layer.mixer = static_cast<int>(m.mixers.size()) - 1;
  return m.mixers.back();
}

/// Mixers that are the same become one again, and those of no layer go.
inline void merge_mixers(Model& m) {
  std::vector<Mixer> kept;
  for (Layer& layer : m.layers) {
    if (layer.mixer < 0) continue;
    const Mixer mixer = m.mixers[static_cast<std::size_t>(layer.mixer)];
    std::size_t at = 0;
    while (at < kept.size() && !(kept[at] == mixer)) ++at;
    if (at == kept.size()) kept.push_back(mixer);
    layer.mixer = static_cast<int>(at);
  }
  m.mixers = kept;
}

/// Calls change(attention, i) for the attention of this kind in each layer that has one.
template <typename Attention, typename Change>
void each(Model& m, Change change) {
  for (std::size_t i = 0; i < m.layers.size(); ++i) {
    Layer& layer = m.layers[i];
    if (layer.mixer < 0 ||
        !std::holds_alternative<Attention>(m.mixers[static_cast<std::size_t>(layer.mixer)]))
      continue;
    change(std::get<Attention>(own_mixer(m, layer)), i);
  }
  merge_mixers(m);
}

/// Hyper-connections with n streams around each of two blocks of a layer: a map from all streams to `maps` numbers, their bias, and
/// scales; and at the end a map to n.
inline void add_hyper_connections(Model& m, Whole n, Whole maps, Whole scales, bool head) {
  for (Layer& layer : m.layers)
    layer.extra.matmul += 2 * maps * n * m.hidden_size, layer.extra.rest += 2 * (maps + scales);
  if (head) m.extra.matmul += n * n * m.hidden_size, m.extra.rest += n + 1;
}

/// Families that have no dense model.
inline void require_experts(Keys& keys, const Model& m) {
  if (!m.moe)
    throw Error("num_experts", keys.file() + ": must have experts, as all models of its model_type");
}

}  // namespace moe
