#include <filesystem>

#include "moe/file.h"
#include "moe/huggingface.h"
#include "moe/safetensors.h"
#include "moe/validate.h"
#include "weight_map.h"

namespace moe {
namespace {

/// Which rows of each matrix are the tensor's: gate and up may be the halves of one.
enum class Rows { All, First, Second };

/// One way to keep a tensor of layer I: its name after "model.layers.I.", with {e} where each expert has its own.
struct NamedPlace {
  const char* name = "";
  Tensor id = Tensor::router_weight;
  Rows rows = Rows::All;
};

// Mixtral; DeepSeek, Kimi, GLM, dots, Qwen, OLMoE; the fused form of huggingface/transformers 5; Jamba; Granite.
constexpr NamedPlace kPlaces[] = {
    {"block_sparse_moe.gate.weight", Tensor::router_weight},
    {"mlp.gate.weight", Tensor::router_weight},
    {"feed_forward.router.weight", Tensor::router_weight},
    {"block_sparse_moe.router.layer.weight", Tensor::router_weight},
    {"mlp.gate.e_score_correction_bias", Tensor::router_selection_bias},
    {"block_sparse_moe.experts.{e}.w1.weight", Tensor::experts_gate},
    {"mlp.experts.{e}.gate_proj.weight", Tensor::experts_gate},
    {"mlp.experts.gate_up_proj", Tensor::experts_gate, Rows::First},
    {"feed_forward.experts.{e}.gate_proj.weight", Tensor::experts_gate},
    {"block_sparse_moe.input_linear.weight", Tensor::experts_gate, Rows::First},
    {"block_sparse_moe.experts.{e}.w3.weight", Tensor::experts_up},
    {"mlp.experts.{e}.up_proj.weight", Tensor::experts_up},
    {"mlp.experts.gate_up_proj", Tensor::experts_up, Rows::Second},
    {"feed_forward.experts.{e}.up_proj.weight", Tensor::experts_up},
    {"block_sparse_moe.input_linear.weight", Tensor::experts_up, Rows::Second},
    {"block_sparse_moe.experts.{e}.w2.weight", Tensor::experts_down},
    {"mlp.experts.{e}.down_proj.weight", Tensor::experts_down},
    {"mlp.experts.down_proj", Tensor::experts_down},
    {"feed_forward.experts.{e}.down_proj.weight", Tensor::experts_down},
    {"block_sparse_moe.output_linear.weight", Tensor::experts_down},
    {"mlp.shared_experts.gate_proj.weight", Tensor::shared_gate},
    {"mlp.shared_expert.gate_proj.weight", Tensor::shared_gate},
    {"mlp.shared_experts.up_proj.weight", Tensor::shared_up},
    {"mlp.shared_expert.up_proj.weight", Tensor::shared_up},
    {"mlp.shared_experts.down_proj.weight", Tensor::shared_down},
    {"mlp.shared_expert.down_proj.weight", Tensor::shared_down},
    {"mlp.shared_expert_gate.weight", Tensor::shared_gate_weight},
};
/// What a layer has in place of a mixture, which the config need not say: some models begin or alternate with such layers.
constexpr const char* kDense[] = {"mlp.gate_proj.weight", "feed_forward.gate_proj.weight"};

bool is_index(const std::string& path) { return path.ends_with(".json"); }

/// A checkpoint in one file or in several, which are opened when a tensor of theirs is asked for.
class Checkpoint {
 public:
  explicit Checkpoint(std::string path) : path_(std::move(path)) {
    if (is_index(path_))
      files_of_ = weight_map(path_);
    else
      for (const std::string& name : open(path_).names()) files_of_[name] = path_;
  }
  const std::string& path() const { return path_; }
  bool has(const std::string& name) const { return files_of_.count(name) > 0; }
  Array load(const std::string& name) {
    const auto found = files_of_.find(name);
    if (found == files_of_.end()) throw Error(name, path_ + ": must hold a tensor " + name);
    return open(found->second).load(name);
  }

