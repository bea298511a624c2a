#include <unistd.h>

#include <charconv>
#include <cstdio>

#include "moe/golden.h"
#include "moe/huggingface.h"
#include "verbs.h"

namespace moe::cli {

const CLI::Validator kNotEmpty(
    [](const std::string& value) { return std::string(value.empty() ? "must not be empty" : ""); }, "");

void LayerOptions::add_to(CLI::App& verb) {
  verb.add_option("--set", sets, "set a field of the config, as in shape.top_k=4 or capacity.factor=1.25")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  verb.add_option("--tokens", tokens, "number of tokens T; without it, those of --input")->type_name("T");
  verb.add_option("--seed", seed, "seed of the inputs that no file gives, decimal or 0x hexadecimal")
      ->type_name("N");
  verb.add_option("--input", input,
                  "safetensors with x, (T, D) or (B, S, D) for B sequences, and, optionally, dy")
      ->type_name("FILE");
  verb.add_option("--weights", weights, "safetensors with the weights, or a folder that has them")
      ->type_name("FILE");
  verb.add_option("--names", names, "JSON that says what the weights are called in --weights")
      ->type_name("FILE");
  verb.add_option(
          "--layer", layer,
          "the weights are layer I of a Hugging Face checkpoint, of the index.json of its shards, or of the "
          "folder that is CONFIG")
      ->type_name("I");
  verb.add_option("--dtype", dtype, "round inputs and weights to f64, f32, bf16 or f16 first")
      ->type_name("DTYPE");
  for (const char* name : {"--tokens", "--seed", "--input", "--weights", "--names", "--layer", "--dtype"})
    verb.get_option(name)->check(kNotEmpty);
}

bool LayerOptions::given() const {
  return !sets.empty() || !(dtype.empty() && tokens.empty() && seed.empty() && input.empty() &&
                            weights.empty() && names.empty() && layer.empty());
}

void LayerOptions::open_folders(std::string& config) {
  const std::string folder = config;
  config = config_in(config);
  if (weights.empty() && !layer.empty() && config != folder) weights = folder;
  weights = checkpoint_in(weights);
}

NamedConfig LayerOptions::load(const std::string& config) const {
  const auto is_set = [&](const std::string& field) {
    return std::any_of(sets.begin(), sets.end(),
                       [&](const std::string& set) { return set.starts_with(field + '='); });
  };
  std::vector<std::string> all = sets;
  std::optional<Index> count;
  if (!tokens.empty()) {
    count = parse_index("--tokens", tokens, 0, INT32_MAX);
  } else if (!input.empty() && !is_set("shape.num_tokens")) {
    const Dims x = shape_of_x(input).value_or(Dims{});
    if (x.size() == 3 && !is_set("shape.num_groups"))  // each sequence is a group
      all.push_back("shape.num_groups=" + std::to_string(std::max<Index>(x[0], 1)));
    if (x.size() == 2 || x.size() == 3) count = product(Dims(x.begin(), x.end() - 1));
  }
  return load_config(config, all, count);
}

Format LayerOptions::format() const { return dtype.empty() ? Format::F64 : real_format("--dtype", dtype); }

Inputs LayerOptions::inputs(const NamedConfig& named) const {
  InputSources sources{input, weights, {}, kDefaultSeed, Format::F64, {}};
  if (!layer.empty()) sources.layer = parse_index("--layer", layer, 0, INT32_MAX);
  if (!names.empty() && weights.empty())
    throw Error("--names", "--names = " + shown(names) + " needs --weights");
  if (!sources.layer && names.empty() && weights.ends_with(".json"))
    throw Error("--layer",
                "--layer must be given where --weights = " + shown(weights) + " is an index of shards");
  if (sources.layer && weights.empty()) throw Error("--layer", "--layer = " + layer + " needs --weights");
  if (!seed.empty()) sources.seed = parse_seed("--seed", seed);
  sources.format = format(), sources.fused = named.fused, sources.names = names;
  Inputs all = load_inputs(named.config, sources);
  for (auto& [id, a] : all)
    if (a.size() < (Index{1} << 26))
      a = materialized(std::move(a));  // larger ones are made row by row, each time
  return all;
}

std::string LayerOptions::inputs_text() const {
  const std::string seeded = "seed " + (seed.empty() ? "0x7000007e8" : seed);
  return "x from " + (input.empty() ? seeded : input) + ", weights from " +
         (weights.empty() ? seeded : weights);
}

void require_not_an_input(const std::string& out, const LayerOptions& layer, const std::string& config) {
  const auto same = [](const std::string& a, const std::string& b) {
    std::error_code failed;
    return std::filesystem::is_regular_file(a, failed) && std::filesystem::equivalent(a, b, failed);
  };
  std::vector<std::string> inputs = checkpoint_files(layer.weights);
  inputs.insert(inputs.end(), {layer.input, layer.names, config});
  for (const std::string& input : inputs)
    for (const std::string& written : {out, sidecar_path(out)})
      if (same(input, written))
        throw Error("--out", "--out = " + shown(out) + " must not replace the input " + input);
}

void require_memory(const Config& config, double per_number, bool backward) {
  const auto d = [](Index n) { return static_cast<double>(n); };
  const auto [T, D, F, E, K] = Letters(config);
  const double W = d(expert_width(config)), L = d(config.experts.latent_size);
  const double N = d(T) * d(K), stages = N * (3 * d(F) + 4 * W) + d(T) * (3 * d(D) + 3 * d(E) + 3 * L);
  const double one_expert = 3 * W * d(F), weights = 8 * (d(E) * one_expert + 2 * L * d(D));
  const double bytes =
      stages * (per_number + 8) * (backward ? 2 : 1) + (backward ? one_expert * per_number + weights : 0);
  const double memory = d(sysconf(_SC_PHYS_PAGES)) * d(sysconf(_SC_PAGESIZE));
  if (bytes < memory) return;
  std::ostringstream message;
  message.precision(3);
  message << "this layer needs about " << bytes / 0x1p30 << " GiB, and this machine has " << memory / 0x1p30;
  throw CannotRun(message.str());
}

ProgressBar::~ProgressBar() {
  if (shown_ >= 0) std::fprintf(stderr, "\r%50s\r", "");
}

void ProgressBar::operator()(double share) {
  const int percent = static_cast<int>(100 * share);
  if (percent == shown_ || seconds_since(start_) < 1 || isatty(STDERR_FILENO) == 0) return;
  shown_ = percent;
  std::fprintf(stderr, "\r[%-40.*s] %3d %%", percent * 2 / 5, "########################################",
               percent);
  std::fflush(stderr);
}

std::string with_commas(Index n) {
  std::string digits = std::to_string(n);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string real_text(double x) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, std::isnan(x) ? std::abs(x) : x).ptr};
}

std::string short_text(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4g", x);
  return text;
}

std::string letters_text(const Config& config) {
  const auto [T, D, F, E, K] = Letters(config);
  std::ostringstream text;
  text << "T " << T << "  D " << D << "  F " << F << "  E " << E << "  K " << K;
  return text.str();
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace moe::cli
