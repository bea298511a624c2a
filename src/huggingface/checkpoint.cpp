#include <filesystem>

#include "fp8.h"
#include "moe/file.h"
#include "moe/huggingface.h"
#include "moe/safetensors.h"
#include "moe/validate.h"
#include "weight_map.h"

namespace moe {
namespace {

/// Which rows of each matrix are the tensor's: gate and up may be one, as two halves or, where the file has biases of it, in turns.
enum class Rows { All, Gate, Up };
/// What a file's tensor is of ours: all of it; of the experts that every token chooses, which have tensors of their own; one number
/// for all experts; or all of it, less 1.
enum class Portion { Whole, OfSinks, OneForAll, LessOne };

/// One way to keep a tensor of a layer: its name within the block, with {e} where each expert has its own.
struct NamedPart {
  const char* name = "";
  Tensor id = Tensor::router_weight;
  Rows rows = Rows::All;
  bool in_out = false;  // where no shape tells: matrices are (in, out), not (out, in)
  Portion portion = Portion::Whole;
  bool in_turns = false;  // rows of gate and up
};

// Where the layers of a model are, where the block is in a layer, and what may be in a block.
constexpr const char* kLayers[] = {"model.layers.",
                                   "model.language_model.layers.",
                                   "language_model.model.layers.",
                                   "thinker.model.layers.",
                                   "model.llm.layers.",
                                   "backbone.layers.",
                                   "transformer.blocks.",
                                   "encoder.block.",
                                   "blocks.",
                                   "layers."};
constexpr const char* kBlocks[] = {
    "block_sparse_moe.", "mlp.", "mlp.text_moe.", "feed_forward.", "mixer.", "ffn.", "moe.", "layer.1.mlp.",
    "layer.2.mlp.",      ""};
constexpr NamedPart kParts[] = {
    {"gate.weight", Tensor::router_weight},
    {"router.weight", Tensor::router_weight},
    {"router.layer.weight", Tensor::router_weight},
    {"router.gate.weight", Tensor::router_weight},
    {"router.classifier.weight", Tensor::router_weight},
    {"gate.wg.weight", Tensor::router_weight},
    {"gate_weight", Tensor::router_weight},
    {"router.proj.weight", Tensor::router_weight},
    {"router.bias", Tensor::router_bias},
    {"router.classifier.bias", Tensor::router_bias},
    {"router.per_expert_scale", Tensor::router_expert_scale},
    {"gate.global_scale", Tensor::router_expert_scale, Rows::All, false, Portion::OneForAll},
    {"pre_expert_proj.weight", Tensor::latent_down},
    {"post_expert_proj.weight", Tensor::latent_up},
    {"pre_expert_norm.weight", Tensor::latent_norm_weight, Rows::All, false, Portion::LessOne},
    {"experts.post_expert_norm.weight", Tensor::latent_output_norm_weight, Rows::All, false,
     Portion::LessOne},
    {"fc1_latent_proj.weight", Tensor::latent_down},
    {"fc2_latent_proj.weight", Tensor::latent_up},
    {"gate.e_score_correction_bias", Tensor::router_selection_bias},
    {"router.e_score_correction_bias", Tensor::router_selection_bias},
    {"e_score_correction_bias", Tensor::router_selection_bias},
    {"experts.e_score_correction_bias", Tensor::router_selection_bias},
    {"moe_statics.e_score_correction_bias", Tensor::router_selection_bias},
    {"gate.moe_statics.e_score_correction_bias", Tensor::router_selection_bias},
    {"expert_bias", Tensor::router_selection_bias},
    {"gate.expert_bias", Tensor::router_selection_bias},
    {"router.expert_bias", Tensor::router_selection_bias},
    {"gate.bias", Tensor::router_selection_bias},
    {"router_bias", Tensor::router_selection_bias},
    {"experts.{e}.w1.weight", Tensor::experts_gate},
    {"experts.{e}.gate_proj.weight", Tensor::experts_gate},
    {"experts.{e}.fc1.weight", Tensor::experts_gate},
    {"experts.gate_up_proj", Tensor::experts_gate, Rows::Gate},
    {"experts.w13_weight", Tensor::experts_gate, Rows::Gate, false, Portion::Whole, true},
    {"shared_experts.shared_w13_weight", Tensor::experts_gate, Rows::Gate, false, Portion::OfSinks, true},
    {"experts.mlp.w1", Tensor::experts_gate},
    {"input_linear.weight", Tensor::experts_gate, Rows::Gate},
    {"experts.fc1.weight", Tensor::experts_gate, Rows::Gate, true},
    {"experts.{e}.w3.weight", Tensor::experts_up},
    {"experts.{e}.up_proj.weight", Tensor::experts_up},
    {"experts.{e}.fc3.weight", Tensor::experts_up},
    {"experts.expert_{e}.wi.weight", Tensor::experts_up},
    {"experts.up_proj", Tensor::experts_up},
    {"experts.gate_up_proj", Tensor::experts_up, Rows::Up},
    {"experts.w13_weight", Tensor::experts_up, Rows::Up, false, Portion::Whole, true},
    {"shared_experts.shared_w13_weight", Tensor::experts_up, Rows::Up, false, Portion::OfSinks, true},
    {"experts.mlp.v1", Tensor::experts_up},
    {"input_linear.weight", Tensor::experts_up, Rows::Up},
    {"experts.fc1.weight", Tensor::experts_up, Rows::Up, true},
    {"experts.{e}.w2.weight", Tensor::experts_down},
    {"experts.{e}.down_proj.weight", Tensor::experts_down},
    {"experts.{e}.fc2.weight", Tensor::experts_down},
    {"experts.expert_{e}.wo.weight", Tensor::experts_down},
    {"experts.down_proj", Tensor::experts_down},
    {"output_linear.weight", Tensor::experts_down},
    {"experts.fc2.weight", Tensor::experts_down, Rows::All, true},
    {"experts.mlp.w2", Tensor::experts_down, Rows::All, true},
    {"experts.w2_weight", Tensor::experts_down},
    {"shared_experts.shared_w2_weight", Tensor::experts_down, Rows::All, false, Portion::OfSinks},
    {"experts.gate_up_proj_bias", Tensor::experts_gate_bias, Rows::Gate},
    {"experts.gate_up_proj_bias", Tensor::experts_up_bias, Rows::Up},
    {"experts.down_proj_bias", Tensor::experts_down_bias},
    {"bias", Tensor::combine_bias},
    {"post_mlp_layernorm.weight", Tensor::combine_norm_weight},
    {"shared_experts.gate_proj", Tensor::experts_gate, Rows::All, false, Portion::OfSinks},
    {"shared_experts.up_proj", Tensor::experts_up, Rows::All, false, Portion::OfSinks},
    {"shared_experts.down_proj", Tensor::experts_down, Rows::All, false, Portion::OfSinks},
    {"shared_experts.gate_proj.weight", Tensor::shared_gate},
    {"shared_expert.gate_proj.weight", Tensor::shared_gate},
    {"shared_mlp.gate_proj.weight", Tensor::shared_gate},
    {"shared_experts.linear_gate.weight", Tensor::shared_gate},
    {"shared_experts.w1.weight", Tensor::shared_gate},
    {"shared_experts.gate_up_proj.weight", Tensor::shared_gate, Rows::Gate},
    {"shared_mlp.input_linear.weight", Tensor::shared_gate, Rows::Gate},
    {"shared_experts.up_proj.weight", Tensor::shared_up},
    {"shared_expert.up_proj.weight", Tensor::shared_up},
    {"shared_mlp.up_proj.weight", Tensor::shared_up},
    {"shared_experts.w3.weight", Tensor::shared_up},
    {"shared_experts.gate_up_proj.weight", Tensor::shared_up, Rows::Up},
    {"shared_mlp.input_linear.weight", Tensor::shared_up, Rows::Up},
    {"shared_experts.down_proj.weight", Tensor::shared_down},
    {"shared_expert.down_proj.weight", Tensor::shared_down},
    {"shared_mlp.down_proj.weight", Tensor::shared_down},
    {"shared_experts.w2.weight", Tensor::shared_down},
    {"shared_mlp.output_linear.weight", Tensor::shared_down},
    {"shared_expert_gate.weight", Tensor::shared_gate_weight},
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
  /// Is there a tensor whose name begins so?
  bool has_any(const std::string& start) const {
    const auto found = files_of_.lower_bound(start);
    return found != files_of_.end() && found->first.starts_with(start);
  }
  Array load(const std::string& name) {
    const SafetensorsFile& file = holder_of(name);
    if (!is_fp8(file, name)) return file.load(name);
    for (const char* scale : {"_scale_inv", "_scale"})
      if (has(name + scale)) return load_fp8(file, name, holder_of(name + scale), name + scale);
    throw Error(name, path_ + ": " + name + " is kept in 8 bits, and must have its scales beside it, " +
                          name + "_scale_inv or " + name + "_scale");
  }
  const Dims& dims(const std::string& name) { return holder_of(name).dims(name); }

 private:
  const SafetensorsFile& holder_of(const std::string& name) {
    const auto found = files_of_.find(name);
    if (found == files_of_.end()) throw Error(name, path_ + ": must hold a tensor " + name);
    return open(found->second);
  }
  const SafetensorsFile& open(const std::string& file) {
    return opened_.try_emplace(file, file).first->second;
  }

  std::string path_;
  std::map<std::string, std::string> files_of_;
  std::map<std::string, SafetensorsFile> opened_;
};

std::string for_expert(std::string name, Index e) {
  if (const std::size_t at = name.find("{e}"); at != std::string::npos)
    name.replace(at, 3, std::to_string(e));
  return name;
}

/// The matrices of a stored tensor, of which a part is wanted.
struct Layout {
  Index matrices, rows, cols;  // of the part: (rows, cols) each
  Rows which;
  bool transposed, in_turns;

