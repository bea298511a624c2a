#include "moe/budget.h"
#include "moe/file.h"

namespace moe {
namespace {

struct NamedPrecision {
  const char* name = nullptr;
  Precision precision;
};
constexpr std::array<NamedPrecision, 5> kPrecisions{
    {{"f64", kBinary64}, {"f32", kBinary32}, {"tf32", kTf32}, {"bf16", kBfloat16}, {"f16", kBinary16}}};

/// What a framework keeps in its narrow format: activations, rows of experts and the gradients of all these, the
/// gradients of weights; the router's part stays in the format of accumulation.
constexpr std::array kActivations{Tensor::expert_gate,
                                  Tensor::expert_up,
                                  Tensor::expert_hidden,
                                  Tensor::combine_weighted,
                                  Tensor::y,
                                  Tensor::shared_stage_gate,
                                  Tensor::shared_stage_up,
                                  Tensor::shared_stage_hidden,
                                  Tensor::shared_stage_out,
                                  Tensor::grad_x,
                                  Tensor::grad_router_weight,
                                  Tensor::grad_router_noise_weight,
                                  Tensor::grad_expert_gate,
                                  Tensor::grad_expert_up,
                                  Tensor::grad_expert_hidden,
                                  Tensor::grad_expert_out,
                                  Tensor::grad_experts_gate,
                                  Tensor::grad_experts_up,
                                  Tensor::grad_experts_down,
                                  Tensor::grad_experts_gate_bias,
                                  Tensor::grad_experts_up_bias,
                                  Tensor::grad_experts_down_bias,
                                  Tensor::grad_shared_stage_gate,
                                  Tensor::grad_shared_stage_up,
                                  Tensor::grad_shared_stage_hidden,
                                  Tensor::grad_shared_gate,
                                  Tensor::grad_shared_up,
                                  Tensor::grad_shared_down,
                                  Tensor::grad_shared_gate_weight};
constexpr std::array kOfEveryOperator{Tensor::router_logits,       Tensor::router_noise_raw,
                                      Tensor::router_noisy_logits, Tensor::router_scores,
                                      Tensor::router_topk_weights, Tensor::expert_out,
                                      Tensor::grad_router_logits,  Tensor::grad_router_noisy_logits,
                                      Tensor::grad_router_scores,  Tensor::grad_router_topk_weights};

Profile any_order(std::string name, Precision p) {
  Profile profile;
  profile.name = std::move(name);
  profile.inside = profile.result = p;
  return profile;
}

template <std::size_t n>
Profile keeping(Profile profile, const Precision& p, const std::array<Tensor, n>& tensors) {
  for (const Tensor id : tensors) profile.store[static_cast<std::size_t>(id)] = p;
  return profile;
}

Profile bf16_every_op() {
  Profile profile = keeping(any_order("bf16_every_op", kBinary32), kBfloat16, kActivations);
  profile.result = kBfloat16;
  return keeping(std::move(profile), kBfloat16, kOfEveryOperator);
}

Profile tf32_gemm() {
  Profile profile = any_order("tf32_gemm", kBinary32);
  profile.operands = kTf32;
  return profile;
}

const char* name_of(const Precision& p) {
  for (const auto& [name, known] : kPrecisions)
    if (known.bits == p.bits && known.low == p.low) return name;
  return "exact";
}

Precision precision_called(const Json& json, const std::string& where) {
  for (const auto& [name, known] : kPrecisions)
    if (json == name) return known;
  throw Error(where, where + " = " + shown(json) + " must be one of f64, f32, tf32, bf16, f16");
}

Tensor tensor_called(const std::string& name, const std::string& document) {
  for (std::size_t i = 0; i < kTensors.size(); ++i)
    if (name == kTensors[i].name) return static_cast<Tensor>(i);
  throw Error("store", document + ": store." + name + " is not the name of a tensor");
}

}  // namespace

const std::vector<Profile>& profiles() {
  static const std::vector<Profile> all{
      any_order("fp64_any_order", kBinary64),
      any_order("fp32_any_order", kBinary32),
      keeping(any_order("bf16_store_fp32_acc", kBinary32), kBfloat16, kActivations),
      bf16_every_op(),
      keeping(any_order("fp16_store_fp32_acc", kBinary32), kBinary16, kActivations),
      tf32_gemm()};
  return all;
}

const Profile& profile_called(const std::string& name) {
  std::string names;
  for (const Profile& profile : profiles()) {
    if (profile.name == name) return profile;
    names += (names.empty() ? "" : ", ") + profile.name;
  }
  throw Error("--profile", "--profile = " + shown(name) + " must be one of " + names + ", or a JSON file");
}

Profile load_profile(const std::string& name) {
  if (!name.ends_with(".json")) return profile_called(name);
  Profile profile = profile_from_json(parse_json(read_text(name), name), name);
  if (profile.name.empty()) profile.name = name;
  return profile;
}

const Profile& profile_for(Format format) {
  switch (format) {
    case Format::F64:
      return profile_called("fp64_any_order");
    case Format::BF16:
      return profile_called("bf16_store_fp32_acc");
    case Format::F16:
      return profile_called("fp16_store_fp32_acc");
    default:
      return profile_called("fp32_any_order");
  }
}

Precision precision_of(Format format) {
  switch (format) {
    case Format::F64:
      return kBinary64;
    case Format::F32:
      return kBinary32;
    case Format::BF16:
      return kBfloat16;
    case Format::F16:
      return kBinary16;
    default:
      return {};
  }
}

Json profile_to_json(const Profile& profile) {
  Json json{{"name", profile.name},
            {"inside", name_of(profile.inside)},
            {"result", name_of(profile.result)},
            {"flush", profile.flush},
            {"function", {{"ulps", profile.function_ulps}, {"slope", profile.function_slope}}},
            {"store", Json::object()}};
  if (profile.operands.bits > 0) json["operands"] = name_of(profile.operands);
  for (std::size_t i = 0; i < kTensors.size(); ++i)
    if (profile.store[i].bits > 0) json["store"][kTensors[i].name] = name_of(profile.store[i]);
  return json;
}

Profile profile_from_json(const Json& json, const std::string& document) {
  if (!json.is_object()) throw Error("profile", document + ": a profile must be an object");
  Profile profile;
  const auto number = [&](const std::string& key, const Json& value) {
    if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 1e6)
      throw Error(key, document + ": " + key + " = " + shown(value) + " must be a number in [0, 1000000]");
    return value.get<double>();
  };
  for (const auto& [key, value] : json.items()) {
    if (key == "name" && value.is_string()) {
      profile.name = value;
    } else if (key == "inside") {
      profile.inside = precision_called(value, document + ": inside");
    } else if (key == "result") {
      profile.result = precision_called(value, document + ": result");
    } else if (key == "operands") {
      profile.operands = precision_called(value, document + ": operands");
    } else if (key == "flush" && value.is_boolean()) {
      profile.flush = value;
    } else if (key == "function" && value.is_object()) {
      for (const auto& [part, units] : value.items()) {
        if (part != "ulps" && part != "slope")
          throw Error(part, document + ": function." + part + " is not a field of a profile");
        (part == "ulps" ? profile.function_ulps : profile.function_slope) = number("function." + part, units);
      }
    } else if (key == "store" && value.is_object()) {
      for (const auto& [tensor, format] : value.items())
        profile.store[static_cast<std::size_t>(tensor_called(tensor, document))] =
            precision_called(format, document + ": store." + tensor);
    } else {
      throw Error(key, document + ": " + key + " = " + shown(value) +
                           " is not a field of a profile, or of another type");
    }
  }
  if (profile.result.bits > profile.inside.bits)
    throw Error("result", document + ": result = " + name_of(profile.result) +
                              " must not be finer than inside = " + name_of(profile.inside));
  return profile;
}

}  // namespace moe
