#include "moe/checkpoint_count.h"

#include <algorithm>
#include <filesystem>

#include "../huggingface/weight_map.h"
#include "moe/json.h"
#include "moe/safetensors.h"
#include "moe/whole.h"

namespace moe {
namespace {

bool has(const std::string& name, const char* part) { return name.find(part) != std::string::npos; }

bool has_one_of(const std::string& name, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](const char* part) { return has(name, part); });
}

bool ends_with_one_of(const std::string& name, std::initializer_list<const char*> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](const char* ending) { return name.ends_with(ending); });
}

/// Does the tensor belong to the storage of another, or to a buffer that can be made anew? A layer may have parameters that are
/// called scales: of these only what stands beside blocks belongs to them.
bool is_no_parameter(const SafetensorsFile& file, const std::string& name) {
  if (name.ends_with("_scales") && file.has(name.substr(0, name.size() - 6) + "blocks")) return true;
  return has(name, ".quant_state.") ||
         ends_with_one_of(name, {"weight_scale_inv", "weight_scale", "weight_scale_2", "input_scale",
                                 ".k_scale", ".v_scale", ".scales", ".qzeros", ".g_idx", ".absmax",
                                 ".quant_map", ".nested_absmax", ".weight_shape", "rotary_emb.inv_freq"});
}

/// How many parameters a tensor holds: integers are 4-bit blocks of two, or packed in a way that does not say how many.
Whole params_of_tensor(const SafetensorsFile& file, const std::string& name) {
  const std::string& dtype = file.dtype(name);
  const bool blocks = name.ends_with("_blocks") && dtype == "U8";
  const bool integers = dtype.starts_with('U') || dtype == "I32" || dtype == "I64" || dtype == "I16";
  if (integers && !blocks) {
    if (name.find("weight") == std::string::npos) return 0;  // a table of ids or positions
    throw Error(name, file.path() + ": " + name + " = " + dtype +
                          " is packed into integers, which do not say how many numbers they hold");
  }
  Whole params = blocks ? 2 : 1;
  for (const Index n : file.dims(name)) params = params * n;
  return params;
}

bool is_beside(const std::string& name) {
  return has_one_of(name, {"visual", "vision", "audio", "multi_modal_projector", "mm_projector", "talker",
                           "resampler", "mtp."});
}

/// Is it one of these parts between dots?
bool has_part(const std::string& name, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const std::string& part) { return has('.' + name, ('.' + part + '.').c_str()); });
}

/// By the names of released checkpoints and of transformers' classes, and as the config counts: what stands between blocks is
/// with the norms, and what a mixture has beside its experts and its shared ones, with the router.
Component component_of(const std::string& name) {
  if (has_one_of(name, {"embed_tokens.weight", "word_embeddings", "embeddings.weight", "wte.weight"}) ||
      name.ends_with(".embed.weight") || name == "shared.weight")
    return Component::Embedding;
  if (has(name, "lm_head") ||
      ends_with_one_of('.' + name, {".output.weight", ".head.weight", ".unembed.weight"}))
    return Component::Head;
  if (has_one_of(name, {".hc_", "hyper_connection", "residual_gate", "attn_sconv", "mlp_sconv", "attn_res.",
                        ".controllers."}))
    return Component::Norms;
  if (has_part(name, {"self_attn", "attn", "attention", "self_attention", "linear_attn", "SelfAttention",
                      "EncDecAttention", "mamba", "conv"}))
    return Component::Attention;
  if (has_one_of(name, {"router", "mlp.gate.", "e_score_correction_bias", "expert_bias", "balancing_biases",
                        "expert_norm"}) ||
      ends_with_one_of(name, {".gate.weight", ".gate.bias", "mlp.bias"}))
    return Component::Router;
  if (has(name, "norm")) return has(name, "mixer.") ? Component::Attention : Component::Norms;
  if (has_one_of(name, {"shared_expert", "shared_mlp"})) return Component::Shared;
  if (ends_with_one_of(name, {"block_sparse_moe.gate_proj.weight", "block_sparse_moe.up_proj.weight",
                              "block_sparse_moe.down_proj.weight"}))
    return Component::Dense;
  if (has_one_of(name, {"experts", "block_sparse_moe", "latent_proj", "expert_proj", "mlp.input_linear",
                        "mlp.output_linear"}))
    return Component::Routed;
  if (has_one_of(name, {"mixer.up_proj", "mixer.down_proj", "mlp", "feed_forward", "ffn"}))
    return Component::Dense;
  return has(name, "mixer") ? Component::Attention : Component::Norms;
}

