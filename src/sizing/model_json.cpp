#include "model_json.h"

#include <algorithm>
#include <sstream>

#include "../huggingface/fields.h"
#include "blocks.h"

namespace moe {
namespace {

/// An object of which every key must be read.
class Reader {
 public:
  Reader(const Json& json, const std::string& file) : json_(json), file_(file), fields_(json, file_) {
    if (!json.is_object()) throw Error(file, file + " must be an object");
  }
  void whole(const char* key, std::int64_t& to, std::int64_t least = 1) {
    if (knows(key)) to = fields_.whole(key, least);
  }
  void truth(const char* key, bool& to) {
    if (knows(key)) to = fields_.truth(key);
  }
  /// Is the key there? From here on it is one that the object may have.
  bool knows(const char* key) {
    known_.emplace_back(key);
    return fields_.has(key);
  }
  const Fields& fields() const { return fields_; }
  void done(const std::vector<std::string>& also = {}) const {
    for (const auto& [key, value] : json_.items())
      if (std::find(known_.begin(), known_.end(), key) == known_.end() &&
          std::find(also.begin(), also.end(), key) == also.end())
        throw Error(key, file_ + ": " + shown(key) + " is not a field");
  }

 private:
  const Json& json_;
  std::string file_;
  Fields fields_;
  std::vector<std::string> known_;
};

Gqa read_gqa(Reader& r) {
  Gqa a;
  r.whole("heads", a.heads), r.whole("kv_heads", a.kv_heads), r.whole("head_size", a.head_size);
  r.whole("value_size", a.value_size), r.truth("qkv_bias", a.qkv_bias), r.truth("output_bias", a.output_bias),
      r.truth("sinks", a.sinks);
  r.truth("output_gate", a.output_gate);
  if (r.knows("qk_norm")) {
    const Json& norm = r.fields().at("qk_norm");
    if (norm != "per_head" && norm != "full") r.fields().refuse("qk_norm", "must be per_head or full");
    a.qk_norm = norm == "full" ? Gqa::QkNorm::Full : Gqa::QkNorm::PerHead;
  }
  return a;
}

Mla read_mla(Reader& r) {
  Mla a;
  r.whole("heads", a.heads), r.whole("q_rank", a.q_rank, 0), r.whole("kv_rank", a.kv_rank);
  r.whole("nope_size", a.nope_size, 0), r.whole("rope_size", a.rope_size, 0),
      r.whole("value_size", a.value_size);
  r.whole("index_heads", a.index_heads, 0), r.whole("index_size", a.index_size, 0);
  return a;
}

DeltaNet read_delta_net(Reader& r) {
  DeltaNet a;
  r.whole("key_heads", a.key_heads), r.whole("value_heads", a.value_heads), r.whole("key_size", a.key_size);
  r.whole("value_size", a.value_size), r.whole("convolution", a.convolution);
  return a;
}

Mamba1 read_mamba1(Reader& r) {
  Mamba1 a;
  r.whole("inner_size", a.inner_size), r.whole("state_size", a.state_size);
  r.whole("convolution", a.convolution), r.whole("step_rank", a.step_rank);
  return a;
}

Mamba2 read_mamba2(Reader& r) {
  Mamba2 a;
  r.whole("heads", a.heads), r.whole("head_size", a.head_size), r.whole("state_size", a.state_size);
  r.whole("groups", a.groups), r.whole("convolution", a.convolution);
  return a;
}

Lightning read_lightning(Reader& r) {
  Lightning a;
  r.whole("heads", a.heads), r.whole("head_size", a.head_size);
  return a;
}

Mixer read_mixer(const std::string& kind, const Json& json, const std::string& file) {
  Reader r(json, file + ": " + kind);
  Mixer mixer;
  if (kind == "gqa")
    mixer = read_gqa(r);
  else if (kind == "mla")
    mixer = read_mla(r);
  else if (kind == "lightning")
    mixer = read_lightning(r);
  else if (kind == "delta_net")
    mixer = read_delta_net(r);
  else if (kind == "mamba1")
    mixer = read_mamba1(r);
  else if (kind == "mamba2")
    mixer = read_mamba2(r);
  else if (kind == "lstm")
    mixer = Lstm{};
  else
    throw Error(kind, file + ": " + shown(kind) +
                          " must be one of gqa, mla, lightning, delta_net, mamba1, mamba2, lstm");
  r.done();
  return mixer;
}

Mixture read_moe(const Json& json, const std::string& file) {
  Reader r(json, file + ": moe");
  Mixture x;
  r.whole("num_experts", x.num_experts), r.whole("top_k", x.top_k), r.whole("ffn_size", x.ffn_size);
  r.truth("glu", x.glu), r.truth("bias", x.bias);
  r.whole("shared_size", x.shared_size), r.truth("shared_gate", x.shared_gate);
  r.truth("router_bias", x.router_bias), r.whole("router_matrices", x.router_matrices);
  r.whole("zero_experts", x.zero_experts), r.whole("latent_size", x.latent_size);
  r.whole("branches", x.branches), r.whole("run_branches", x.run_branches);
  r.done();
  return x;
}

/// One layer from the words that say what it holds, as in "mla moe".
Layer read_layer(const Json& json, const Model& m, const std::string& file) {
  if (!json.is_string()) throw Error("layers", file + ": layers: " + shown(json) + " must be a string");
  Layer layer;
  std::istringstream words(json.get<std::string>());
  for (std::string word; words >> word;) {
    const auto mixer =
        std::find_if(m.mixers.begin(), m.mixers.end(), [&](const Mixer& x) { return kind_of(x) == word; });
    if (word == "cross")
      layer.cross = true;
    else if (word == "dense")
      layer.dense = true;
    else if (word == "moe")
      layer.moe = true;
    else if (mixer != m.mixers.end())
      layer.mixer = static_cast<int>(mixer - m.mixers.begin());
    else
      throw Error("layers",
                  file + ": layers: " + shown(word) + " must be cross, dense, moe, or a key of mixers");
  }
  return layer;
}

/// [[n, layer, ...], ...]: the layers of each list, n times over.
std::vector<Layer> read_layers(const Json& json, const Model& m, const std::string& file) {
  std::vector<Layer> layers;
  constexpr std::int64_t kMostTimes = 1000;
  for (const Json& group : json) {
    const bool counted = group.is_array() && !group.empty() && group[0].is_number_integer() &&
                         group[0] >= 1 && group[0] <= kMostTimes;
    if (!counted)
      throw Error("layers",
                  file + ": layers: " + shown(group) + " must be [n, layer, ...] with n in [1, 1000]");
    std::vector<Layer> some;
    for (std::size_t i = 1; i < group.size(); ++i) some.push_back(read_layer(group[i], m, file));
    for (std::int64_t n = group[0].get<std::int64_t>(); n > 0; --n)
      layers.insert(layers.end(), some.begin(), some.end());
  }
  return layers;
}

}  // namespace

Model model_from_json(const Json& json, const std::string& file, const std::vector<std::string>& also) {
  Reader r(json, file);
  Model m;
  if (r.knows("name")) m.name = r.fields().at("name").get<std::string>();
  r.whole("hidden_size", m.hidden_size), r.whole("vocabulary", m.vocabulary, 0), r.truth("tied", m.tied);
  if (r.knows("mixers"))
    for (const auto& [kind, fields] : json["mixers"].items())
      m.mixers.push_back(read_mixer(kind, fields, file));
  if (r.knows("layers")) m.layers = read_layers(json["layers"], m, file);
  r.whole("encoder_layers", m.encoder_layers);
  r.whole("dense_size", m.dense_size), r.truth("dense_glu", m.dense_glu), r.truth("dense_bias", m.dense_bias);
  if (r.knows("moe")) m.moe = read_moe(json["moe"], file);
  r.whole("norms", m.norms, 0), r.truth("norm_bias", m.norm_bias);
  r.whole("relative_buckets", m.relative_buckets), r.whole("mtp_modules", m.mtp_modules);
  r.done(also);
  try {
    validate(m);
  } catch (const Error& e) {
    throw Error(e.field, file + ": " + e.what());
  }
  return m;
}

}  // namespace moe
