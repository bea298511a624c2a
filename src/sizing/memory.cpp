#include <algorithm>

#include "blocks.h"

namespace moe {
namespace {

// Bits a weight with the scales of its blocks: fp8 has an fp32 scale for 128 x 128 weights, mxfp4 an 8-bit one for 32 and
// nvfp4 one for 16, q8_0 and q4_0 an fp16 one for 32. q4_k_m mixes 4, 5 and 6 bits; 4.8 is typical.
constexpr WeightFormat kWeightFormats[] = {
    {"fp32", 32, true},  {"bf16", 16, true},     {"fp16", 16, true},   {"fp8", 8 + 32.0 / (128 * 128), true},
    {"int8", 8, true},   {"mxfp4", 4.25, true},  {"nvfp4", 4.5, true}, {"q8_0", 8.5, true},
    {"q4_0", 4.5, true}, {"q4_k_m", 4.8, false},
};

template <typename Of>
std::int64_t sum_of_caches(const Model& model, Of of) {
  validate(model);
  Whole sum = 0;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    if (layer.mixer < 0 || static_cast<std::int64_t>(i) < model.encoder_layers) continue;
    const CacheCount cache = cache_of(model.mixers[static_cast<std::size_t>(layer.mixer)], model.hidden_size);
    sum += of(cache) * (layer.cross ? 2 : 1);
  }
  return sum.value();
}

}  // namespace

const WeightFormat& weight_format(const std::string& name) {
  std::string known;
  for (const WeightFormat& format : kWeightFormats) {
    if (name == format.name) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.name);
  }
  throw Error("dtype", "dtype = \"" + name + "\" must be one of " + known);
}

double bytes_of(std::int64_t numbers, const WeightFormat& format) {
  return static_cast<double>(numbers) * format.bits / 8;
}

std::int64_t training_bytes_per_param(const std::string& optimizer) {
  if (optimizer == "adamw16") return 16;
  if (optimizer == "megatron18") return 18;
  throw Error("optimizer", "optimizer = \"" + optimizer + "\" must be one of adamw16, megatron18");
}

std::int64_t kv_numbers_per_token(const Model& model) {
  return sum_of_caches(model, [](const CacheCount& cache) { return cache.per_token; });
}

std::int64_t kv_numbers_in_windows(const Model& model, std::int64_t context) {
  validate(model);
  Whole sum = 0;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    if (layer.mixer < 0 || static_cast<std::int64_t>(i) < model.encoder_layers) continue;
    const Mixer& mixer = model.mixers[static_cast<std::size_t>(layer.mixer)];
    const std::int64_t window = window_of(mixer), tokens = window > 0 ? std::min(window, context) : context;
    sum += cache_of(mixer, model.hidden_size).per_token * (layer.cross ? 2 : 1) * tokens;
  }
  return sum.value();
}

std::int64_t index_numbers_per_token(const Model& model) {
  return sum_of_caches(model, [](const CacheCount& cache) { return cache.index_per_token; });
}

std::int64_t state_numbers(const Model& model) {
  return sum_of_caches(model, [](const CacheCount& cache) { return cache.state; });
}

}  // namespace moe