/// The name with * for each part that is a number, and the number of the layer, -1 where there is none.
std::string pattern_of(const std::string& name, std::int64_t& layer) {
  std::string pattern;
  layer = -1;
  bool after_layers = false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    const bool number =
        !part.empty() && part.size() < 10 &&
        std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (number && after_layers) layer = std::stol(part);
    after_layers = part == "layers" || part == "h" || part == "blocks";
    pattern += (begin > 0 ? "." : "") + (number ? "*" : part);
    begin = end + 1;
  }
  return pattern;
}

class Counter {
 public:
  explicit Counter(std::int64_t layers) : layers_(layers) {}

  void add(const SafetensorsFile& file, const std::string& name) {
    if (is_no_parameter(file, name)) return;
    const Whole params = params_of_tensor(file, name);
    std::int64_t layer = -1;
    const std::string pattern = pattern_of(name, layer);
    const bool further = layers_ > 0 && layer >= layers_;
    TensorGroup& counted = (further ? further_ : groups_)[pattern];
    counted.component = component_of(name), counted.beside = further || is_beside(name);
    counted.tensors += 1, counted.params = (Whole(counted.params) + params).value();
  }

  CheckpointCount result() {
    CheckpointCount all;
    for (auto* groups : {&groups_, &further_})
      for (auto& [name, group] : *groups) {
        group.name = name;
        all.tensors += group.tensors;
        std::int64_t& sum = group.beside ? all.beside : all.total;
        sum = (Whole(sum) + group.params).value();
        if (!group.beside) all.parts[static_cast<std::size_t>(group.component)] += group.params;
        all.groups.push_back(group);
      }
    return all;
  }

 private:
  std::int64_t layers_;
  std::map<std::string, TensorGroup> groups_, further_;
};

/// Without its files an index may say how many parameters they hold, and no more.
std::optional<CheckpointCount> said_by_index(const std::string& path) {
  const nlohmann::json index = parse_sorted_json(read_text(path), path);
  if (!index.contains("metadata") || !index["metadata"].is_object()) return std::nullopt;
  const nlohmann::json total = index["metadata"].value("total_parameters", nlohmann::json());
  if (!total.is_number_unsigned()) return std::nullopt;
  CheckpointCount said;
  said.total = total.get<std::int64_t>();
  said.tensors = static_cast<std::int64_t>(index["weight_map"].size());
  return said;
}

}  // namespace

bool is_checkpoint(const std::string& path) {
  return path.ends_with(".safetensors") || path.ends_with(".safetensors.index.json");
}

CheckpointCount count_checkpoint(const std::string& path, std::int64_t layers) {
  Counter counter(layers);
  if (path.ends_with(".safetensors")) {
    const SafetensorsFile file(path);
    for (const std::string& name : file.names()) counter.add(file, name);
    return counter.result();
  }
  std::map<std::string, std::vector<std::string>> names_of;
  for (const auto& [name, file] : weight_map(path)) names_of[file].push_back(name);
  if (!names_of.empty() && !std::filesystem::exists(names_of.begin()->first))
    if (const std::optional<CheckpointCount> said = said_by_index(path)) return *said;
  for (const auto& [name, tensors] : names_of) {
    const SafetensorsFile file(name);
    for (const std::string& tensor : tensors) counter.add(file, tensor);
  }
  return counter.result();
}

}  // namespace moe
