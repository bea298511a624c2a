#include <algorithm>

#include "moe/roofline.h"
#include "moe/twins.h"
#include "study.h"

namespace moe::cli {
namespace {

struct IsoOptions : StudyOptions {
  std::string match, experts, top_k = "1", dtype = "bf16", expert_dtype, context = "4096";
};

/// A model of the table: itself, or a twin and what it has in common with it.
struct Entry {
  std::string name;
  Model model;
  std::int64_t ffn_size;
  double deviation, expert_bytes;
};

std::vector<Entry> entries(const IsoOptions& o, const NamedModel& named, double weight, double expert) {
  if (count(named.model).moe_layers == 0)
    throw Error("MODEL", "MODEL = " + named.model.name + " must have experts");
  std::vector<Entry> all{{"itself", named.model, named.model.moe->ffn_size, 0, expert}};
  TwinShape shape;
  if (!o.experts.empty()) {
    shape.num_experts = parse_index("--experts", o.experts, 1, INT32_MAX);
    shape.top_k = parse_index("--top-k", o.top_k, 1, shape.num_experts);
  }
  const std::string kind_of_twin =
      shape.dense() ? "dense"
                    : "E " + std::to_string(shape.num_experts) + " K " + std::to_string(shape.top_k);
  for (const Match match : {Match::Flops, Match::Total, Match::Memory}) {
    if (!o.match.empty() && match != match_called(o.match)) continue;
    const Twin twin = twin_of(named.model, match, shape, weight, expert);
    all.push_back({kind_of_twin + ", equal " + name_of(match), twin.model, twin.ffn_size, twin.deviation,
                   shape.dense() ? weight : expert});
  }
  return all;
}

Plot iso_plot(const Model& model, const std::vector<Entry>& all, double weight, std::int64_t context) {
  Panel panel;
  panel.x = {"weights (bytes)", true, false, "B"};
  panel.y = {"forward FLOPs per token", true, false, "FLOP"};
  for (const Entry& e : all) {
    const double bytes = weight_bytes_of(e.model, weight, e.expert_bytes);
    const auto forward = static_cast<double>(flops(e.model, context).forward_total);
    const auto same = std::find_if(panel.labels.begin(), panel.labels.end(), [&](const PointLabel& label) {
      return label.x == bytes && label.y == forward;
    });
    if (same != panel.labels.end()) {
      same->text += "; " + e.name;
      continue;
    }
    panel.labels.push_back({bytes, forward, panel.labels.empty() ? model.name : e.name});
    panel.curves.push_back({"", {bytes}, {forward}, Mark::Dots, static_cast<int>(panel.curves.size())});
  }
  return {model.name + " and its twins", {panel}, {}, {}};
}

int act_on(const IsoOptions& options) {
  const NamedModel named = options.load();
  if (!options.match.empty()) match_called(options.match);
  const double weight = bytes_per_number("--dtype", options.dtype);
  const double expert =
      options.expert_dtype.empty() ? weight : bytes_per_number("--expert-dtype", options.expert_dtype);
  const std::int64_t context = parse_index("--ctx", options.context, 0, Index{1} << 40);
  const std::vector<Entry> all = entries(options, named, weight, expert);
  Table table({"twin", "F", "total", "active", "FLOPs", "weights", "off by"});
  for (const Entry& e : all) {
    const ModelCount counted = count(e.model);
    const std::int64_t forward = flops(e.model, context).forward_total;
    const double bytes = weight_bytes_of(e.model, weight, e.expert_bytes);
    table.add({words(e.name),
               whole(e.ffn_size),
               {scaled(static_cast<double>(counted.total)).text, counted.total},
               {scaled(static_cast<double>(counted.active.full)).text, counted.active.full},
               {scaled(static_cast<double>(forward), "FLOP").text, forward},
               scaled(bytes, "B"),
               percent(e.deviation, 2)});
  }
  Json document = model_json(named, count(named.model));
  document["context"] = context, document["kind"] = kind_of(named), document["twins"] = table.json();
  const Model& m = named.model;
  const std::string text =
      model_text(m, count(m)) + "\n\n" + table.text() + '\n' +
      wrapped(
          "exact: counts of the fields; F is the width of one expert, or of the dense block in the place of "
          "all experts, to the whole "
          "number that comes nearest in what is matched, and off by how far that is. FLOPs forward at a "
          "context of " +
          with_commas(context) + ", causal; weights in " + options.dtype +
          (options.expert_dtype.empty() ? "" : ", routed experts in " + options.expert_dtype) + '.');
  return options.output().print(document, table, text, [&] { return iso_plot(m, all, weight, context); });
}

}  // namespace

void add_iso(CLI::App& app, Act& act) {
  auto options = std::make_shared<IsoOptions>();
  CLI::App* verb =
      app.add_subcommand("iso", "the dense model, or that of other experts, of equal FLOPs, total or memory");
  verb->footer(
      "Example: moe-oracle iso mixtral-8x7b\n"
      "Example: moe-oracle iso deepseek-v3 --match flops --experts 64 --top-k 2\n"
      "Example: moe-oracle iso gpt-oss-120b --match memory --expert-dtype mxfp4");
  options->add_to(*verb);
  verb->add_option("--match", options->match, "flops, total or memory; all three if not given")
      ->type_name("WHAT");
  verb->add_option("--experts", options->experts, "twins with so many experts, in place of dense ones")
      ->type_name("E");
  verb->add_option("--top-k", options->top_k, "of which a token uses so many, 1 if not given")
      ->type_name("K");
  verb->add_option("--dtype", options->dtype, "of weights, bf16 if not given")->type_name("DTYPE");
  verb->add_option("--expert-dtype", options->expert_dtype, "of routed experts, if another")
      ->type_name("DTYPE");
  verb->add_option("--ctx", options->context, "tokens of context, 4096 if not given")->type_name("N");
  for (const char* name : {"--match", "--experts", "--top-k", "--dtype", "--expert-dtype", "--ctx"})
    verb->get_option(name)->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
