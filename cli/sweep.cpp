#include "moe/sweep.h"

#include <cmath>
#include <sstream>

#include "moe/units.h"
#include "study.h"

namespace moe::cli {
namespace {

struct SweepOptions : StudyOptions {
  std::string experts, top_k, granularity = "1", shared, factor, context = "4096", tokens = "4096", value;
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

/// What a map can show, in the order in which it is chosen.
struct Shown {
  std::string name, label, unit;
  double (*of)(const SweepPoint&);
};
const std::vector<Shown> kValues{
    {"total", "parameters", "", [](const SweepPoint& p) { return static_cast<double>(p.total); }},
    {"active", "active parameters", "", [](const SweepPoint& p) { return static_cast<double>(p.active); }},
    {"forward", "forward FLOPs per token", "FLOP",
     [](const SweepPoint& p) { return static_cast<double>(p.forward); }},
    {"ratio", "parameters for each active one", "",
     [](const SweepPoint& p) { return static_cast<double>(p.total) / static_cast<double>(p.active); }},
    {"padded", "forward FLOPs per token, with padding", "FLOP", [](const SweepPoint& p) { return p.padded; }},
    {"dropped", "% of assignments dropped", "%", [](const SweepPoint& p) { return 100 * p.dropped; }}};

const Shown& value_called(const std::string& name) {
  for (const Shown& value : kValues)
    if (value.name == name) return value;
  throw Error("--value",
              "--value = " + shown(name) + " must be one of total, active, forward, ratio, padded, dropped");
}

/// An axis of the grid: its name, and where its values are.
struct AxisOf {
  std::string name;
  std::vector<double> values;
  double (*of)(const SweepPoint&);
  bool all_in_one = false;  // its values are not told apart

  std::vector<std::string> words() const {
    const std::string first = real(values.front()).text, last = real(values.back()).text;
    if (all_in_one) return {first + (values.size() > 2 ? " to " : ", ") + last};
    std::vector<std::string> all;
    for (const double value : values) all.push_back(real(value).text);
    return all;
  }
  std::size_t place(const SweepPoint& p) const {
    if (all_in_one) return 0;
    return static_cast<std::size_t>(std::find(values.begin(), values.end(), of(p)) - values.begin());
  }
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

/// Is it a point of the model itself, whatever the context and the factor?
bool is_itself(const SweepPoint& p, const Mixture& x) {
  return p.experts == x.num_experts && p.top_k == x.top_k && p.granularity == 1 &&
         (p.shared == kAsItIs || p.shared * x.ffn_size == x.shared_size);
}

std::string cell_text(const Shown& value, double x) {
  if (value.name == "dropped") return percent(x / 100, 3).text;
  return value.name == "ratio" ? real(x, 3).text : amount(x, value.unit, 3);
}

/// The map of a value over two axes; the cell of the model itself is marked if it is one.
HeatMap map_of(const Shown& value, const AxisOf& across, const AxisOf& up,
               const std::vector<SweepPoint>& points, const Mixture& own) {
  HeatMap map{across.name, up.name, {value.label, value.name != "dropped", false, value.unit}, {}, {}, {}};
  map.columns = across.words(), map.rows = up.words();
  map.values.assign(map.rows.size(), std::vector<double>(map.columns.size(), NAN));
  map.texts.assign(map.rows.size(), std::vector<std::string>(map.columns.size()));
  bool is_one = true;
  for (const SweepPoint& p : points) {
    const std::size_t row = up.place(p), column = across.place(p);
    map.values[row][column] = value.of(p);
    map.texts[row][column] = cell_text(value, value.of(p));
    if (!is_itself(p, own)) continue;
    is_one = is_one && (!map.marked || map.marked == std::pair(row, column));
    map.marked = {row, column};
  }
  if (!is_one) map.marked.reset();
  return map;
}

/// Does any cell differ from the first of its column (of its row if not `up`) that there is?
template <typename Differ>
bool changes(const HeatMap& map, bool up, const Differ& differ) {
  for (std::size_t a = 0; a < (up ? map.columns : map.rows).size(); ++a) {
    std::optional<std::pair<std::size_t, std::size_t>> first;
    for (std::size_t b = 0; b < (up ? map.rows : map.columns).size(); ++b) {
      const std::pair at = up ? std::pair(b, a) : std::pair(a, b);
      if (map.texts[at.first][at.second].empty()) continue;
      if (!first) first = at;
      if (differ(*first, at)) return true;
    }
  }
  return false;
}

/// Does an axis change the values by a fiftieth anywhere?
bool matters(const HeatMap& map, bool up) {
  return changes(map, up, [&](const auto& a, const auto& b) {
    const double x = map.values[a.first][a.second], y = map.values[b.first][b.second];
    return std::abs(x - y) > 0.02 * std::max(std::abs(x), std::abs(y));
  });
}

/// The map of what is asked for, or else of the first value in which both axes matter; an axis along which all cells
/// read alike has one entry for all its values.
HeatMap chosen_map(const std::string& asked, AxisOf across, AxisOf up, const std::vector<SweepPoint>& points,
                   const Mixture& own) {
  const Shown* value = &value_called(asked.empty() ? "total" : asked);
  HeatMap map = map_of(*value, across, up, points, own);
  for (const Shown& other : kValues) {
    if (!asked.empty() || (matters(map, true) && matters(map, false))) break;
    const HeatMap another = map_of(other, across, up, points, own);
    if (matters(another, true) && matters(another, false)) map = another, value = &other;
  }
  const auto reads_otherwise = [&](const auto& a, const auto& b) {
    return map.texts[a.first][a.second] != map.texts[b.first][b.second];
  };
  up.all_in_one = !changes(map, true, reads_otherwise);
  across.all_in_one = !changes(map, false, reads_otherwise);
  return map_of(*value, across, up, points, own);
}

/// A map over the first two axes that vary, at the first value of the others.
Plot sweep_plot(const SweepOptions& options, const Model& model, const SweepGrid& grid,
                std::vector<SweepPoint> points) {
  std::vector<AxisOf> varied, fixed;
  for (const AxisOf& axis : axes_of(grid))
    (axis.values.size() > 1 && varied.size() < 2 ? varied : fixed).push_back(axis);
  if (varied.size() < 2)
    throw Error("--plot",
                "--plot needs two axes with more than one value, such as --experts 8:64:*2 --top-k 1,2");
  std::erase_if(points, [&](const SweepPoint& p) {
    return std::any_of(fixed.begin(), fixed.end(),
                       [&](const AxisOf& a) { return !a.values.empty() && a.of(p) != a.values[0]; });
  });
  return {model.name + " with other experts",
          {},
          chosen_map(options.value, varied[0], varied[1], points, *model.moe),
          {}};
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
  if (!options.value.empty()) value_called(options.value);
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
  verb->add_option(
          "--value", options->value,
          "what the map shows: total, active, forward, ratio (total to active), padded or dropped; if "
          "not given, the first of them that both axes change")
      ->type_name("WHAT");
  for (const char* name :
       {"--experts", "--top-k", "--granularity", "--shared", "--factor", "--ctx", "--tokens", "--value"})
    verb->get_option(name)->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
