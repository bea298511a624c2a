#include <cmath>

#include "moe/occupancy.h"
#include "sizing.h"
#include "table.h"

namespace moe::cli {
namespace {

struct CapacityOptions {
  std::string model, tokens = "4096", experts, top_k, factor = "1.25", groups = "1", tile = "128", trials;
  bool without_k = false;
  Output output;
};

/// The question, once its numbers are read.
struct CapacityQuestion {
  Index T, E, K, G, C, tile, trials;
  double factor;
  SlotBase base;
  Json model = Json::object();  // its parameters, if there is one
};

/// As many batches, up to eight, as are drawn before anyone notices: each needs T times E words.
constexpr Index kFreeDraws = 1 << 17;
Index free_trials(Index T, Index E) {
  const Index affordable = kFreeDraws / T / E;
  return affordable < 2 ? 0 : std::min(affordable, Index{8});
}

CapacityQuestion question(const CapacityOptions& o) {
  CapacityQuestion q{};
  if (!o.model.empty()) {
    if (!o.experts.empty() || !o.top_k.empty())
      throw Error("--experts", "--experts and --top-k have no meaning beside MODEL");
    const NamedModel named = model_called(o.model);
    if (count(named.model).moe_layers == 0)
      throw Error("MODEL", "MODEL = " + shown(o.model) + " must have experts");
    q.model = model_json(named, count(named.model));
    q.E = named.model.moe->num_experts, q.K = named.model.moe->top_k;
  } else {
    if (o.experts.empty() || o.top_k.empty())
      throw Error("MODEL", "MODEL is not given, nor --experts and --top-k");
    q.E = parse_index("--experts", o.experts, 1, INT32_MAX), q.K = parse_index("--top-k", o.top_k, 1, q.E);
  }
  q.T = parse_index("--tokens", o.tokens, 1, INT32_MAX);
  q.G = parse_index("--groups", o.groups, 1, q.E);
  q.tile = parse_index("--tile", o.tile, 1, INT32_MAX);
  q.trials = o.trials.empty() ? free_trials(q.T, q.E) : parse_index("--trials", o.trials, 0, 1'000'000);
  if (q.trials == 1)
    throw Error("--trials", "--trials = 1 must be 0 or at least 2: one trial says nothing of its error");
  q.factor = parse_quantity("--factor", o.factor);
  q.base = o.without_k ? SlotBase::Tokens : SlotBase::TokensTimesK;
  q.C = slots_per_expert(q.T, q.E, q.K, q.factor, q.base);
  return q;
}

std::string plus_minus(const Estimate& e, double scale, const std::string& unit) {
  return real(scale * e.mean).text + " ± " + real(scale * e.standard_error, 2).text + unit;
}
Json estimate_json(const Estimate& e) { return {{"mean", e.mean}, {"standard_error", e.standard_error}}; }

/// Factors and the slots of an expert that they give: all steps of a stair, or, where these are many, 60 points at
/// which a slot is full.
std::vector<std::pair<double, Index>> slots_over(const CapacityQuestion& q, double least, double most) {
  const double even = static_cast<double>(q.T) * static_cast<double>(q.base == SlotBase::Tokens ? 1 : q.K) /
                      static_cast<double>(q.E);  // slots at a factor of 1
  std::vector<std::pair<double, Index>> all;
  const auto first = static_cast<Index>(std::ceil(least * even)),
             last = static_cast<Index>(std::ceil(most * even));
  const bool stair = last - first < 60;
  for (Index C = first; C <= last; C += stair ? 1 : (last - first) / 60) {
    if (stair) all.emplace_back(std::clamp(static_cast<double>(C - 1) / even, least, most), C);
    all.emplace_back(std::clamp(static_cast<double>(C) / even, least, most), C);
  }
  return all;
}

/// Drops and idle slots over the factor, with the one that is asked for, and what was drawn there.
Panel drops_panel(const CapacityQuestion& q, const OccupancyTrials& router) {
  Panel panel;
  panel.title = "at " + with_commas(q.T) + " tokens";
  panel.x = {"capacity factor"}, panel.y = {"% of assignments, % of slots", false, true};
  Curve dropped{"dropped assignments", {}, {}, Mark::Line, 1}, idle{"idle slots", {}, {}, Mark::Line, 0};
  for (const auto& [factor, slots] :
       slots_over(q, std::min(0.5, q.factor / 1.2), std::max(2.5, 1.2 * q.factor))) {
    const Occupancy o = expected_occupancy(q.T, q.E, q.K, slots);
    dropped.x.push_back(factor), dropped.y.push_back(100 * o.dropped);
    idle.x.push_back(factor), idle.y.push_back(100 * o.idle);
  }
  panel.curves = {dropped, idle};
  const Occupancy asked = expected_occupancy(q.T, q.E, q.K, q.C);
  const auto mark = [&](double share, int colour, const std::string& what) {
    panel.curves.push_back({"", {q.factor}, {100 * share}, Mark::Dots, colour});
    panel.labels.push_back({q.factor, 100 * share, percent(share, 3).text + what});
  };
  mark(asked.idle, 0, " idle"), mark(asked.dropped, 1, " dropped");
  if (router.trials > 0)
    panel.curves.push_back({"by our router, " + with_commas(router.trials) + " batches",
                            {q.factor},
                            {100 * router.dropped.mean},
                            Mark::Dots,
                            6,
                            {100 * router.dropped.standard_error}});
  return panel;
}

/// Distinct experts over the batch, with the batch that is asked for, and what was drawn.
Panel unique_panel(const CapacityQuestion& q, const OccupancyTrials& router) {
  const auto E = static_cast<double>(q.E), K = static_cast<double>(q.K), asked = static_cast<double>(q.T);
  Panel panel;
  panel.title = "experts that a batch uses";
  panel.x = {"tokens T in the batch", true},
  panel.y = {"distinct experts of " + with_commas(q.E), false, true};
  Curve expected{"U(T) = E (1 - (1 - K/E)^T)", {}, {}, Mark::Line, 0},
      drawn{"by our router, 20 batches each", {}, {}, Mark::Dots, 6};
  const double last = std::max(asked, 4 * E / K);
  for (const double T : geometric(1, 1.1, last * 1.01)) {
    expected.x.push_back(T);
    expected.y.push_back(unique_experts(T, E, K));
  }
  const auto add = [&](Index T, const Estimate& e) {
    drawn.x.push_back(static_cast<double>(T)), drawn.y.push_back(e.mean);
    drawn.error.push_back(e.standard_error);
  };
  for (Index T = 1; static_cast<double>(T) <= 4 * E / K && T * q.E <= kFreeDraws; T *= 2)
    if (T != q.T || router.trials == 0) add(T, routed_occupancy(T, q.E, q.K, T, 1, 20).unique);
  if (router.trials > 0)
    add(q.T, router.unique), drawn.title = "by our router, 20 batches (" + with_commas(router.trials) +
                                           " at T = " + with_commas(q.T) + ')';
  const double distinct = unique_experts(asked, E, K);
  panel.curves = {expected, {"", {asked}, {distinct}, Mark::Dots, 1}, drawn};
  panel.labels = {{asked, distinct, real(distinct).text + " at T = " + with_commas(q.T)}};
  return panel;
}

Plot capacity_plot(const CapacityQuestion& q, const OccupancyTrials& router) {
  return {with_commas(q.E) + " experts, " + with_commas(q.K) + " a token, uniform routing",
          {drops_panel(q, router), unique_panel(q, router)},
          {},
          {}};
}

int act_on(const CapacityOptions& options) {
  const CapacityQuestion q = question(options);
  const Occupancy o = expected_occupancy(q.T, q.E, q.K, q.C);
  const Index trials = q.trials;
  Table table({"quantity", "expected", "by chance", "by our router", "kind"});
  Json document = q.model;
  document.update(
      Json({{"tokens", q.T}, {"experts", q.E}, {"top_k", q.K}, {"factor", q.factor}, {"slots", q.C}}));
  OccupancyTrials chance, router;
  if (trials > 0)
    chance = simulated_occupancy(q.T, q.E, q.K, q.C, q.G, trials),
    router = routed_occupancy(q.T, q.E, q.K, q.C, q.G, trials);
  const auto row = [&](const std::string& name, const Cell& expected, Estimate OccupancyTrials::*which,
                       double scale, const std::string& unit) {
    const bool drawn = trials > 0 && which != nullptr;
    const auto text = [&](const OccupancyTrials& t) {
      return drawn ? Cell{plus_minus(t.*which, scale, unit), (t.*which).mean} : none();
    };
    table.add({words(name), expected, text(chance), text(router), kind(Kind::Model)});
    document[name] = {{"expected", expected.value}, {"kind", "model"}};
    if (drawn)
      document[name]["by_chance"] = estimate_json(chance.*which),
      document[name]["by_router"] = estimate_json(router.*which);
  };
  const double T = static_cast<double>(q.T), E = static_cast<double>(q.E), K = static_cast<double>(q.K);
  table.add({words("slots of an expert"), whole(q.C), none(), none(), kind(Kind::Exact)});
  row("dropped", percent(o.dropped), &OccupancyTrials::dropped, 100, " %");
  row("idle slots", percent(o.idle), nullptr, 1, "");
  row("waste", percent(o.waste), nullptr, 1, "");
  row("distinct experts", real(unique_experts(T, E, K), 6), &OccupancyTrials::unique, 1, "");
  if (q.G > 1)
    row("groups of a token", real(distinct_groups(q.E, q.K, q.G)), &OccupancyTrials::groups, 1, "");
  row("dropless padding", percent(expected_padding(q.T, q.E, q.K, q.tile) / (T * K)), nullptr, 1, "");
  const std::string per = options.without_k ? "ceil(factor T / E)" : "ceil(factor T K / E)";
  std::string text =
      with_commas(q.T) + " tokens, " + with_commas(q.E) + " experts, " + with_commas(q.K) +
      " a token; C = " + per + ", factor " + real_text(q.factor) + "\n\n" + table.text() + '\n' +
      wrapped(
          "model: each token chooses uniformly and by itself. Real routers are skewed: more drops, fewer "
          "distinct experts. waste: slots for nothing, for each one used; dropless padding: rows added to "
          "fill "
          "tiles of " +
          with_commas(q.tile) + ", for each one used.");
  text += trials > 0 ? "measured: " + with_commas(trials) + " seeded batches, ± one standard error\n"
                     : "measured: nothing; --trials 10 would draw ten batches\n";
  document["trials"] = trials;
  return options.output.print(document, table, text, [&] { return capacity_plot(q, router); });
}

}  // namespace

void add_capacity(CLI::App& app, Act& act) {
  auto options = std::make_shared<CapacityOptions>();
  CLI::App* verb = app.add_subcommand(
      "capacity", "slots, drops and distinct experts: by formula, by chance, by our router");
  verb->footer(
      "Example: moe-oracle capacity --experts 64 --top-k 1 --factor 1.25\n"
      "Example: moe-oracle capacity mixtral-8x7b --tokens 16\n"
      "Example: moe-oracle capacity deepseek-v3 --tokens 512 --groups 8 --trials 10");
  verb->add_option("MODEL", options->model, "takes E and K from this model");
  verb->add_option("--tokens", options->tokens, "tokens of a batch, 4096 if not given")->type_name("T");
  verb->add_option("--experts", options->experts, "experts, without MODEL")->type_name("E");
  verb->add_option("--top-k", options->top_k, "experts a token, without MODEL")->type_name("K");
  verb->add_option("--factor", options->factor, "capacity factor, 1.25 if not given")->type_name("F");
  verb->add_flag("--without-k", options->without_k,
                 "the factor is of T / E, as ST-MoE has it, not of T K / E");
  verb->add_option("--groups", options->groups, "groups of experts, such as nodes, that a token is sent to")
      ->type_name("G");
  verb->add_option("--tile", options->tile, "rows to which a dropless kernel pads, 128 if not given")
      ->type_name("N");
  verb->add_option("--trials", options->trials,
                   "seeded batches; if not given, as many as take no time, up to 8")
      ->type_name("N");
  for (const char* name :
       {"MODEL", "--tokens", "--experts", "--top-k", "--factor", "--groups", "--tile", "--trials"})
    verb->get_option(name)->check(kNotEmpty);
  options->output.add_to(*verb);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
