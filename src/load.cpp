#include "moe/load.h"

#include <filesystem>

#include "moe/config_json.h"
#include "moe/file.h"
#include "moe/huggingface.h"
#include "moe/nearest.h"
#include "moe/presets.h"
#include "moe/safetensors.h"
#include "moe/validate.h"

namespace moe {
namespace {

bool is_path(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(".json");
}

/// A config as a document that can be changed, and where it is from.
struct Document {
  Json json;
  std::string source;
  Fused fused = Fused::InTurns;
  Index shared_parts = 0;  // as a ForeignConfig has it
};

/// A shared expert that is so many times as wide as the others stays so when they are given another width.
void follow_width(const Document& document, const std::set<std::string>& given, Json& json) {
  const bool follows = document.shared_parts > 0 && given.count("shape.ffn_size") > 0 &&
                       given.count("shared.ffn_size") == 0 && json["shape"].is_object() &&
                       json["shared"].is_object() && json["shape"]["ffn_size"].is_number_integer();
  if (!follows) return;
  const Json& width = json["shape"]["ffn_size"];
  if (width >= 1 && width <= kMaxSize / document.shared_parts)  // else it is refused as it is
    json["shared"]["ffn_size"] = document.shared_parts * width.get<Index>();
}

Document config_document(const std::string& name) {
  if (!is_path(name)) {
    const Preset* preset = find_preset(name);
    if (preset == nullptr)
      throw Error("CONFIG", "CONFIG = " + shown(name) +
                                " must be one of moe-oracle presets, or a path with / or .json" +
                                did_you_mean(name, names_of_presets()));
    return {config_to_json(preset->config), preset->source, {}, 0};
  }
  Json json = parse_python_json(read_text(name), name);
  if (is_huggingface(json)) {
    const ForeignConfig foreign = config_from_huggingface(json, name);
    return {config_to_json(foreign.config), foreign.source, foreign.fused, foreign.shared_parts};
  }
  const bool says = json.is_object() && json.contains("source") && json["source"].is_string();
  std::string source = says ? json["source"].get<std::string>() : "";
  return {std::move(json), std::move(source), {}, 0};
}

/// Does it come with the tokens of a file of inputs? Noise does not.
bool is_activation(Tensor id) {
  return is_of_batch(id) && (has_gradient(id) || id == Tensor::dy || is_whole(id));
}

/// Tokens of several sequences, (B, S, D), as (T, D).
void join_sequences(Array& a) {
  if (a.dims.size() == 3) a.dims = {product({a.dims[0], a.dims[1]}), a.dims[2]};
}

/// The tensors of our own names that `file` holds for one of the two options; the other option's may be there, too.
Inputs named_tensors(const SafetensorsFile& file, bool activations) {
  Inputs inputs;
  for (const std::string& name : file.names()) {
    const std::optional<Tensor> id = tensor_called(name);
    if (!id) throw Error(name, file.path() + ": " + name + " is not the name of a tensor here");
    if (!is_input(info_of(*id)) || is_activation(*id) != activations) continue;
    inputs[*id] = file.load(name);
    if (activations) join_sequences(inputs[*id]);
  }
  return inputs;
}

Inputs weights_from(const InputSources& sources, const Config& config) {
  if (!sources.names.empty()) return named_weights(sources.weights, sources.names, config, sources.layer);
  return sources.layer ? checkpoint_weights(sources.weights, config, *sources.layer, sources.fused)
                       : named_tensors(SafetensorsFile(sources.weights), false);
}

}  // namespace

std::string config_in(const std::string& name) {
  std::error_code failed;
  const bool path = name == "." || name == ".." || name.find('/') != std::string::npos;
  const bool folder = path && !name.ends_with(".json") && std::filesystem::is_directory(name, failed);
  return folder ? (std::filesystem::path(name) / "config.json").string() : name;
}

std::string checkpoint_in(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code failed;
  if (path.empty() || !fs::is_directory(path, failed)) return path;
  for (const char* name : {"model.safetensors.index.json", "model.safetensors"})
    if (fs::exists(fs::path(path) / name, failed)) return (fs::path(path) / name).string();
  std::vector<std::string> found;
  for (fs::directory_iterator file(path, failed), end; !failed && file != end; file.increment(failed))
    if (file->path().extension() == ".safetensors") found.push_back(file->path().string());
  if (found.size() != 1)
    throw Error("--weights", "--weights = " + shown(path) +
                                 " must be a file, or a folder with model.safetensors, the index.json of its "
                                 "shards, or one file of safetensors");
  return found.front();
}

std::optional<Dims> shape_of_x(const std::string& file) {
  const SafetensorsFile tensors(file);
  if (!tensors.has("x")) return {};
  return tensors.dims("x");
}

NamedConfig load_config(const std::string& name, const std::vector<std::string>& sets,
                        std::optional<Index> tokens) {
  const Document document = config_document(name);
  const std::string& source = document.source;
  const Fused fused = document.fused;
  Json json = document.json;
  const std::string file = is_path(name) ? name + ": " : "";
  try {
    if (sets.empty() && !tokens) return {name, config_from_json(json), source, fused};
    config_from_json(json);
    std::set<std::string> given;
    for (const std::string& assignment : sets) given.insert(set_field(json, assignment));
    follow_width(document, given, json);
    if (tokens && json["shape"].is_object()) json["shape"]["num_tokens"] = *tokens;
    return {name, config_from_json(json, &given), source, fused};
  } catch (const Error& e) {
    throw Error(e.field, file + e.what());
  }
}

Inputs load_inputs(const Config& config, const InputSources& sources) {
  Inputs inputs = seeded_inputs(config, sources.seed);
  const auto replace = [&](Inputs from, bool activations, const std::string& file) {
    for (const InputInfo& info : inputs_of(config)) {
      if (is_activation(info.id) != activations) continue;
      const auto found = from.find(info.id);
      if (found != from.end()) {
        validate(info, found->second, file + ": ");
        Array& a = found->second;
        const bool as_it_is =
            !is_real(a.format) || sources.format == Format::F64 || sources.format == a.format;
        inputs[info.id] = as_it_is ? std::move(a) : converted(a, sources.format, name_of(info.id));
      } else if (info.id != Tensor::dy) {  // dy is seeded where a file has none
        throw Error(name_of(info.id), file + ": must hold the tensor " + name_of(info.id));
      }
    }
    for (const auto& [id, a] : from)
      if (inputs.count(id) == 0)
        throw Error(name_of(id), file + ": " + name_of(id) + " is not an input of this config");
  };
  if (!sources.input.empty())
    replace(named_tensors(SafetensorsFile(sources.input), true), true, sources.input);
  if (!sources.weights.empty()) replace(weights_from(sources, config), false, sources.weights);
  return inputs;
}

}  // namespace moe
