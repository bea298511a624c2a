#include "explain.h"

namespace moe::cli {
namespace {

struct ExplainOptions : StudyOptions {
  std::string context, budget, total, active;

  /// Is the question one of numbers, so that the lines of a model are not asked for?
  bool of_numbers() const { return !(budget.empty() && total.empty() && active.empty()); }
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

/// An answer as it grows: as a document, as a table and as text.
struct Answered {
  Json document;
  Table table{{"what", "symbols", "numbers", "value", "kind"}};
  std::string text;

  void add(const Step& s, Json& list) {
    table.add({words(s.what), words(s.symbols), words(s.numbers), {"", s.value}, kind(s.kind)});
    text += step_text(s);
    list.push_back(step_json(s));
  }
  void add(const std::vector<Story>& stories) {
    document["stories"] = Json::array();
    for (const Story& story : stories) {
      Json of = Json::array();
      text += (text.empty() ? "" : "\n") + wrapped(story.title);
      for (const Step& s : story.steps) add(s, of);
      text += wrapped(story.moral, "  ");
      document["stories"].push_back({{"title", story.title}, {"steps", of}, {"moral", story.moral}});
    }
  }
};

/// Throws Error where options contradict each other, or ask for nothing.
void require_one_question(const ExplainOptions& o) {
  const bool model = !o.model.empty();
  if (!model && !o.of_numbers())
    throw Error("MODEL", "MODEL must be given, or --budget, or --total and --active");
  if (o.total.empty() != o.active.empty())
    throw Error(o.total.empty() ? "--total" : "--active", o.total.empty()
                                                              ? "--total must be given where --active is"
                                                              : "--active must be given where --total is");
  if (model && !o.total.empty())
    throw Error("--total", "--total has no meaning beside MODEL = " + shown(o.model) + ", which has its own");
  for (const auto& [name, value] : {std::pair("--ctx", &o.context), std::pair("--plot", &o.plot)})
    if (o.of_numbers() && !value->empty())
      throw Error(name, name + std::string(" has no meaning beside --budget and --total"));
  if (!model && o.strict) throw Error("--strict", "--strict has no meaning without MODEL");
}

/// A budget, or a total and what is active of it, or both; of a model, if there is one.
int act_on_numbers(const ExplainOptions& options) {
  Answered all;
  std::vector<Story> stories;
  std::optional<Proportions> like;
  all.document = Json::object();
  if (!options.total.empty()) {
    const double total = parse_quantity("--total", options.total),
                 active = parse_quantity("--active", options.active);
    if (active > total)
      throw Error("--active", "--active = " + shown(options.active) +
                                  " must not be more than --total = " + shown(options.total));
    all.document["total"] = total, all.document["active"] = active;
    like = {rounded(total) + " at " + rounded(active), total, active};
    stories.push_back(what_sizes_buy(total, active));
  }
  if (!options.budget.empty()) {
    const double budget = parse_quantity("--budget", options.budget);
    if (!options.model.empty()) {
      const NamedModel named = options.load();
      const ModelCount c = count(named.model);
      all.document = model_json(named, c);
      like = proportions_of(named.model, c);
    }
    all.document["budget"] = budget;
    stories.push_back(what_flops_buy(budget, like));
  }
  all.add(stories);
  all.text += '\n' + wrapped("exact, unless it says model");
  return options.output().print(all.document, all.table, all.text);
}

int act_on(const ExplainOptions& options) {
  require_one_question(options);
  if (options.of_numbers()) return act_on_numbers(options);
  const NamedModel named = options.load();
  const Model& m = named.model;
  const ModelCount c = count(m);
  const std::int64_t context =
      options.context.empty() ? 4096 : parse_index("--ctx", options.context, 0, Index{1} << 40);
  std::vector<Step> steps;
  if (c.moe_layers > 0) explain_experts(m, c, steps);
  explain_rest(m, c, steps);
  explain_sums(m, c, context, steps);
  Answered all;
  all.document = model_json(named, c);
  all.document["context"] = context, all.document["steps"] = Json::array();
  all.text = wrapped(m.name + ": " + letters(m, c)) + '\n';
  for (const Step& s : steps) all.add(s, all.document["steps"]);
  all.add(stories_of(named, c, context));
  all.text +=
      '\n' + wrapped("exact, unless it says model or measured; scores are those of causal attention over " +
                     with_commas(context) + " tokens");
  return options.output().print(all.document, all.table, all.text,
                                [&] { return explain_plot(named, c, context); });
}

}  // namespace

std::string digits(std::int64_t n) { return with_commas(n); }
std::string rounded(double x) { return scaled(x).text; }

void add_explain(CLI::App& app, Act& act) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* verb = app.add_subcommand(
      "explain", "the arithmetic of one model, line by line, and what people get wrong about it");
  verb->footer(
      "Example: moe-oracle explain mixtral-8x7b\n"
      "Example: moe-oracle explain shazeer2017-moe-131072-h\n"
      "Example: moe-oracle explain mixtral-8x7b --budget 1e11\n"
      "Example: moe-oracle explain --total 1T --active 8B");
  options->add_to(*verb);
  verb->get_option("MODEL")->required(false);
  verb->add_option("--ctx", options->context, "tokens of context, 4096 if not given")->type_name("N");
  verb->add_option("--budget", options->budget,
                   "what so many FLOPs per token buy, dense and in the proportions of MODEL")
      ->type_name("C");
  verb->add_option("--total", options->total, "what so many parameters buy, of which")->type_name("P");
  verb->add_option("--active", options->active, "so many are active, in place of a MODEL")->type_name("A");
  for (const char* name : {"MODEL", "--ctx", "--budget", "--total", "--active"})
    verb->get_option(name)->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
