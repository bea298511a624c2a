#include <filesystem>

#include "fp8.h"
#include "moe/file.h"
#include "moe/huggingface.h"
#include "moe/safetensors.h"
#include "moe/validate.h"
#include "mxfp4.h"
#include "names.h"
#include "weight_map.h"

namespace moe {
namespace {

/// What a layer has in place of a mixture, which the config need not say: some models begin or alternate with such layers.
constexpr const char* kDense[] = {"mlp.gate_proj.weight", "feed_forward.gate_proj.weight"};

bool is_index(const std::string& path) { return path.ends_with(".json"); }

constexpr const char *kMxfp4Blocks = "_blocks", *kMxfp4Scales = "_scales";  // after the name of a tensor

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
  bool has(const std::string& name) const { return is_stored(name) || is_mxfp4(name); }
  /// Is there a tensor whose name begins so?
  bool has_any(const std::string& start) const {
    const auto found = files_of_.lower_bound(start);
    return found != files_of_.end() && found->first.starts_with(start);
  }
  Array load(const std::string& name) {
    if (is_mxfp4(name)) {
      const std::string blocks = name + kMxfp4Blocks, scales = name + kMxfp4Scales;
      return load_mxfp4(holder_of(blocks), blocks, holder_of(scales), scales);
    }
    const SafetensorsFile& file = holder_of(name);
    if (!is_fp8(file, name)) return file.load(name);
    for (const char* scale : {"_scale_inv", "_scale"})
      if (has(name + scale)) return load_fp8(file, name, holder_of(name + scale), name + scale);
    throw Error(name, path_ + ": " + name + " is kept in 8 bits, and must have its scales beside it, " +
                          name + "_scale_inv or " + name + "_scale");
  }
  Dims dims(const std::string& name) {
    return is_mxfp4(name) ? mxfp4_dims(holder_of(name + kMxfp4Blocks), name + kMxfp4Blocks)
                          : holder_of(name).dims(name);
  }

 private:
  bool is_stored(const std::string& name) const { return files_of_.count(name) > 0; }
  bool is_mxfp4(const std::string& name) const {
    return !is_stored(name) && is_stored(name + kMxfp4Blocks) && is_stored(name + kMxfp4Scales);
  }
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

std::string filled(std::string name, const char* place, Index number) {
  if (const std::size_t at = name.find(place); at != std::string::npos)
    name.replace(at, std::string_view(place).size(), std::to_string(number));
  return name;
}
std::string for_expert(std::string name, Index e) { return filled(std::move(name), "{e}", e); }

/// The matrices of a stored tensor, of which a part is wanted.
struct Layout {
  Index matrices, rows, cols;  // of the part: (rows, cols) each
  Half which;
  bool transposed, in_turns;

  /// Where element (i, j) of matrix m lies, counted in elements.
  Index place(Index m, Index i, Index j) const {
    const Index all = which == Half::Both ? rows : 2 * rows, first = which == Half::Second ? 1 : 0;
    if (which != Half::Both) i = in_turns ? 2 * i + first : i + first * rows;
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
  const bool vectors =
      dims.size() == 2 && (part.id == Tensor::experts_gate_bias || part.id == Tensor::experts_up_bias);
  Layout to{dims.size() == 3 || vectors ? dims[0] : 1,
            vectors ? dims[1] : dims[dims.size() == 1 ? 0 : dims.size() - 2],
            vectors || dims.size() == 1 ? 1 : dims.back(),
            part.half,
            false,
            in_turns};
  const Index stored_rows = part.half == Half::Both ? to.rows : 2 * to.rows;
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
  const bool said = part.lies == Lies::InOut && dims.size() > 1 && !vectors;
  const bool as_ours = fits(false) && !said, turned = fits(true) && (said || dims.size() == 3);
  require(as_ours || turned, where + "shape", shape_text(one.dims), "must be ",
          shape_text(shape(to.matrices, said)));
  to.transposed = turned && (part.lies != Lies::OutInUnlessShaped || !as_ours);
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
    const Dims dims = file.dims(experts + name);
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
  for (const std::string& layers : known_layers())
    if (const std::string start = layers + std::to_string(layer) + '.'; file.has_any(start)) return start;
  return known_layers().front() + std::to_string(layer) + '.';
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
  for (const std::string& block : known_blocks())
    for (const NamedPart& part : known_parts()) {
      const std::string name = start + block + part.name, first = for_expert(name, 0);
      if (block == "mlp.") names[part.id] += (names[part.id].empty() ? "" : " or ") + first;
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
      if (lies_in_out(file, experts, config)) meant.lies = Lies::InOutUnlessShaped;
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

Inputs named_weights(const std::string& path, const std::string& table, const Config& config,
                     std::optional<Index> layer) {
  Checkpoint file(path);
  Inputs found;
  const std::vector<NamedPart> parts = parts_in(table);
  for (const InputInfo& info : inputs_of(config)) {
    if (is_of_batch(info.id)) continue;
    const std::string ours = name_of(info.id);
    const auto part =
        std::find_if(parts.begin(), parts.end(), [&](const NamedPart& p) { return p.id == info.id; });
    if (part == parts.end()) throw Error(ours, table + ": must say what " + ours + " is called");
    const bool numbered = part->name.find("{l}") != std::string::npos;
    if (numbered && !layer)
      throw Error("--layer", "--layer must be given where " + table + " has names with {l}");
    const std::string name = numbered ? filled(part->name, "{l}", *layer) : part->name;
    found[info.id] = read(file, name, *part, part->in_turns, info.dims, config.shape.num_experts);
  }
  for (const NamedPart& part : parts)
    if (found.count(part.id) == 0)
      throw Error(name_of(part.id), table + ": " + name_of(part.id) + " is not an input of this config");
  return found;
}

}  // namespace moe
