#include <cstdio>

#include "moe/backend.h"
#include "moe/certify.h"
#include "moe/config_json.h"
#include "moe/golden.h"
#include "moe/inputs_digest.h"
#include "moe/parallel.h"
#include "moe/tensor_json.h"
#include "verbs.h"

namespace moe::cli {
namespace {

struct RunOptions {
  LayerOptions layer;
  std::string config, golden_case, backend = "reference", scalar = "double", out;
  bool backward = false, stats = false, json = false;
};

/// What a run leaves behind, and the words for how it was proven.
struct Outcome {
  Arrays arrays;
  std::string proof;
};

Outcome compute(const RunOptions& options, const Config& config, const Inputs& inputs,
                const Progress& progress) {
  if (options.backend != "reference")
    return {evaluate_on(backend_called(options.backend), config, inputs, options.layer.format(),
                        options.backward),
            ""};
  if (options.scalar == "double")
    return {evaluate<double>(config, inputs, nullptr, options.backward, progress, loop_for(config)), ""};
  if (options.scalar == "float")
    return {evaluate<float>(config, inputs, nullptr, options.backward, progress), ""};
  Certified proof = certify(config, inputs, {options.backward, false, 0, progress});
  const Index proven = proof.numbers - static_cast<Index>(proof.refused.size());
  return {std::move(proof.arrays), with_commas(proven) + " of " + with_commas(proof.numbers) +
                                       " real numbers are correctly rounded (" + std::to_string(proof.bits) +
                                       " bits)"};
}

const Array* find(const Arrays& arrays, const std::string& name) {
  for (const auto& [known, a] : arrays)
    if (known == name) return &a;
  return nullptr;
}

std::string numbers_text(const Array& a, Index most) {
  std::string text;
  for (Index i = 0; i < std::min(a.size(), most); ++i)
    text += (i > 0 ? " " : "") + std::to_string(a.integer(i));
  return text + (a.size() > most ? " ..." : "");
}

std::string how_computed(const RunOptions& options) {
  return options.backend + ", " + (options.backend == "reference" ? options.scalar : options.layer.dtype);
}

void print_summary(const NamedConfig& named, const RunOptions& options, const std::string& inputs_text,
                   const Outcome& outcome, double seconds) {
  const Index assigned = named.config.shape.num_tokens * named.config.shape.top_k;
  const Index kept = find(outcome.arrays, "dispatch.order")->size();
  std::printf("%-9s %s   %s, %.2f s\n", printable(named.name).c_str(), letters_text(named.config).c_str(),
              how_computed(options).c_str(), seconds);
  if (named.name.ends_with(".json") && !named.source.empty())
    std::printf("source    %s\n", printable(named.source).c_str());
  std::printf("inputs    %s\n", printable(inputs_text).c_str());
  std::printf("load      %s   (%s assignments, %s dropped)\n",
              numbers_text(*find(outcome.arrays, "dispatch.counts"), 16).c_str(),
              with_commas(assigned).c_str(), with_commas(assigned - kept).c_str());
  std::printf("loss     ");
  for (const auto& [name, a] : outcome.arrays)
    if (name.starts_with("loss."))
      std::printf(" %s %s  ", printable(name.substr(5)).c_str(), real_text(a.real(0)).c_str());
  std::printf("\n");
  if (!outcome.proof.empty()) std::printf("proven    %s\n", outcome.proof.c_str());
}

/// The trace as a document: {id, config, tensors}, the form of a candidate's answer.
Json trace_json(const NamedConfig& named, const Arrays& arrays, const std::string& inputs,
                TensorWriter& write) {
  Json json{{"id", named.name},
            {"config", config_to_json(named.config)},
            {kInputsKey, inputs},
            {"tensors", Json::object()}};
  for (const auto& [name, a] : arrays) json["tensors"][name] = write(name, a);
  return json;
}

/// Returns the path of the sidecar; empty where there is none.
std::string write_trace(const NamedConfig& named, const Arrays& arrays, const std::string& inputs,
                        const std::string& out) {
  if (out.ends_with(".safetensors")) {
    write_safetensors(out, arrays, {{kInputsKey, inputs}});
    return "";
  }
  TensorWriter write(std::filesystem::path(sidecar_path(out)).filename().string());
  const std::string text = print_json(trace_json(named, arrays, inputs, write));
  if (!write.large().empty()) write_safetensors(sidecar_path(out), write.large());
  OutputFile file(out);
  file.write(text);
  file.commit();
  return write.large().empty() ? "" : sidecar_path(out);
}

Json summary_json(const NamedConfig& named, const RunOptions& options, const Outcome& outcome,
                  double seconds) {
  Json json{{"id", named.name},
            {"config", config_to_json(named.config)},
            {"backend", options.backend},
            {options.backend == "reference" ? "scalar" : "dtype",
             options.backend == "reference" ? options.scalar : options.layer.dtype},
            {"seconds", seconds}};
  if (!named.source.empty()) json["source"] = named.source;
  if (!outcome.proof.empty()) json["proof"] = outcome.proof;
  if (!options.out.empty()) json["out"] = options.out;
  for (const auto& [name, a] : outcome.arrays)
    if (name.starts_with("loss.")) json["losses"][name.substr(5)] = a.real(0);
  return json;
}

/// The statistics of logits that the input file holds: nothing is computed but the routing, in double.
int route_logits(const RunOptions& options) {
  const NamedConfig named = options.layer.load(options.config);
  const LayerOptions& layer = options.layer;
  if (options.backward || !options.out.empty() || options.scalar != "double" || !layer.weights.empty() ||
      !layer.names.empty() || !layer.layer.empty() || !layer.tokens.empty() || !layer.seed.empty() ||
      !layer.dtype.empty())
    throw Error("--input",
                "--input = " + shown(layer.input) +
                    " holds router.logits and no x: beside it only --set, --stats and --json have a meaning");
  const RoutingStats stats = stats_of_logits(named.config, layer.input);
  if (options.json)
    std::fputs(
        print_json(
            {{"id", named.name}, {"config", config_to_json(named.config)}, {"stats", stats_json(stats)}})
            .c_str(),
        stdout);
  else
    print_stats(stats);
  return 0;
}

/// The layer and the numbers that the options name: those of a golden case, or of a config.
struct AskedLayer {
  NamedConfig named;
  Inputs inputs;
  std::string inputs_text;
};
AskedLayer layer_of(const RunOptions& options) {
  if (options.golden_case.empty()) {
    if (options.config.empty()) throw Error("CONFIG", "run needs a CONFIG, or --case ID");
    NamedConfig named = options.layer.load(options.config);
    require_memory(named.config, options.scalar == "ball" ? 48 : 8, options.backward);
    Inputs inputs = options.layer.inputs(named);
    return {std::move(named), std::move(inputs), options.layer.inputs_text()};
  }
  LayerOptions changes = options.layer;
  changes.dtype.clear();  // what a backend stores numbers as changes none of them
  if (!options.config.empty() || changes.given())
    throw Error("--case",
                "--case = " + shown(options.golden_case) +
                    " is a whole layer: beside it neither CONFIG nor what changes one has a meaning");
  CheckCase c = case_of(options.golden_case);
  if (c.golden.invalid)
    throw Error("--case", "--case = " + shown(options.golden_case) + " must not be an invalid one");
  require_memory(c.config, options.scalar == "ball" ? 48 : 8, options.backward);
  return {{c.golden.id, c.config, c.golden.source}, std::move(c.golden.inputs), "of " + c.golden.id};
}

/// Before any work: --json without --out prints a trace, which cannot hold a large tensor.
void require_printable(const Config& config, bool backward) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index rows = !has_capacity(config) ? T * K : 0;
  const Index largest = std::max({T * D, T * E, rows * std::max(D, F), backward ? E * D * F : 0});
  if (largest > 65536)
    throw Error("--out", "--out must name a file for a tensor of " + with_commas(largest) +
                             " elements: more than 65,536");
}

int act_on(RunOptions options) {
  options.layer.open_folders(options.config);
  const Backend& backend = backend_called(options.backend);
  if (options.backend != "reference")
    options.layer.dtype = info_of(options.layer.dtype.empty() ? backend.dtype : options.layer.format()).name;
  if (options.backend != "reference" && options.scalar != "double")
    throw Error("--scalar", "--scalar has no meaning with --backend " + options.backend);
  if (options.scalar != "float" && options.scalar != "double" && options.scalar != "ball")
    throw Error("--scalar", "--scalar = " + shown(options.scalar) + " must be one of float, double, ball");
  if (!options.out.empty()) {
    const bool known = options.out.ends_with(".json") || options.out.ends_with(".safetensors");
    const bool special =
        std::filesystem::exists(options.out) && !std::filesystem::is_regular_file(options.out);
    if (!known && !special)
      throw Error("--out", "--out = " + shown(options.out) + " must end in .json or .safetensors");
    require_not_an_input(options.out, options.layer, options.config);
  }
  if (options.stats && holds_logits(options.layer.input)) return route_logits(options);
  const auto [named, inputs, inputs_text] = layer_of(options);
  if (options.stats && !has_router(named.config))
    throw Error("--stats", "--stats has no meaning without a router (router.score_function = none)");
  if (options.json && options.out.empty()) require_printable(named.config, options.backward);

  const auto start = std::chrono::steady_clock::now();
  Outcome outcome;
  {
    ProgressBar bar;
    outcome = compute(options, named.config, inputs, [&](double share) { bar(share); });
  }
  const double seconds = seconds_since(start);
  const std::string digest = inputs_digest(inputs);
  const std::string sidecar =
      options.out.empty() ? "" : write_trace(named, outcome.arrays, digest, options.out);
  if (options.json) {
    Json json = summary_json(named, options, outcome, seconds);
    json[kInputsKey] = digest;
    if (options.stats) json["stats"] = stats_json(routing_stats(outcome.arrays));
    TensorWriter write("");
    if (options.out.empty()) json["tensors"] = trace_json(named, outcome.arrays, digest, write)["tensors"];
    if (!write.large().empty())
      throw Error("--out", "--out must name a file for " + write.large().front().first +
                               ": more than 65,536 elements");
    std::fputs(print_json(json).c_str(), stdout);
    return 0;
  }
  print_summary(named, options, inputs_text, outcome, seconds);
  if (options.stats) print_stats(routing_stats(outcome.arrays));
  if (!options.out.empty())
    std::printf("wrote     %s%s, %zu tensors\n", printable(options.out).c_str(),
                sidecar.empty() ? "" : (" and " + printable(sidecar)).c_str(), outcome.arrays.size());
  return 0;
}

}  // namespace

void add_run(CLI::App& app, Act& act) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* verb = app.add_subcommand("run", "evaluate one layer, and write its trace");
  verb->footer("Example: moe-oracle run mixtral --tokens 4 --set shape.top_k=1 --backward --out trace.json");
  verb->add_option("CONFIG", options->config,
                   "a preset, one of our config files, a Hugging Face config.json, or its folder");
  verb->add_option("--case", options->golden_case, "a golden case: its config and its inputs")
      ->type_name("ID")
      ->check(kNotEmpty);
  options->layer.add_to(*verb);
  verb->add_flag("--backward", options->backward, "also compute every gradient");
  verb->add_flag(
      "--stats", options->stats,
      "also say how evenly the experts are used; the file of --input may hold router.logits alone");
  verb->add_option("--backend", options->backend, "reference, cpu or cuda")->type_name("NAME");
  verb->add_option("--scalar", options->scalar, "of the reference: float, double, or ball (proven)")
      ->type_name("S");
  verb->add_option("--out", options->out, "write the trace here: .json or .safetensors")
      ->type_name("FILE")
      ->check(kNotEmpty);
  verb->add_flag("--json", options->json, "print JSON; without --out, the trace itself");
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
