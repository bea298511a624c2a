#include "explain.h"

namespace moe::cli {
namespace {

struct ExplainOptions : StudyOptions {
  std::string context = "4096";
};

Step step(const std::string& what, const std::string& symbols, const std::string& numbers,
          std::int64_t value) {
  return {what, symbols, numbers, value, Kind::Exact};
}

std::int64_t layers_with(const Model& m, bool Layer::*what) {
  return std::count_if(m.layers.begin(), m.layers.end(), [&](const Layer& layer) { return layer.*what; });
}

/// Widths of a feed-forward block's matrices, as in 3 D F.
std::string matrices(bool glu) { return glu ? "3" : "2"; }

void explain_experts(const Model& m, const ModelCount& c, std::vector<Step>& steps) {
  const Mixture& x = *m.moe;
  const std::int64_t M = c.moe_layers, width = x.latent_size > 0 ? x.latent_size : m.hidden_size;
  const std::string of = digits(c.expert), W = x.latent_size > 0 ? "W" : "D", g = matrices(x.glu);
  const std::string biases = x.bias ? (x.glu ? " + 2 F + " : " + F + ") + W : "";
  const std::string biases_in =
      x.bias ? (x.glu ? " + 2 x " : " + ") + digits(x.ffn_size) + " + " + digits(width) : "";
  steps.push_back(step("one expert", g + ' ' + W + " F" + biases,
                       g + " x " + digits(width) + " x " + digits(x.ffn_size) + biases_in, c.expert));
  steps.push_back(step("the experts of a layer", "E x that", digits(x.num_experts) + " x " + of,
                       x.num_experts * c.expert));
  const std::int64_t all = M * x.num_experts * c.expert, used = M * x.top_k * c.expert;
  steps.push_back(step("of all layers with experts", "M E x that",
                       digits(M) + " x " + digits(x.num_experts) + " x " + of, all));
  steps.push_back(
      step("of which a token uses", "M K x that", digits(M) + " x " + digits(x.top_k) + " x " + of, used));
  if (x.latent_size > 0)
    steps.push_back(step("to their width and back", "M 2 D W",
                         digits(M) + " x 2 x " + digits(m.hidden_size) + " x " + digits(width),
                         c[Component::Routed].params - all));
  if (x.shared_size > 0)
    steps.push_back(step("shared experts", x.shared_gate ? "M (" + g + " D S + D)" : "M " + g + " D S",
                         digits(M) + " x " + g + " x " + digits(m.hidden_size) + " x " +
                             digits(x.shared_size) +
                             (x.shared_gate ? ", and " + digits(M) + " x " + digits(m.hidden_size) : ""),
                         c[Component::Shared].params));
  steps.push_back(step(
      "routers", x.router_bias ? "M (D E + E)" : "M D E",
      digits(M) + " layers: " + digits(c[Component::Router].params / std::max<std::int64_t>(1, M)) + " each",
      c[Component::Router].params));
}

void explain_rest(const Model& m, const ModelCount& c, std::vector<Step>& steps) {
  const std::int64_t dense = layers_with(m, &Layer::dense);
  if (dense > 0)
    steps.push_back(step("dense blocks", matrices(m.dense_glu) + " D F' in each layer",
                         digits(dense) + " x " + matrices(m.dense_glu) + " x " + digits(m.hidden_size) +
                             " x " + digits(m.dense_size) + (m.dense_bias ? " and biases" : ""),
                         c[Component::Dense].params));
  if (c[Component::Attention].params > 0) {
    const std::int64_t mixing =
        std::count_if(m.layers.begin(), m.layers.end(), [](const Layer& l) { return l.mixer >= 0; });
    const Mixer& first = m.mixers.front();
    const bool plain = m.mixers.size() == 1 && std::holds_alternative<Gqa>(first);
    steps.push_back(step(component_text(m, c, Component::Attention),
                         plain ? "2 D H h + 2 D H' h in each layer" : "by kind in each layer",
                         plain ? digits(mixing) + " layers, D " + digits(m.hidden_size) + ", H " +
                                     digits(std::get<Gqa>(first).heads) + ", H' " +
                                     digits(std::get<Gqa>(first).kv_heads) + ", h " +
                                     digits(std::get<Gqa>(first).head_size)
                               : digits(mixing) + " layers",
                         c[Component::Attention].params));
  }
  if (c[Component::Norms].params > 0)
    steps.push_back(step("norms", "a number for each of D", "before each block, and at the end",
                         c[Component::Norms].params));
  if (m.vocabulary > 0) {
    const std::string table = digits(m.vocabulary) + " x " + digits(m.hidden_size);
    steps.push_back(step("input table", "V D", table, c[Component::Embedding].params));
    steps.push_back(
        step("head", m.tied ? "the same table" : "V D", m.tied ? "0" : table, c[Component::Head].params));
  }
}

void explain_sums(const Model& m, const ModelCount& c, std::int64_t context, std::vector<Step>& steps) {
  steps.push_back(step("total", "the sum of all of it", "", c.total));
  if (c.moe_layers > 0) {
    const Mixture& x = *m.moe;
    steps.push_back(step("active, full", "total - M (E - K) x one expert",
                         digits(c.total) + " - " + digits(c.moe_layers) + " x " +
                             digits(x.num_experts - x.top_k) + " x " + digits(c.expert),
                         c.active.full));
  }
  steps.push_back(
      step("active, no_embed", m.tied ? "the same: the table is the head" : "that - V D",
           m.tied ? "" : digits(c.active.full) + " - " + digits(c.active.full - c.active.no_embed),
           c.active.no_embed));
  steps.push_back(step("active, no_embed_head", "that - V D",
                       digits(c.active.no_embed) + " - " + digits(c.active.no_embed - c.active.no_embed_head),
                       c.active.no_embed_head));
  const ModelFlops f = flops(m, context);
  steps.push_back(step("FLOPs of a token, forward", "2 x multiply-adds + scores",
                       "2 x " + digits((f.forward_total - f.scores) / 2) + " + " + digits(f.scores),
                       f.forward_total));
  steps.push_back(
      step("FLOPs of a token, training", "3 x forward", "3 x " + digits(f.forward_total), f.training));
}

Json step_json(const Step& s) {
  return {{"what", s.what},
          {"symbols", s.symbols},
          {"numbers", s.numbers},
          {"value", s.value},
          {"kind", name_of(s.kind)}};
}

std::string value_text(const Json& value) {
  return value.is_number_integer() ? with_commas(value.get<std::int64_t>())
         : value.is_number()       ? rounded(value)
                                   : value.get<std::string>();
}

std::string step_text(const Step& s) {
  constexpr std::size_t kLeft = 52;
  std::string line = "  " + s.what + ": " + s.symbols;
  if (line.size() < kLeft)
    line.resize(kLeft, ' ');
  else
    line += '\n' + std::string(kLeft, ' ');
  return line + "= " + value_text(s.value) +
         (s.kind == Kind::Exact ? "" : std::string("  ") + name_of(s.kind)) + '\n' +
         (s.numbers.empty() ? "" : wrapped(s.numbers, "      "));
}

std::string letters(const Model& m, const ModelCount& c) {
  std::string text = "D " + digits(m.hidden_size) + " width, L " +
                     digits(static_cast<std::int64_t>(m.layers.size())) + " layers";
  if (m.vocabulary > 0) text += ", V " + digits(m.vocabulary) + " words";
  if (c.moe_layers == 0) return text;
  const Mixture& x = *m.moe;
  text += ", M " + digits(c.moe_layers) + " with experts, E " + digits(x.num_experts) + " experts, K " +
          digits(x.top_k) + " a token, F " + digits(x.ffn_size) + " their width";
  return text + (x.shared_size > 0 ? ", S " + digits(x.shared_size) + " that of the shared ones" : "");
}

Plot explain_plot(const NamedModel& named, const ModelCount& c, std::int64_t context) {
  const ModelFlops f = flops(named.model, context);
  Bars bars;
  bars.top = 100, bars.y_label = "% of each column", bars.columns = {"parameters", "active", "forward FLOPs"};
  const auto share = [](std::int64_t part, std::int64_t all) {
    return 100 * static_cast<double>(part) / static_cast<double>(all);
  };
  const auto add = [&](Component part) {
    bars.parts.emplace_back(name_of(part));
    bars.values.push_back({share(c[part].params, c.total), share(c[part].active, c.active.full),
                           share(f.forward[static_cast<std::size_t>(part)], f.forward_total)});
  };
  for (const Component part : {Component::Routed, Component::Attention, Component::Shared, Component::Dense})
    add(part);
  bars.parts.emplace_back("scores"), bars.values.push_back({0, 0, share(f.scores, f.forward_total)});
  for (const Component part : {Component::Head, Component::Router, Component::Embedding, Component::Norms})
    add(part);
  return {named.model.name + ": where its parameters and its FLOPs are", {}, {}, bars};
}

int act_on(const ExplainOptions& options) {
  const NamedModel named = options.load();
  const Model& m = named.model;
  const ModelCount c = count(m);
  const std::int64_t context = parse_index("--ctx", options.context, 0, Index{1} << 40);
  std::vector<Step> steps;
  if (c.moe_layers > 0) explain_experts(m, c, steps);
  explain_rest(m, c, steps);
  explain_sums(m, c, context, steps);
  Json document = model_json(named, c), stories = Json::array();
  Table table({"what", "symbols", "numbers", "value", "kind"});
  std::string text = wrapped(m.name + ": " + letters(m, c)) + '\n';
  const auto add = [&](const Step& s, Json& list) {
    table.add({words(s.what), words(s.symbols), words(s.numbers), {"", s.value}, kind(s.kind)});
    text += step_text(s);
    list.push_back(step_json(s));
  };
  document["context"] = context, document["steps"] = Json::array();
  for (const Step& s : steps) add(s, document["steps"]);
  for (const Story& story : stories_of(named, c)) {
    Json of = Json::array();
    text += '\n' + wrapped(story.title);
    for (const Step& s : story.steps) add(s, of);
    text += wrapped(story.moral, "  ");
    stories.push_back({{"title", story.title}, {"steps", of}, {"moral", story.moral}});
  }
  document["stories"] = stories;
  text += '\n' + wrapped("exact, unless it says model; scores are those of causal attention over " +
                         with_commas(context) + " tokens");
  return options.output().print(document, table, text, [&] { return explain_plot(named, c, context); });
}

}  // namespace

std::string digits(std::int64_t n) { return with_commas(n); }
std::string rounded(double x) { return parameters(x).text; }

void add_explain(CLI::App& app, Act& act) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* verb = app.add_subcommand(
      "explain", "the arithmetic of one model, line by line, and what people get wrong about it");
  verb->footer(
      "Example: moe-oracle explain mixtral-8x7b\nExample: moe-oracle explain shazeer2017-moe-131072-h");
  options->add_to(*verb);
  verb->add_option("--ctx", options->context, "tokens of context, 4096 if not given")
      ->type_name("N")
      ->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
