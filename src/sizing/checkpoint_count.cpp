#include "moe/checkpoint_count.h"

#include <algorithm>
#include <filesystem>

#include "moe/json.h"
#include "moe/safetensors.h"
#include "moe/whole.h"

namespace moe {
namespace {

bool has(const std::string& name, const char* part) { return name.find(part) != std::string::npos; }

bool is_scale(const std::string& name) {
  for (const char* ending :
       {"_scale_inv", "_scales", "_scale", "weight_scale_2", ".absmax", ".quant_map", ".nested_absmax"})
    if (name.ends_with(ending) && !name.ends_with("per_expert_scale")) return true;
  return has(name, ".quant_state.");
}

bool is_beside(const std::string& name) {
  for (const char* part :
       {"visual", "vision", "audio", "multi_modal_projector", "mm_projector", "talker", "resampler", "mtp."})
    if (has(name, part)) return true;
  return false;
}

bool has_one_of(const std::string& name, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](const char* part) { return has(name, part); });
}

Component component_of(const std::string& name) {
  if (has_one_of(name, {"embed_tokens", "word_embeddings", "embeddings.weight"})) return Component::Embedding;
  if (has(name, "lm_head") || name == "output.weight") return Component::Head;
  if (has(name, "norm") && !has_one_of(name, {"attn.", "attention.", "mixer.", "mamba."}))
    return Component::Norms;
  if (has_one_of(name, {"shared_expert", "shared_mlp"})) return Component::Shared;
  if (has_one_of(name, {"router", "mlp.gate.", "gate.weight", "e_score_correction_bias", "expert_bias",
                        "balancing_biases"}))
    return Component::Router;
  if (has_one_of(name, {"experts", "block_sparse_moe"})) return Component::Routed;
  if (has_one_of(name, {"mixer.up_proj", "mixer.down_proj", "mlp", "feed_forward", "ffn"}))
    return Component::Dense;
  if (has_one_of(name, {"attn", "attention", "mamba", "mixer", ".conv."})) return Component::Attention;
  return Component::Norms;
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
    if (is_scale(name)) return;
    if (name.ends_with(".qweight"))
      throw Error(name, file.path() + ": " + name +
                            " is packed into integers: how many numbers it holds is not said");
    if (name.ends_with(".qzeros") || name.ends_with(".g_idx")) return;
    Whole params = name.ends_with("_blocks") ? 2 : 1;
    for (const Index n : file.dims(name)) params = params * n;
    std::int64_t layer = -1;
    TensorGroup& group = groups_[pattern_of(name, layer)];
    const bool further = layers_ > 0 && layer >= layers_;
    TensorGroup& counted = further ? further_[pattern_of(name, layer)] : group;
    counted.component = component_of(name), counted.beside = further || is_beside(name);
    counted.tensors += 1, counted.params = (Whole(counted.params) + params).value();
  }

  CheckpointCount result() {
    CheckpointCount all;
    for (auto* groups : {&groups_, &further_})
      for (auto& [name, group] : *groups) {
        if (group.tensors == 0) continue;
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
  const nlohmann::json index = parse_sorted_json(read_text(path), path);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw Error("weight_map", path + ": must have the object weight_map");
  std::map<std::string, std::vector<std::string>> names_of;
  for (const auto& [name, file] : index["weight_map"].items()) {
    if (!file.is_string() || file.get<std::string>().empty() || has(file.get<std::string>(), "/"))
      throw Error(name, path + ": " + name + " must be the name of a file beside it");
    names_of[file.get<std::string>()].push_back(name);
  }
  const auto beside = std::filesystem::path(path).parent_path();
  // Without the files the index may say how many parameters they hold, and no more.
  if (!names_of.empty() && !std::filesystem::exists(beside / names_of.begin()->first) &&
      index.contains("metadata") && index["metadata"].is_object() &&
      index["metadata"].value("total_parameters", nlohmann::json()).is_number_unsigned()) {
    CheckpointCount said;
    said.total = index["metadata"]["total_parameters"].get<std::int64_t>();
    said.tensors = static_cast<std::int64_t>(index["weight_map"].size());
    return said;
  }
  for (const auto& [name, tensors] : names_of) {
    const SafetensorsFile file((beside / name).string());
    for (const std::string& tensor : tensors) counter.add(file, tensor);
  }
  return counter.result();
}

}  // namespace moe
