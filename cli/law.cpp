#include <cmath>

#include "moe/laws.h"
#include "sizing.h"
#include "table.h"
#include "verbs.h"

namespace moe::cli {
namespace {

constexpr double kExperts[] = {1, 2, 4, 8, 16, 32};

struct LawOptions {
  std::vector<std::string> names;
  std::string active, total, tokens, experts, top_k, granularity, flops, budget;
  Output output;

  LawPoint point() const {
    LawPoint p;
    const auto read = [](const char* option, const std::string& text, double& value) {
      if (!text.empty()) value = parse_quantity(option, text);
    };
    read("--active", active, p.active), read("--total", total, p.total), read("--tokens", tokens, p.tokens);
    read("--experts", experts, p.experts), read("--top-k", top_k, p.top_k);
    read("--granularity", granularity, p.granularity), read("--flops", flops, p.flops);
    return p;
  }
  bool asked() const {
    return !(active.empty() && total.empty() && tokens.empty() && granularity.empty() && flops.empty());
  }
  std::vector<Law> chosen() const {
    if (names.empty()) return laws();
    std::vector<Law> all;
    for (const std::string& name : names) all.push_back(law_called(name));
    return all;
  }
};

template <typename List, typename Text>
std::string joined(const List& list, const std::string& between, const Text& text) {
  std::string all;
  for (const auto& one : list) all += (all.empty() ? "" : between) + text(one);
  return all;
}

std::string range_text(const LawRange& r) {
  std::string name = name_of(r.argument);
  if (r.least == r.most) return name + ' ' + real(r.least).text;
  if (std::isinf(r.most)) return name;
  return name + ' ' + real(r.least, 6).text + " to " + real(r.most, 6).text;
}

Json law_json(const Law& law) {
  Json constants = Json::object(), needs = Json::array();
  for (const LawConstant& c : law.constants) constants[c.name] = c.value;
  for (const LawRange& r : law.ranges)
    needs.push_back({{"argument", name_of(r.argument)}, {"least", r.least}, {"most", real(r.most).value}});
  return {{"name", law.name},           {"formula", law.formula}, {"constants", constants}, {"needs", needs},
          {"fitted_on", law.fitted_on}, {"caution", law.caution}, {"source", law.source}};
}

/// Every law with its constants, where they are from, and what they are good for.
int list_laws(const LawOptions& options) {
  Json all = Json::array();
  Table table({"name", "formula", "fitted_on", "caution", "source"});
  std::string text;
  for (const Law& law : options.chosen()) {
    all.push_back(law_json(law));
    table.add(
        {words(law.name), words(law.formula), words(law.fitted_on), words(law.caution), words(law.source)});
    const auto line = [&](const std::string& what) {
      if (what.back() != ' ') text += wrapped(what, "                 ");
    };
    const std::size_t first = text.size();
    line(law.formula);
    text.replace(first, law.name.size(), law.name);
    line("with " +
         joined(law.constants, ", ", [](const LawConstant& c) { return c.name + ' ' + real_text(c.value); }));
    line("range: " + joined(law.ranges, ", ", range_text));
    line("fitted on: " + law.fitted_on);
    line("caution: " + law.caution);
    line("source: " + law.source);
  }
  return options.output.print(all, table, text);
}

std::string outside_of(const Law& law, const LawPoint& at) {
  return joined(extrapolations(law, at), "; ", [](const std::string& s) { return s; });
}

/// Dense-equivalents against the number of experts: solid where the law was fitted, dashed beyond.
Plot equivalents_plot(const std::vector<Law>& chosen, const LawPoint& at) {
  Panel panel;
  panel.x = {"experts E, one of which a token uses", true};
  panel.y = {"dense-equivalent size (parameters), dashed: extrapolated", true};
  Curve active{"active", {}, {}, Mark::Line, 8}, total{"total", {}, {}, Mark::Line, 6};
  std::vector<double> experts;
  for (const double E : geometric(1, std::sqrt(2), 513)) experts.push_back(std::round(E * 1e6) / 1e6);
  for (const double E : experts) {
    active.x.push_back(E), active.y.push_back(at.active);
    total.x.push_back(E), total.y.push_back(total_of_top1(at.active, E));
  }
  panel.curves = {total, active};
  int colour = 0;
  for (const Law& law : chosen) {
    Curve inside{law.name, {}, {}, Mark::Line, colour}, all{"", {}, {}, Mark::Dashes, colour};
    if (law.answer == LawAnswer::Leverage || is_dense(law)) continue;
    for (const double E : experts) {
      LawPoint p = at;
      p.experts = E, p.total = total_of_top1(at.active, E), p.top_k = 1;
      if (!missing_arguments(law, p).empty()) continue;
      const double size =
          law.answer == LawAnswer::Parameters ? evaluate_law(law, p) : dense_equivalent(law, p);
      all.x.push_back(E), all.y.push_back(size);
      if (extrapolations(law, p).empty()) inside.x.push_back(E), inside.y.push_back(size);
    }
    if (all.x.empty()) continue;
    if (inside.x.empty()) all.title = law.name + " (outside its range)";
    panel.curves.push_back(all);
    if (!inside.x.empty()) panel.curves.push_back(inside);
    ++colour;
  }
  return {"What " + scaled(at.active).text + " active parameters are worth", {panel}, {}, {}};
}

int evaluate(const LawOptions& options) {
  const LawPoint at = options.point();
  Table table({"law", "loss", "leverage", "dense_size", "validity"});
  Json cautions = Json::object();
  std::string remarks;
  for (const Law& law : options.chosen()) {
    const auto missing = missing_arguments(law, at);
    if (!missing.empty() && options.names.empty()) {
      table.add({words(law.name), none(), none(), none(),
                 words("needs --" + joined(missing, " --", [](LawArgument a) { return name_of(a); }))});
      continue;
    }
    const double value = evaluate_law(law, at);
    const Cell size = law.answer == LawAnswer::Parameters ? scaled(value) : scaled(dense_equivalent(law, at));
    const std::string outside = outside_of(law, at);
    table.add({words(law.name), law.answer == LawAnswer::Loss ? real(value, 6) : none(),
               law.answer == LawAnswer::Leverage ? real(value) : none(), size,
               outside.empty() ? words("inside") : Cell{"extrapolated", outside}});
    if (!outside.empty()) remarks += wrapped(law.name + ": " + outside + ". " + law.caution);
    if (!law.caution.empty()) cautions[law.name] = law.caution;
  }
  const std::string text =
      table.text() + "all of it is model: loss in nats a token, sizes in parameters without embeddings\n" +
      remarks;
  return options.output.print({{"laws", table.json()}, {"kind", "model"}, {"cautions", cautions}}, table,
                              text, [&] {
                                if (std::isnan(at.active))
                                  throw Error("--active", "--active is not given: --plot starts from it");
                                return equivalents_plot(options.chosen(), at);
                              });
}

Plot budget_plot(const Law& law, double flops, const std::vector<LawOptimum>& best) {
  Panel by_active, by_total;
  by_active.x = {"active parameters", true}, by_total.x = {"all parameters", true};
  by_active.y = by_total.y = {"loss (nats per token)", false};
  by_active.title = "against active parameters", by_total.title = "against all parameters";
  for (std::size_t i = 0; i < best.size(); ++i) {
    const LawOptimum& b = best[i];
    Curve curve{"E = " + real(b.experts).text, {}, {}, Mark::Line, static_cast<int>(i)};
    Curve whole = curve, dot{"", {b.active}, {b.loss}, Mark::Dots, static_cast<int>(i)}, whole_dot = dot;
    for (const double N : geometric(b.active / 12, std::pow(12, 0.05), b.active * 12.1)) {
      LawPoint p{.active = N, .tokens = flops / (6 * N), .experts = b.experts};
      curve.x.push_back(N), curve.y.push_back(evaluate_law(law, p));
      whole.x.push_back(total_of_top1(N, b.experts));
    }
    whole.y = curve.y, whole_dot.x = {total_of_top1(b.active, b.experts)};
    by_active.curves.insert(by_active.curves.end(), {curve, dot});
    by_total.curves.insert(by_total.curves.end(), {whole, whole_dot});
  }
  return {law.name + ": loss after " + real(flops).text + " training FLOPs, with the best size of each",
          {by_active, by_total},
          {},
          {}};
}

int spend(const LawOptions& options) {
  const double flops = parse_quantity("--budget", options.budget);
  if (options.names.size() > 1) throw Error("LAW", "LAW must be one with --budget");
  const Law& law = law_called(options.names.empty() ? "ludziejewski" : options.names.front());
  std::vector<double> experts(std::begin(kExperts), std::end(kExperts));
  if (is_dense(law)) experts = {1};
  if (!options.experts.empty()) experts = {parse_quantity("--experts", options.experts)};
  Table table({"experts", "active", "total", "tokens", "D/N", "loss", "dense_size", "validity"});
  std::vector<LawOptimum> best;
  for (const double E : experts) {
    best.push_back(best_size(law, flops, E));
    const LawOptimum& b = best.back();
    const LawPoint at{.active = b.active, .tokens = b.tokens, .experts = E};
    table.add({real(E), scaled(b.active), scaled(total_of_top1(b.active, E)), scaled(b.tokens),
               real(b.tokens / b.active, 3), real(b.loss, 5), scaled(dense_equivalent(law, at)),
               words(extrapolations(law, at).empty() ? "inside" : "extrapolated")});
  }
  const std::string text =
      table.text() +
      wrapped("all of it is model: " + law.name + ", C = 6 N D = " + real(flops).text +
              " FLOPs; total is that of feed-forward blocks of 8 D^2 beside attention of 4 D^2, "
              "each made E experts");
  return options.output.print(
      {{"law", law.name}, {"flops", flops}, {"kind", "model"}, {"best", table.json()}}, table, text,
      [&] { return budget_plot(law, flops, best); });
}

int act_on(const LawOptions& options) {
  if (!options.budget.empty()) {
    if (options.asked()) throw Error("--budget", "--budget has no meaning beside the arguments of a law");
    return spend(options);
  }
  if (options.asked()) return evaluate(options);
  if (!options.output.plot.empty()) throw Error("--plot", "--plot needs --active and --tokens, or --budget");
  return list_laws(options);
}

}  // namespace

void add_law(CLI::App& app, Act& act) {
  auto options = std::make_shared<LawOptions>();
  CLI::App* verb = app.add_subcommand("law", "what fitted scaling laws expect of a mixture");
  verb->footer(
      "Example: moe-oracle law\n"
      "Example: moe-oracle law --active 1e9 --total 5.67e9 --tokens 20G --experts 8\n"
      "Example: moe-oracle law ludziejewski --budget 1e21");
  verb->add_option("LAW", options->names, "these laws only; without arguments it lists them");
  verb->add_option("--active", options->active, "parameters that a token uses, without embeddings")
      ->type_name("N");
  verb->add_option("--total", options->total, "all parameters, without embeddings")->type_name("N");
  verb->add_option("--tokens", options->tokens, "training tokens")->type_name("D");
  verb->add_option("--experts", options->experts, "experts of a layer")->type_name("E");
  verb->add_option("--top-k", options->top_k, "experts that a token uses")->type_name("K");
  verb->add_option("--granularity", options->granularity, "experts that have the size of one dense block")
      ->type_name("G");
  verb->add_option("--flops", options->flops, "training FLOPs, of which tian's leverage depends")
      ->type_name("C");
  verb->add_option("--budget", options->budget, "the best size for so many training FLOPs")->type_name("C");
  for (const char* name :
       {"--active", "--total", "--tokens", "--experts", "--top-k", "--granularity", "--flops", "--budget"})
    verb->get_option(name)->check(kNotEmpty);
  options->output.add_to(*verb);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
