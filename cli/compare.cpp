#include "compare_run.h"
#include "moe/roofline.h"
#include "moe/twins.h"

namespace moe::cli {
namespace {

struct CompareOptions {
  std::vector<std::string> models;
  bool strict = false, run = false;
  std::string context = "4096", tokens = "128";
  Output output;
};

constexpr const char* kTwin = "dense twin";

struct Column {
  std::string name;
  Model model;
  ModelCount counted;
};

/// The models, and behind the first with experts its dense twin.
std::vector<Column> columns_of(const CompareOptions& options) {
  std::vector<Column> columns;
  bool twin_is_there = false;
  for (const std::string& name : options.models) {
    ModelOptions one;
    one.model = name, one.strict = options.strict;
    const NamedModel named = one.load();
    columns.push_back({name, named.model, count(named.model)});
    if (twin_is_there || columns.back().counted.moe_layers == 0) continue;
    const Model dense = twin_of(named.model, Match::Flops, {}).model;
    columns.push_back({kTwin, dense, count(dense)});
    twin_is_there = true;
  }
  return columns;
}

Table side_by_side(const std::vector<Column>& columns, std::int64_t context) {
  std::vector<std::string> heads{"quantity"};
  for (const Column& c : columns) heads.push_back(c.name);
  heads.emplace_back("kind");
  Table table(heads);
  const auto row = [&](const std::string& name, Kind k, const auto& cell_of) {
    std::vector<Cell> cells{words(name)};
    for (const Column& c : columns) cells.push_back(cell_of(c));
    cells.push_back(kind(k));
    table.add(cells);
  };
  const auto amount = [](std::int64_t n, const std::string& unit = "") {
    return Cell{scaled(static_cast<double>(n), unit).text, n};
  };
  const auto mixture = [](const Column& c) { return c.counted.moe_layers > 0 ? &*c.model.moe : nullptr; };
  row("layers", Kind::Exact,
      [&](const Column& c) { return whole(static_cast<std::int64_t>(c.model.layers.size())); });
  row("width D", Kind::Exact, [&](const Column& c) { return whole(c.model.hidden_size); });
  row("experts E", Kind::Exact,
      [&](const Column& c) { return mixture(c) ? whole(mixture(c)->num_experts) : none(); });
  row("a token K", Kind::Exact,
      [&](const Column& c) { return mixture(c) ? whole(mixture(c)->top_k) : none(); });
  row("expert width F", Kind::Exact,
      [&](const Column& c) { return mixture(c) ? whole(mixture(c)->ffn_size) : whole(c.model.dense_size); });
  row("total", Kind::Exact, [&](const Column& c) { return amount(c.counted.total); });
  row("active full", Kind::Exact, [&](const Column& c) { return amount(c.counted.active.full); });
  row("active no_embed", Kind::Exact, [&](const Column& c) { return amount(c.counted.active.no_embed); });
  row("no_embed_head", Kind::Exact, [&](const Column& c) { return amount(c.counted.active.no_embed_head); });
  row("FLOPs forward", Kind::Exact,
      [&](const Column& c) { return amount(flops(c.model, context).forward_total, "FLOP"); });
  row("FLOPs training", Kind::Exact,
      [&](const Column& c) { return amount(flops(c.model, context).training, "FLOP"); });
  row("weights bf16", Kind::Exact, [&](const Column& c) { return amount(2 * c.counted.total, "B"); });
  row("cache a token", Kind::Exact,
      [&](const Column& c) { return amount(2 * kv_numbers_per_token(c.model), "B"); });
  row("h100 batch 1", Kind::Model, [&](const Column& c) {
    return real(decode_bound(c.model, machine_called("h100"), {.context = context}).tokens_per_second);
  });
  row("h100 batch 256", Kind::Model, [&](const Column& c) {
    return real(
        decode_bound(c.model, machine_called("h100"), {.batch = 256, .context = context}).tokens_per_second);
  });
  return table;
}

Json run_json(const LayerRun& r) {
  return {{"layer", r.name},
          {"shape", letters_text(r.config)},
          {"by formula", r.formula},
          {"counted", r.counted},
          {"seconds", r.seconds}};
}

Table measured_table(const std::vector<LayerRun>& runs) {
  std::vector<std::string> heads{"one layer, run here"};
  for (const LayerRun& r : runs) heads.push_back(r.name);
  heads.emplace_back("kind");
  Table table(heads);
  const auto row = [&](const std::string& name, Kind k, const auto& cell_of) {
    std::vector<Cell> cells{words(name)};
    for (const LayerRun& r : runs) cells.push_back(cell_of(r));
    cells.push_back(kind(k));
    table.add(cells);
  };
  row("tokens T", Kind::Exact, [](const LayerRun& r) { return whole(r.config.shape.num_tokens); });
  row("width D", Kind::Exact, [](const LayerRun& r) { return whole(r.config.shape.hidden_size); });
  row("expert width F", Kind::Exact, [](const LayerRun& r) { return whole(r.config.shape.ffn_size); });
  row("multiply-adds, by formula", Kind::Exact, [](const LayerRun& r) { return whole(r.formula); });
  row("multiply-adds, counted", Kind::Exact, [](const LayerRun& r) { return whole(r.counted); });
  row("seconds", Kind::Measured, [](const LayerRun& r) { return real(r.seconds, 3); });
  row("FLOP/s", Kind::Measured,
      [](const LayerRun& r) { return scaled(2 * static_cast<double>(r.formula) / r.seconds, "FLOP/s"); });
  return table;
}

Plot compare_plot(const std::vector<Column>& columns) {
  Panel panel;
  panel.x = {"active parameters (full)", true}, panel.y = {"all parameters", true};
  Curve others{"published models", {}, {}, Mark::Dots, 8};
  for (const Published& p : published_models()) {
    const ModelCount c = count(p.model);
    others.x.push_back(static_cast<double>(c.active.full)), others.y.push_back(static_cast<double>(c.total));
  }
  Curve equal{"dense: all are active", {1e7, 1e12}, {1e7, 1e12}, Mark::Dashes, 6};
  panel.curves = {others, equal};
  for (const Column& c : columns) {
    const auto all = static_cast<double>(c.counted.total),
               active = static_cast<double>(c.counted.active.full);
    panel.curves.push_back({"", {active}, {all}, Mark::Dots, c.name == kTwin ? 2 : 1});
    panel.labels.push_back({active, all, c.name});
  }
  return {"All parameters against active ones", {panel}, {}, {}};
}

int act_on(const CompareOptions& options) {
  const std::int64_t context = parse_index("--ctx", options.context, 0, Index{1} << 40);
  const Index T = parse_index("--tokens", options.tokens, 1, 1 << 20);
  const std::vector<Column> columns = columns_of(options);
  const Table table = side_by_side(columns, context);
  Json document{{"context", context}, {"models", Json::array()}, {"quantities", table.json()}};
  for (const Column& c : columns) {
    NamedModel named{c.model, nullptr, {}};
    named.model.name = c.name;
    document["models"].push_back(model_json(named, c.counted));
  }
  std::string text =
      table.text() + '\n' +
      wrapped(
          "FLOPs of a token at a context of " + with_commas(context) +
          ", causal; the dense twin has the FLOPs of the first; h100: tokens/s that memory and arithmetic "
          "allow when decoding in bf16.");
  if (options.run) {
    const std::vector<LayerRun> runs = run_layer_and_twin(columns.front().model, T);
    document["run"] = Json::array();
    for (const LayerRun& r : runs) document["run"].push_back(run_json(r));
    text += '\n' + measured_table(runs).text() + '\n' +
            wrapped(
                "One layer with D and F made smaller, forward, as backend cpu computes it in f32 on all "
                "cores: the "
                "median of three runs. Counted: by running it at the scalar Count.");
  }
  return options.output.print(document, table, text, [&] { return compare_plot(columns); });
}

}  // namespace

void add_compare(CLI::App& app, Act& act) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* verb = app.add_subcommand("compare", "models side by side, with the dense twin of the first");
  verb->footer(
      "Example: moe-oracle compare mixtral-8x7b deepseek-v3\n"
      "Example: moe-oracle compare mixtral-8x7b --run");
  verb->add_option("MODEL", options->models,
                   "models of moe-oracle models, presets, or paths to a config.json")
      ->required()
      ->check(kNotEmpty);
  verb->add_flag("--run", options->run,
                 "run a layer of the first, made smaller, and its dense twin: FLOPs and time");
  verb->add_flag("--strict", options->strict,
                 "refuse a config.json with keys about experts that are not known");
  verb->add_option("--ctx", options->context, "tokens of context, 4096 if not given")
      ->type_name("N")
      ->check(kNotEmpty);
  verb->add_option("--tokens", options->tokens, "tokens of --run, 128 if not given")
      ->type_name("T")
      ->check(kNotEmpty);
  options->output.add_to(*verb);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
