#include "names.h"

#include "moe/error.h"
#include "moe/file.h"
#include "moe/json.h"
#include "moe/nearest.h"

namespace moe {
namespace {

constexpr Lies kByShape = Lies::OutInUnlessShaped;

const Json& member(const Json& json, const char* key, Json::value_t type, const char* what,
                   const std::string& where) {
  const Json& value = json[key];
  if (value.type() != type) throw Error(where, where + '.' + key + " = " + shown(value) + " must be " + what);
  return value;
}

/// A name, with {e} in it only where each expert has a tensor of its own.
std::string name_in(const Json& json, Tensor id, const std::string& where) {
  const auto name = json.get<std::string>();
  if (name.empty()) throw Error(where, where + " = \"\" must not be empty");
  const bool of_experts = std::string_view(info_of(id).axes).starts_with("expert");
  if (!of_experts && name.find("{e}") != std::string::npos)
    throw Error(where, where + " = " + shown(name) + " must be without {e}: it is of no single expert");
  return name;
}

/// What a table says of the tensor `id`: a name, or an object with more about it.
NamedPart part_of(Tensor id, const Json& json, const std::string& where) {
  NamedPart part{"", id};
  if (json.is_string()) return part.name = name_in(json, id, where), part;
  if (!json.is_object())
    throw Error(where, where + " = " + shown(json) + " must be a name, or an object with one");
  const std::vector<std::string> keys{"name", "half", "in_turns", "in_out"};
  for (const auto& [key, value] : json.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      throw Error(where,
                  where + '.' + key + " must be name, half, in_turns or in_out" + did_you_mean(key, keys));
  if (!json.contains("name")) throw Error(where, where + " must have a name");
  part.name = name_in(member(json, "name", Json::value_t::string, "a name", where), id, where + ".name");
  const auto flag = [&](const char* key) {
    return json.contains(key) &&
           member(json, key, Json::value_t::boolean, "true or false", where).get<bool>();
  };
  if (json.contains("half")) {
    const auto half =
        member(json, "half", Json::value_t::string, "first or second", where).get<std::string>();
    if (half != "first" && half != "second")
      throw Error(where, where + ".half = " + shown(half) + " must be first or second");
    part.half = half == "first" ? Half::First : Half::Second;
  }
  part.in_turns = flag("in_turns");
  if (part.in_turns && part.half == Half::Both) throw Error(where, where + ".in_turns = true needs a half");
  if (flag("in_out")) part.lies = Lies::InOut;
  return part;
}

std::vector<std::string> names_of_weights() {
  std::vector<std::string> names;
  for (const TensorInfo& info : kTensors)
    if (is_weight(info)) names.emplace_back(info.name);
  return names;
}

}  // namespace

const std::vector<std::string>& known_layers() {
  static const std::vector<std::string> all{"model.layers.",
                                            "model.language_model.layers.",
                                            "language_model.model.layers.",
                                            "thinker.model.layers.",
                                            "model.llm.layers.",
                                            "backbone.layers.",
                                            "transformer.blocks.",
                                            "encoder.block.",
                                            "blocks.",
                                            "layers."};
  return all;
}
const std::vector<std::string>& known_blocks() {
  static const std::vector<std::string> all{
      "block_sparse_moe.", "mlp.", "mlp.text_moe.", "feed_forward.", "mixer.", "ffn.", "moe.", "layer.1.mlp.",
      "layer.2.mlp.",      ""};
  return all;
}
const std::vector<NamedPart>& known_parts() {
  static const std::vector<NamedPart> all{
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
      {"gate.global_scale", Tensor::router_expert_scale, Half::Both, kByShape, Portion::OneForAll},
      {"pre_expert_proj.weight", Tensor::latent_down},
      {"post_expert_proj.weight", Tensor::latent_up},
      {"pre_expert_norm.weight", Tensor::latent_norm_weight, Half::Both, kByShape, Portion::LessOne},
      {"experts.post_expert_norm.weight", Tensor::latent_output_norm_weight, Half::Both, kByShape,
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
      {"experts.gate_up_proj", Tensor::experts_gate, Half::First},
      {"experts.w13_weight", Tensor::experts_gate, Half::First, kByShape, Portion::Whole, true},
      {"shared_experts.shared_w13_weight", Tensor::experts_gate, Half::First, kByShape, Portion::OfSinks,
       true},
      {"experts.mlp.w1", Tensor::experts_gate},
      {"input_linear.weight", Tensor::experts_gate, Half::First},
      {"experts.fc1.weight", Tensor::experts_gate, Half::First, Lies::InOutUnlessShaped},
      {"experts.{e}.w3.weight", Tensor::experts_up},
      {"experts.{e}.up_proj.weight", Tensor::experts_up},
      {"experts.{e}.fc3.weight", Tensor::experts_up},
      {"experts.expert_{e}.wi.weight", Tensor::experts_up},
      {"experts.up_proj", Tensor::experts_up},
      {"experts.gate_up_proj", Tensor::experts_up, Half::Second},
      {"experts.w13_weight", Tensor::experts_up, Half::Second, kByShape, Portion::Whole, true},
      {"shared_experts.shared_w13_weight", Tensor::experts_up, Half::Second, kByShape, Portion::OfSinks,
       true},
      {"experts.mlp.v1", Tensor::experts_up},
      {"input_linear.weight", Tensor::experts_up, Half::Second},
      {"experts.fc1.weight", Tensor::experts_up, Half::Second, Lies::InOutUnlessShaped},
      {"experts.{e}.w2.weight", Tensor::experts_down},
      {"experts.{e}.down_proj.weight", Tensor::experts_down},
      {"experts.{e}.fc2.weight", Tensor::experts_down},
      {"experts.expert_{e}.wo.weight", Tensor::experts_down},
      {"experts.down_proj", Tensor::experts_down},
      {"output_linear.weight", Tensor::experts_down},
      {"experts.fc2.weight", Tensor::experts_down, Half::Both, Lies::InOutUnlessShaped},
      {"experts.mlp.w2", Tensor::experts_down, Half::Both, Lies::InOutUnlessShaped},
      {"experts.w2_weight", Tensor::experts_down},
      {"shared_experts.shared_w2_weight", Tensor::experts_down, Half::Both, kByShape, Portion::OfSinks},
      {"experts.gate_up_proj_bias", Tensor::experts_gate_bias, Half::First},
      {"experts.gate_up_proj_bias", Tensor::experts_up_bias, Half::Second},
      {"experts.down_proj_bias", Tensor::experts_down_bias},
      {"bias", Tensor::combine_bias},
      {"post_mlp_layernorm.weight", Tensor::combine_norm_weight},
      {"shared_experts.gate_proj", Tensor::experts_gate, Half::Both, kByShape, Portion::OfSinks},
      {"shared_experts.up_proj", Tensor::experts_up, Half::Both, kByShape, Portion::OfSinks},
      {"shared_experts.down_proj", Tensor::experts_down, Half::Both, kByShape, Portion::OfSinks},
      {"shared_experts.gate_proj.weight", Tensor::shared_gate},
      {"shared_expert.gate_proj.weight", Tensor::shared_gate},
      {"shared_mlp.gate_proj.weight", Tensor::shared_gate},
      {"shared_experts.linear_gate.weight", Tensor::shared_gate},
      {"shared_experts.w1.weight", Tensor::shared_gate},
      {"shared_experts.gate_up_proj.weight", Tensor::shared_gate, Half::First},
      {"shared_mlp.input_linear.weight", Tensor::shared_gate, Half::First},
      {"shared_experts.up_proj.weight", Tensor::shared_up},
      {"shared_expert.up_proj.weight", Tensor::shared_up},
      {"shared_mlp.up_proj.weight", Tensor::shared_up},
      {"shared_experts.w3.weight", Tensor::shared_up},
      {"shared_experts.gate_up_proj.weight", Tensor::shared_up, Half::Second},
      {"shared_mlp.input_linear.weight", Tensor::shared_up, Half::Second},
      {"shared_experts.down_proj.weight", Tensor::shared_down},
      {"shared_expert.down_proj.weight", Tensor::shared_down},
      {"shared_mlp.down_proj.weight", Tensor::shared_down},
      {"shared_experts.w2.weight", Tensor::shared_down},
      {"shared_mlp.output_linear.weight", Tensor::shared_down},
      {"shared_expert_gate.weight", Tensor::shared_gate_weight},
  };
  return all;
}

std::vector<NamedPart> parts_in(const std::string& table) {
  const Json json = parse_json(read_text(table), table);
  if (!json.is_object())
    throw Error(table, table + " must be an object, from names of tensors to names in a checkpoint");
  std::vector<NamedPart> parts;
  for (const auto& [name, value] : json.items()) {
    const std::optional<Tensor> id = tensor_called(name);
    if (!id || !is_weight(info_of(*id)))
      throw Error(name, table + ": " + shown(name) + " must be the name of a weight" +
                            did_you_mean(name, names_of_weights()));
    parts.push_back(part_of(*id, value, table + ": " + name));
  }
  return parts;
}

}  // namespace moe
