#include "moe/huggingface.h"

#include "moe/config_json.h"
#include "moe/error.h"
#include "moe/presets.h"

namespace moe {
namespace {

const Json& field(const Json& json, const std::string& file, const char* name) {
  const auto found = json.find(name);
  if (found == json.end()) throw Error(name, file + ": must have " + name);
  return *found;
}

/// Reads one field of a model's config.json into one of ours.
void take(const Json& from, const std::string& file, const char* name, Json& to) {
  const Json& value = field(from, file, name);
  if (!value.is_number() || (to.is_number_integer() && !value.is_number_integer()))
    throw Error(name, file + ": " + name + " = " + shown(value) + " must be " +
                          (to.is_number_integer() ? "a whole number" : "a number"));
  to = value;
}

Json mixtral(const Json& json, const std::string& file) {
  Json config = config_to_json(find_preset("mixtral")->config);
  take(json, file, "hidden_size", config["shape"]["hidden_size"]);
  take(json, file, "intermediate_size", config["shape"]["ffn_size"]);
  take(json, file, "num_local_experts", config["shape"]["num_experts"]);
  take(json, file, "num_experts_per_tok", config["shape"]["top_k"]);
  if (json.contains("router_aux_loss_coef"))
    take(json, file, "router_aux_loss_coef", config["aux"][0]["coefficient"]);
  const Json& act = field(json, file, "hidden_act");
  if (act != "silu") throw Error("hidden_act", file + ": hidden_act = " + shown(act) + " must be silu");
  const Json jitter = json.value("router_jitter_noise", Json(0.0));
  if (jitter != 0.0)
    throw Error("router_jitter_noise",
                file + ": router_jitter_noise = " + shown(jitter) + " must be 0: noise is an explicit input");
  return config;
}

}  // namespace

Json config_from_huggingface(const Json& json, const std::string& file) {
  const Json& type = json["model_type"];
  if (type == "mixtral") return mixtral(json, file);
  throw Error("model_type", file + ": model_type = " + shown(type) + " must be one of mixtral");
}

Inputs checkpoint_weights(const SafetensorsFile& file, const Config& config, Index layer) {
  const auto [T, D, F, E, K] = Letters(config);
  const std::string moe = "model.layers." + std::to_string(layer) + ".block_sparse_moe.";
  const auto stacked = [&](const char* matrix, const Dims& dims) {
    Array all{Format::F64, dims, {}, {}};
    for (Index e = 0; e < dims[0]; ++e) {
      const std::string name = moe + "experts." + std::to_string(e) + '.' + matrix + ".weight";
      const Array one = file.load(name);
      if (one.dims != Dims{dims[1], dims[2]} || (e > 0 && one.format != all.format))
        throw Error(name, file.path() + ": " + name +
                              " must have the shape of the config and the dtype of its peers");
      all.format = one.format;
      all.bytes.insert(all.bytes.end(), one.bytes.begin(), one.bytes.end());
    }
    return all;
  };
  return {{Tensor::router_weight, file.load(moe + "gate.weight")},
          {Tensor::experts_gate, stacked("w1", {E, F, D})},
          {Tensor::experts_up, stacked("w3", {E, F, D})},
          {Tensor::experts_down, stacked("w2", {E, D, F})}};
}

}  // namespace moe
