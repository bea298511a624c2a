#include "quantization.h"

#include <algorithm>
#include <cctype>

namespace moe {
namespace {

using Set = std::array<bool, kComponents>;

void add(Set& set, std::initializer_list<Component> components) {
  for (const Component c : components) set[static_cast<std::size_t>(c)] = true;
}

/// Bits of a weight whose group of so many has a scale and what else of so many bits; one group: too few to count.
double with_scales(double bits, std::int64_t group, double more) {
  return group > 0 ? bits + more / static_cast<double>(group) : bits;
}

WeightFormat fp8(Keys& keys) {
  const double scale = keys.is("scale_fmt", "ue8m0") ? 8 : 32;
  if (!keys.has("weight_block_size")) return {"fp8", 8, true};
  const Json& block = keys.list("weight_block_size", 2);
  std::int64_t weights = 1;
  for (const Json& side : block) {
    if (!side.is_number_integer() || side < 1 || side > 1 << 20)
      keys.refuse("weight_block_size", "must hold whole numbers in [1, 1048576]");
    weights *= side.get<std::int64_t>();
  }
  return {"fp8", with_scales(8, weights, scale), true};
}

/// A scale in fp16 and a zero of as many bits as a weight for each group.
WeightFormat groups_of_integers(Keys& keys, std::string_view name) {
  const std::int64_t bits = keys.whole({"bits", "w_bit"}),
                     group = keys.whole_or({"group_size", "q_group_size"}, 128, -1);
  if (bits > 16) keys.refuse(keys.which({"bits", "w_bit"}), "must lie in [1, 16]");
  return {name, with_scales(static_cast<double>(bits), group, 16.0 + static_cast<double>(bits)), true};
}

/// NormalFloat of 64 weights a scale, whose fp32 may be quantized to 8 bits once more.
WeightFormat bitsandbytes(Keys& keys) {
  if (!keys.truth_or({"load_in_4bit", "_load_in_4bit"}, false)) return {"int8", 8, true};
  const bool twice = keys.truth_or({"bnb_4bit_use_double_quant"}, false);
  return {"nf4", 4 + (twice ? 8 + 32.0 / 256 : 32) / 64, true};
}

WeightFormat compressed_tensors(Keys& keys) {
  const Json& groups = keys.at("config_groups");
  if (!groups.is_object() || groups.empty() || !groups.begin()->is_object() ||
      !groups.begin()->contains("weights"))
    keys.refuse("config_groups", "must hold a group with weights");
  Keys weights((*groups.begin())["weights"], keys.file() + ": config_groups");
  const std::int64_t bits = weights.whole({"num_bits"}), group = weights.whole_or({"group_size"}, 0, -1);
  const bool nvfp4 = keys.is("format", "nvfp4-pack-quantized"), floats = weights.is("type", "float");
  if (bits > 16) weights.refuse("num_bits", "must lie in [1, 16]");
  return {nvfp4       ? "nvfp4"
          : floats    ? (bits == 8 ? "fp8" : "fp4")
          : bits == 4 ? "int4"
                      : "int8",
          with_scales(static_cast<double>(bits), group, nvfp4 ? 8 : 16), true};
}

/// What a name of a module, or a pattern of names, keeps out of quantization. A name of one layer stands for all of them: lists that
/// name each are taken at their word, but are no longer exact.
void leave_out(const std::string& module, StoredWeights& stored) {
  const auto has = [&](const char* part) { return module.find(part) != std::string::npos; };
  const auto out = [&](Component c) {
    stored.quantized[static_cast<std::size_t>(c)] = false;
    if (c != Component::Head &&
        std::any_of(module.begin(), module.end(), [](unsigned char x) { return std::isdigit(x) != 0; }))
      stored.format.exact = false;
  };
  if (has("lm_head")) out(Component::Head);
  if (has("attn") || has("attention")) out(Component::Attention);
  if (has("shared_expert"))
    out(Component::Shared);
  else if (has("experts"))
    out(Component::Routed);
}

}  // namespace

StoredWeights stored_weights(const Json& quantization, const std::string& file) {
  Keys keys(quantization, file + ": quantization_config");
  const std::string method = keys.text_or("quant_method", "");
  StoredWeights stored;
  add(stored.quantized, {Component::Attention, Component::Dense, Component::Shared, Component::Routed});
  if (method == "fp8" || method == "fbgemm_fp8" || method == "finegrained_fp8") {
    stored.format = fp8(keys);
  } else if (method == "mxfp4") {
    stored.format = {"mxfp4", 4.25, true};
    stored.quantized = {};
    add(stored.quantized, {Component::Routed});
  } else if (method == "awq" || method == "gptq") {
    stored.format = groups_of_integers(keys, method == "awq" ? "awq" : "gptq");
  } else if (method == "bitsandbytes") {
    stored.format = bitsandbytes(keys);
  } else if (method == "compressed-tensors") {
    stored.format = compressed_tensors(keys);
    add(stored.quantized, {Component::Head});
  } else if (method == "modelopt" && keys.is("quant_algo", "NVFP4")) {
    stored.format = {"nvfp4", 4.5, true};
  } else if (method == "modelopt" && keys.is("quant_algo", "FP8")) {
    stored.format = {"fp8", 8, true};
  } else {
    keys.refuse("quant_method",
                "must be one of fp8, fbgemm_fp8, finegrained_fp8, mxfp4, awq, gptq, bitsandbytes, "
                "compressed-tensors and modelopt (of NVFP4 or FP8)");
  }
  for (const char* name :
       {"modules_to_not_convert", "ignore", "ignored_layers", "llm_int8_skip_modules", "exclude_modules"}) {
    if (!keys.is_list(name)) continue;
    for (const Json& module : keys.list(name))
      if (module.is_string()) leave_out(module.get<std::string>(), stored);
  }
  return stored;
}

}  // namespace moe