  /// Where element (i, j) of matrix m lies, counted in elements.
  Index place(Index m, Index i, Index j) const {
    const Index all = which == Rows::All ? rows : 2 * rows, first = which == Rows::Up ? 1 : 0;
    if (which != Rows::All) i = in_turns ? 2 * i + first : i + first * rows;
    return m * all * cols + (transposed ? j * all + i : i * cols + j);
  }
};

/// Appends the part of the tensor `name` that is meant; `dims` are those of the part. A vector of each expert counts as columns of 1.
void append(Checkpoint& file, const std::string& name, const NamedPart& part, bool in_turns, const Dims& dims,
            Index most, Array& all) {
  Array one = file.load(name);
  if (dims.size() == 3 && one.dims.size() == 2 &&
      one.dims[0] % dims[0] == 0)  // all experts, one below the other
    one.dims = {dims[0], one.dims[0] / dims[0], one.dims[1]};
  const bool vectors = part.id == Tensor::experts_gate_bias || part.id == Tensor::experts_up_bias;
  Layout to{dims.size() == 3 || vectors ? dims[0] : 1,
            vectors ? dims[1] : dims[dims.size() == 1 ? 0 : dims.size() - 2],
            vectors || dims.size() == 1 ? 1 : dims.back(),
            part.rows,
            false,
            in_turns};
  const Index stored_rows = part.rows == Rows::All ? to.rows : 2 * to.rows;
  const auto shape = [&](Index matrices, bool transposed) {
    Dims d;
    if (dims.size() == 3 || vectors) d.push_back(matrices);
    if (vectors || dims.size() == 1) return d.push_back(stored_rows), d;
    d.push_back(transposed ? to.cols : stored_rows), d.push_back(transposed ? stored_rows : to.cols);
    return d;
  };
  // Experts without weights may have some all the same, which nothing reads.
  const auto fits = [&](bool transposed) {
    return one.dims == shape(to.matrices, transposed) || one.dims == shape(most, transposed) ||
           (dims.size() == 1 && one.dims == Dims{1, dims[0]});
  };
  const std::string where = file.path() + ": " + name + ": ";
  require(fits(false) || (dims.size() == 3 && fits(true)), where + "shape", shape_text(one.dims), "must be ",
          shape_text(shape(to.matrices, false)));
  to.transposed = dims.size() == 3 && fits(true) && (part.in_out || !fits(false));
  if (!all.bytes.empty() && one.format != all.format)
    throw Error(name, where + "dtype = " + info_of(one.format).name + " must be that of the other experts, " +
                          info_of(all.format).name);
  all.format = one.format;
  const auto size = static_cast<std::size_t>(info_of(one.format).bytes);
  const Index run = to.transposed ? 1 : to.cols;  // of neighbours that stay neighbours
  for (Index m = 0; m < to.matrices; ++m)
    for (Index i = 0; i < to.rows; ++i)
      for (Index j = 0; j < to.cols; j += run) {
        const auto* begin = one.bytes.data() + static_cast<std::size_t>(to.place(m, i, j)) * size;
        all.bytes.insert(all.bytes.end(), begin, begin + static_cast<std::size_t>(run) * size);
      }
}

/// Are the fused matrices of the experts of a block (in, out)? gate and up together are square where 2 F = D, down where F = D:
/// one of them says it.
bool lies_in_out(Checkpoint& file, const std::string& experts, const Config& config) {
  const Index D = expert_width(config), F = config.shape.ffn_size;
  const auto is = [&](const char* name, Index rows, Index cols) {
    if (rows == cols || !file.has(experts + name)) return false;
    const Dims& dims = file.dims(experts + name);
    return dims.size() == 3 && dims[1] == rows && dims[2] == cols;
  };
  return is("gate_up_proj", D, 2 * F) || is("down_proj", F, D);
}

Array read(Checkpoint& file, const std::string& name, const NamedPart& part, bool in_turns, const Dims& dims,
           Index most) {
  Array all{Format::F64, dims, {}, {}};
  const bool each = name.find("{e}") != std::string::npos;
  const Dims of_one = each ? Dims(dims.begin() + 1, dims.end()) : dims;
  for (Index e = 0; e < (each ? dims[0] : 1); ++e)
    append(file, for_expert(name, e), part, in_turns, of_one, most, all);
  return all;
}

/// The numbers that a part of ours has in the file, of which `read` gives those that it asks for.
Array read_portion(Checkpoint& file, const std::string& name, const NamedPart& part, bool in_turns, Dims dims,
                   const Config& config) {
  const Index sinks = config.router.sinks, most = config.shape.num_experts - sinks;
  const bool of_experts = info_of(part.id).role == Role::ExpertWeight,
             padded = part.id == Tensor::router_selection_bias;  // no sink needs one
  if (part.portion == Portion::OneForAll) {
    const Array one = read(file, name, part, in_turns, {1}, most);
    const std::vector<double> all(static_cast<std::size_t>(product(dims)), one.real(0));
    return array_of(dims, all.data());
  }
  if (sinks > 0 && (of_experts || padded)) dims[0] = part.portion == Portion::OfSinks ? sinks : most;
  Array a = read(file, name, part, in_turns, dims, config.shape.num_experts);
  if (sinks > 0 && padded) {
    a.dims[0] += sinks;
    a.bytes.resize(a.bytes.size() + static_cast<std::size_t>(sinks * info_of(a.format).bytes));
  }
  if (part.portion != Portion::LessOne) return a;
  std::vector<double> all;
  for (Index i = 0; i < a.size(); ++i) all.push_back(a.real(i) + 1);
  return array_of(dims, all.data());
}

/// Those of the sinks after those of the other experts.
void join(const std::string& path, Array& first, const Array& sinks) {
  if (first.format != sinks.format || first.dims.empty())
    throw Error("experts", path + ": experts and shared experts must both be there, in one dtype");
  first.dims[0] += sinks.dims[0];
  first.bytes.insert(first.bytes.end(), sinks.bytes.begin(), sinks.bytes.end());
}

/// "model.layers.3." as the file has it; the first way to say it where it has none. The layers of a decoder follow those of its
/// encoder.
std::string start_of(const Checkpoint& file, Index layer) {
  Index encoder = 0;
  while (file.has_any("encoder.block." + std::to_string(encoder) + '.')) ++encoder;
  if (encoder > 0 && layer >= encoder) return "decoder.block." + std::to_string(layer - encoder) + '.';
  for (const char* layers : kLayers)
    if (const std::string start = layers + std::to_string(layer) + '.'; file.has_any(start)) return start;
  return kLayers[0] + std::to_string(layer) + '.';
}

}  // namespace

std::vector<std::string> checkpoint_files(const std::string& path) {
  if (!is_index(path)) return {path};
  std::set<std::string> files{path};
  for (const auto& [name, file] : weight_map(path)) files.insert(file);
  return {files.begin(), files.end()};
}

Inputs checkpoint_weights(const std::string& path, const Config& config, Index layer, Fused fused) {
  Checkpoint file(path);
  const std::string start = start_of(file, layer);
  std::map<Tensor, Dims> wanted;
  for (const InputInfo& info : inputs_of(config))
    if (!is_of_batch(info.id)) wanted[info.id] = info.dims;
  Inputs found, of_sinks;
  std::map<Tensor, std::string> names;  // under which a tensor could have been found
  for (const char* block : kBlocks)
    for (const NamedPart& part : kParts) {
      const std::string name = start + block + part.name, first = for_expert(name, 0);
      if (std::string(block) == "mlp.") names[part.id] += (names[part.id].empty() ? "" : " or ") + first;
      if (!file.has(first) || (part.portion == Portion::OfSinks && config.router.sinks == 0)) continue;
      if (wanted.count(part.id) == 0) {
        if (product(file.dims(first)) == 0) continue;          // of an expert of no width
        if (part.id == Tensor::combine_norm_weight) continue;  // of a norm outside of the block
        throw Error(first, path + ": " + first + " is " + name_of(part.id) +
                               ", which is not an input of this config");
      }
      const std::string experts = start + block + "experts.";
      const bool in_turns =
          part.in_turns || (fused == Fused::InTurns && file.has(experts + "gate_up_proj_bias"));
      NamedPart meant = part;
      meant.in_out = part.in_out || lies_in_out(file, experts, config);
      Array& a = (part.portion == Portion::OfSinks ? of_sinks : found)[part.id];
      a = read_portion(file, name, meant, in_turns, wanted[part.id], config);
    }
  for (const auto& [id, a] : of_sinks) join(path, found[id], a);
  for (const char* dense : kDense)  // beside a mixture, a dense block is another part of the layer
    if (found.count(Tensor::router_weight) == 0 && file.has(start + dense))
      throw Error("--layer",
                  path + ": layer " + std::to_string(layer) + " is dense: it has " + start + dense);
  for (const auto& [id, dims] : wanted)
    if (found.count(id) == 0)
      throw Error(name_of(id), path + ": must hold " + name_of(id) + " as " +
                                   (names[id].empty() ? "one of our own names" : names[id]));
  return found;
}

}  // namespace moe
