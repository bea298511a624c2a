#include "moe/sweep.h"

#include <cmath>
#include <map>
#include <sstream>

#include "study.h"

namespace moe::cli {
namespace {

struct SweepOptions : StudyOptions {
  std::string experts, top_k, granularity = "1", shared, factor, context = "4096", tokens = "4096",
                              value = "total";
};

constexpr std::size_t kShown = 30;

SweepGrid grid_of(const SweepOptions& o, const Model& model) {
  if (!model.moe || count(model).moe_layers == 0)
    throw Error("MODEL", "MODEL = " + model.name + " must have experts");
  const Mixture& x = *model.moe;
  constexpr std::int64_t kMost = 1 << 24;
  SweepGrid grid;
  grid.experts =
      o.experts.empty() ? std::vector{x.num_experts} : parse_list("--experts", o.experts, 1, kMost);
  grid.top_k = o.top_k.empty() ? std::vector{x.top_k} : parse_list("--top-k", o.top_k, 1, kMost);
  grid.granularity = parse_list("--granularity", o.granularity, 1, 1 << 20);
  if (!o.shared.empty()) grid.shared = parse_list("--shared", o.shared, 0, 1 << 20);
  grid.contexts = parse_list("--ctx", o.context, 0, Index{1} << 40);
  grid.tokens = parse_index("--tokens", o.tokens, 1, INT32_MAX);
  std::istringstream factors(o.factor);
  for (std::string one; std::getline(factors, one, ',');)
    grid.factors.push_back(parse_quantity("--factor", one));
  return grid;
}

double value_of(const SweepPoint& p, const std::string& value) {
  if (value == "total") return static_cast<double>(p.total);
  if (value == "active") return static_cast<double>(p.active);
  if (value == "forward") return static_cast<double>(p.forward);
  if (value == "padded") return p.padded;
  if (value == "dropped") return 100 * p.dropped;
  throw Error("--value",
              "--value = " + shown(value) + " must be one of total, active, forward, padded, dropped");
}

/// An axis of the grid: its name, and where its values are.
struct AxisOf {
  std::string name;
  std::vector<double> values;
  double (*of)(const SweepPoint&);
};

std::vector<AxisOf> axes_of(const SweepGrid& g) {
  const auto reals = [](const std::vector<std::int64_t>& v) {
    return std::vector<double>(v.begin(), v.end());
  };
  return {
      {"experts E", reals(g.experts), [](const SweepPoint& p) { return static_cast<double>(p.experts); }},
      {"experts a token K", reals(g.top_k), [](const SweepPoint& p) { return static_cast<double>(p.top_k); }},
      {"granularity G", reals(g.granularity),
       [](const SweepPoint& p) { return static_cast<double>(p.granularity); }},
      {"shared experts", reals(g.shared), [](const SweepPoint& p) { return static_cast<double>(p.shared); }},
      {"capacity factor", g.factors, [](const SweepPoint& p) { return p.factor; }},
      {"context", reals(g.contexts), [](const SweepPoint& p) { return static_cast<double>(p.context); }}};
}

/// A map over the first two axes that vary, at the first value of the others.
Plot sweep_plot(const SweepOptions& options, const Model& model, const SweepGrid& grid,
                const std::vector<SweepPoint>& points) {
  std::vector<AxisOf> varied, fixed;
  for (const AxisOf& axis : axes_of(grid))
    (axis.values.size() > 1 && varied.size() < 2 ? varied : fixed).push_back(axis);
  if (varied.size() < 2)
    throw Error("--plot",
                "--plot needs two axes with more than one value, such as --experts 8:64:*2 --top-k 1,2");
  HeatMap map{varied[0].name, varied[1].name, options.value, {}, {}, {}, options.value != "dropped"};
  for (const double x : varied[0].values) map.columns.push_back(real(x).text);
  for (const double y : varied[1].values) map.rows.push_back(real(y).text);
  map.values.assign(map.rows.size(), std::vector<double>(map.columns.size(), NAN));
  for (const SweepPoint& p : points) {
    if (std::any_of(fixed.begin(), fixed.end(),
                    [&](const AxisOf& a) { return !a.values.empty() && a.of(p) != a.values[0]; }))
      continue;
    const auto place = [&](const AxisOf& a) {
      return static_cast<std::size_t>(std::find(a.values.begin(), a.values.end(), a.of(p)) -
                                      a.values.begin());
    };
    map.values[place(varied[1])][place(varied[0])] = value_of(p, options.value);
  }
  static const std::map<std::string, std::string> kLabels{{"total", "parameters"},
                                                          {"active", "active parameters"},
                                                          {"forward", "forward FLOPs per token"},
                                                          {"padded", "forward FLOPs per token, with padding"},
                                                          {"dropped", "% of assignments dropped"}};
  map.value_label = kLabels.at(options.value);
  return {model.name + " with other experts", {}, map, {}};
}

/// The first points, without the axes that have one value.
std::string shown_text(const SweepGrid& grid, const std::vector<SweepPoint>& points) {
  const auto large = [](double n) { return scaled(n); };
  std::vector<std::string> names;
  std::vector<std::function<Cell(const SweepPoint&)>> cells;
  const auto column = [&](const char* name, bool is_shown,
                          const std::function<Cell(const SweepPoint&)>& cell) {
    if (is_shown) names.emplace_back(name), cells.push_back(cell);
  };
  column("E", true, [](const SweepPoint& p) { return whole(p.experts); });
  column("K", true, [](const SweepPoint& p) { return whole(p.top_k); });
  column("G", grid.granularity.size() > 1, [](const SweepPoint& p) { return whole(p.granularity); });
  column("shared", grid.shared.size() > 1, [](const SweepPoint& p) { return whole(p.shared); });
  column("factor", !grid.factors.empty(), [](const SweepPoint& p) { return real(p.factor); });
  column("ctx", grid.contexts.size() > 1, [](const SweepPoint& p) { return whole(p.context); });
  column("F", true, [](const SweepPoint& p) { return whole(p.ffn_size); });
  column("total", true, [&](const SweepPoint& p) { return large(static_cast<double>(p.total)); });
  column("active", true, [&](const SweepPoint& p) { return large(static_cast<double>(p.active)); });
  column("FLOPs", true, [](const SweepPoint& p) { return scaled(static_cast<double>(p.forward), "FLOP"); });
  column("padded", !grid.factors.empty(), [](const SweepPoint& p) { return scaled(p.padded, "FLOP"); });
  column("dropped", !grid.factors.empty(), [](const SweepPoint& p) { return percent(p.dropped, 3); });
  Table table(names);
  for (std::size_t i = 0; i < std::min(points.size(), kShown); ++i) {
    std::vector<Cell> row;
    row.reserve(cells.size());
    for (const auto& cell : cells) row.push_back(cell(points[i]));
    table.add(std::move(row));
  }
  return table.text();
}

int act_on(const SweepOptions& options) {
  const NamedModel named = options.load();
  value_of({}, options.value);
  const SweepGrid grid = grid_of(options, named.model);
  const std::vector<SweepPoint> points = sweep(named.model, grid);
  if (points.empty()) throw Error("--top-k", "--top-k must not exceed --experts everywhere");
  Table table({"experts", "top_k", "granularity", "shared", "factor", "ctx", "ffn_size", "total", "active",
               "forward", "padded", "dropped"});
  const auto row = [](const SweepPoint& p, const auto& large) {
    return std::vector<Cell>{whole(p.experts),
                             whole(p.top_k),
                             whole(p.granularity),
                             p.shared == kAsItIs ? none() : whole(p.shared),
                             p.factor == 0 ? none() : real(p.factor),
                             whole(p.context),
                             whole(p.ffn_size),
                             large(p.total),
                             large(p.active),
                             large(p.forward),
                             p.factor == 0 ? none() : scaled(p.padded),
                             p.factor == 0 ? none() : percent(p.dropped, 3)};
  };
  if (options.csv || options.json)
    for (const SweepPoint& p : points) table.add(row(p, [](std::int64_t n) { return Cell{"", n}; }));
  Json document = model_json(named, count(named.model));
  document["points"] = options.json ? table.json() : Json();
  const std::string text =
      shown_text(grid, points) +
      (points.size() > kShown
           ? "... " + with_commas(static_cast<Index>(points.size())) + " points in all, which --csv prints\n"
           : "") +
      '\n' +
      wrapped("exact: counts of " + named.model.name +
              " with E G experts of width F, K G a token; FLOPs forward per token, causal. model: "
              "padded and dropped, for " +
              options.tokens + " tokens that choose uniformly.");
  return options.output().print(document, table, text,
                                [&] { return sweep_plot(options, named.model, grid, points); });
}

}  // namespace

void add_sweep(CLI::App& app, Act& act) {
  auto options = std::make_shared<SweepOptions>();
  CLI::App* verb = app.add_subcommand(
      "sweep", "a model over a grid of experts, choices, granularity, capacity and context");
  verb->footer(
      "Example: moe-oracle sweep mixtral-8x7b --experts 8:128:*2 --top-k 1,2,4\n"
      "Example: moe-oracle sweep deepseek-v3 --granularity 1,2,4,8 --shared 0:2:+1 --csv\n"
      "Example: moe-oracle sweep olmoe-1b-7b --experts 8:64:*2 --factor 1,1.25,1.5 --value dropped");
  options->add_to(*verb);
  verb->add_option("--experts", options->experts, "a list such as 8,16 or a range such as 8:512:*2 or 1:4:+1")
      ->type_name("E");
  verb->add_option("--top-k", options->top_k, "experts a token")->type_name("K");
  verb->add_option("--granularity", options->granularity,
                   "split each expert in so many, and choose as many times more")
      ->type_name("G");
  verb->add_option("--shared", options->shared, "experts of that width that all tokens use")->type_name("S");
  verb->add_option("--factor", options->factor, "capacity factors, such as 1,1.25; dropless if not given")
      ->type_name("F");
  verb->add_option("--ctx", options->context, "tokens of context, 4096 if not given")->type_name("N");
  verb->add_option("--tokens", options->tokens, "tokens of a batch, for capacity, 4096 if not given")
      ->type_name("T");
  verb->add_option("--value", options->value, "what the map shows: total, active, forward, padded or dropped")
      ->type_name("WHAT");
  for (const char* name :
       {"--experts", "--top-k", "--granularity", "--shared", "--factor", "--ctx", "--tokens", "--value"})
    verb->get_option(name)->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