 private:
  const SafetensorsFile& open(const std::string& file) {
    return opened_.try_emplace(file, file).first->second;
  }

  std::string path_;
  std::map<std::string, std::string> files_of_;
  std::map<std::string, SafetensorsFile> opened_;
};

std::string name_at(const NamedPlace& place, Index layer, Index e) {
  std::string name = "model.layers." + std::to_string(layer) + '.' + place.name;
  if (const std::size_t at = name.find("{e}"); at != std::string::npos)
    name.replace(at, 3, std::to_string(e));
  return name;
}

/// Appends the rows of the tensor `name` that `rows` means; `dims` are those of the appended part.
void append(Checkpoint& file, const std::string& name, Rows rows, const Dims& dims, Array& all) {
  const Array one = file.load(name);
  Dims stored = dims;
  if (rows != Rows::All) stored[dims.size() - 2] *= 2;
  const std::string where = file.path() + ": " + name + ": ";
  require(one.dims == stored, where + "shape", shape_text(one.dims), "must be ", shape_text(stored));
  if (!all.bytes.empty() && one.format != all.format)
    throw Error(name, where + "dtype = " + info_of(one.format).name + " must be that of the other experts, " +
                          info_of(all.format).name);
  all.format = one.format;
  const std::size_t matrices = dims.size() < 3 ? 1 : static_cast<std::size_t>(dims[0]),
                    size = one.bytes.size() / matrices, part = rows == Rows::All ? size : size / 2;
  for (std::size_t m = 0; m < matrices; ++m) {
    const auto* begin = one.bytes.data() + m * size + (rows == Rows::Second ? part : 0);
    all.bytes.insert(all.bytes.end(), begin, begin + part);
  }
}

Array read(Checkpoint& file, const NamedPlace& place, const Dims& dims, Index layer) {
  Array all{Format::F64, dims, {}, {}};
  const bool each = std::string(place.name).find("{e}") != std::string::npos;
  const Dims part = each ? Dims(dims.begin() + 1, dims.end()) : dims;
  for (Index e = 0; e < (each ? dims[0] : 1); ++e)
    append(file, name_at(place, layer, e), place.rows, part, all);
  return all;
}

}  // namespace

std::vector<std::string> checkpoint_files(const std::string& path) {
  if (!is_index(path)) return {path};
  std::set<std::string> files{path};
  for (const auto& [name, file] : weight_map(path)) files.insert(file);
  return {files.begin(), files.end()};
}

Inputs checkpoint_weights(const std::string& path, const Config& config, Index layer) {
  Checkpoint file(path);
  for (const char* dense : kDense)
    if (const std::string name = name_at({dense, Tensor::count}, layer, 0); file.has(name))
      throw Error("--layer", path + ": layer " + std::to_string(layer) + " is dense: it has " + name);
  std::map<Tensor, Dims> wanted;
  for (const InputInfo& info : inputs_of(config))
    if (info.id != Tensor::x && info.id != Tensor::dy) wanted[info.id] = info.dims;
  Inputs found;
  std::map<Tensor, std::string> names;  // under which a tensor could have been found
  for (const NamedPlace& place : kPlaces) {
    const std::string name = name_at(place, layer, 0);
    names[place.id] += (names[place.id].empty() ? "" : " or ") + name;
    if (!file.has(name)) continue;
    if (wanted.count(place.id) == 0)
      throw Error(name,
                  path + ": " + name + " is " + name_of(place.id) + ", which is not an input of this config");
    found[place.id] = read(file, place, wanted[place.id], layer);
  }
  for (const auto& [id, dims] : wanted)
    if (found.count(id) == 0)
      throw Error(name_of(id), path + ": must hold " + name_of(id) + " as " +
                                   (names[id].empty() ? "one of our own names" : names[id]));
  return found;
}

}  // namespace moe
