#include <cstdio>
#include <set>

#include "bench_device.h"
#include "moe/backend.h"
#include "moe/check.h"
#include "moe/machine.h"
#include "moe/scalar/bound.h"
#include "moe/sizing_layer.h"
#include "moe/validate.h"
#include "sizing.h"
#include "stopwatch.h"
#include "table.h"
#include "workload.h"

namespace moe::cli {
namespace {

constexpr double kMostWeights = 720e6;  // of a layer's experts: what 24 GB hold with transposes and gradients
constexpr Index kDecode = 16;           // up to so many tokens the weights are all that is read

struct BenchOptions {
  std::vector<std::string> models;
  std::string tokens = "1,4,16,512,2048,8192", passes = "forward,both", dtypes = "f32,bf16", loads,
              repeat = "5", backend = "cpu";
  bool machine = false;
  Output output;
};

struct Row {
  std::string shape, dtype, pass, load;
  Config config;                                              // its tokens included
  double seconds = 0, arithmetic = 0, memory = 0, dense = 0;  // the two floors, and the dense twin
  double floor_ratio = 0, dense_ratio = 0;                    // medians of those of each round
};

std::vector<std::string> words_of(const std::string& option, const std::string& list,
                                  const std::vector<std::string>& known) {
  std::vector<std::string> words;
  std::istringstream in(list);
  for (std::string word; std::getline(in, word, ',');) {
    if (!known.empty() && std::find(known.begin(), known.end(), word) == known.end()) {
      std::string all;
      for (const std::string& name : known) all += (all.empty() ? "" : ", ") + name;
      throw Error(option, option + " = " + shown(word) + " must be among " + all);
    }
    words.push_back(word);
  }
  if (words.empty()) throw Error(option, option + " must name at least one");
  return words;
}

/// In each round, how long `amount` takes at the rate of the limit that is fastest in the median; seconds[i] are those of
/// limit i.
std::vector<double> floors(double amount, const std::vector<Limit>& limits,
                           const std::vector<std::vector<double>>& seconds) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < limits.size(); ++i)
    if (median(seconds[i]) / limits[i].amount < median(seconds[best]) / limits[best].amount) best = i;
  std::vector<double> floors = seconds[best];
  for (double& floor : floors) floor *= amount / limits[best].amount;
  return floors;
}

/// Fills a row from what each round gave: seconds of the layer and of its twin, and the floors.
void rate(Row& row, const std::vector<std::vector<double>>& seconds, const std::vector<double>& arithmetic,
          const std::vector<double>& memory) {
  std::vector<double> floor_ratios, dense_ratios;
  for (std::size_t r = 0; r < arithmetic.size(); ++r) {
    floor_ratios.push_back(std::max(arithmetic[r], memory[r]) / seconds[0][r]);
    dense_ratios.push_back(seconds[0][r] / seconds[1][r]);
  }
  row.seconds = median(seconds[0]), row.dense = median(seconds[1]);
  row.arithmetic = median(arithmetic), row.memory = median(memory);
  row.floor_ratio = median(floor_ratios), row.dense_ratio = median(dense_ratios);
}

/// A published layer that fits, its twin, and both loaded.
class Subject {
 public:
  Subject(const NamedModel& named, Format dtype) : dtype_(dtype) {
    if (!named.model.moe || named.model.moe->branches > 0 || named.model.moe->latent_size > 0)
      throw Error("MODEL", "MODEL = " + named.model.name + " must have experts that this program computes");
    const Mixture& x = *named.model.moe;
    std::int64_t s = 1;
    while (expert_weights(layer_of(x, named.model.hidden_size, 1, s)) > kMostWeights) s *= 2;
    case_.config = layer_of(x, named.model.hidden_size, 1, s);
    validate(case_.config);
    name_ = named.model.name + (s > 1 ? " / " + std::to_string(s) : "");
    case_.golden.id = name_;
    case_.golden.inputs = weights_for(case_.config);
    twin_config_ = dense_twin(case_.config);
    twin_weights_ = weights_for(twin_config_);
    layer_ = load_on(backend_called("cpu"), case_.config, case_.golden.inputs, dtype);
    twin_ = load_on(backend_called("cpu"), twin_config_, twin_weights_, dtype);
  }

  Row measure(Index T, const std::string& pass, Load load, int repeats) {
    const bool backward = pass == "both";
    std::vector<Inputs> batches;
    for (std::uint32_t i = 0; i < (T <= kDecode ? 8U : 1U); ++i)
      batches.push_back(batch_for(at_tokens(T), load, i));
    judge(batches[0], backward);

    Config twin = twin_config_;
    twin.shape.num_tokens = T;
    const Inputs dense_batch = batch_for(twin, load, 0);
    std::size_t next = 0;
    const auto run = [&](LoadedLayer& layer, const Inputs& batch) {
      layer.forward(batch);
      if (backward) layer.backward();
    };
    for (const Inputs& batch : batches)
      run(*layer_, batch);  // what is made once, for each expert that is used
    const double bytes = unique_bytes(batches, T, backward);
    const std::vector<Limit> products = arithmetic_limits(dtype_);
    const auto bytes_of = [](double some) { return static_cast<Index>(std::min(some, 1e9)); };
    const std::vector<Limit> readings = reading_limits(
        bytes_of(bytes),
        bytes_of(std::min(bytes * static_cast<double>(batches.size()),
                          expert_weights(case_.config) * static_cast<double>(info_of(dtype_).bytes))));
    std::vector<std::function<void()>> functions{[&] { run(*layer_, batches[next++ % batches.size()]); },
                                                 [&] { run(*twin_, dense_batch); }};
    for (const Limit& limit : products) functions.push_back(limit.run);
    for (const Limit& limit : readings) functions.push_back(limit.run);
    const auto seconds = seconds_by_round(functions, repeats, 0.05);
    const auto flops = (backward ? 6.0 : 2.0) *
                       static_cast<double>(layer_multiply_adds(at_tokens(T), T * case_.config.shape.top_k));
    Row row{name_, info_of(dtype_).name, pass, kLoads[static_cast<std::size_t>(load)], at_tokens(T)};
    rate(row, seconds, floors(flops, products, {seconds.begin() + 2, seconds.end()}),
         floors(bytes, readings, {seconds.end() - std::ssize(readings), seconds.end()}));
    return row;
  }

 private:
  Config at_tokens(Index T) const {
    Config config = case_.config;
    config.shape.num_tokens = T;
    return config;
  }

  /// What must be read at least: the weights of the experts that have rows, x and y; by a backward pass once more, and the
  /// gradients of weights written. What every batch needs, the router and the shared expert, counts where no cache can keep it.
  double unique_bytes(const std::vector<Inputs>& batches, Index T, bool backward) const {
    const auto [one, D, F, E, K] = Letters(case_.config);
    double touched = 0;
    for (const Inputs& batch : batches) {
      std::set<Index> experts;
      const Array& x = batch.at(Tensor::x);
      for (Index t = 0; t < T; ++t)
        for (Index e = 0; e < E; ++e)
          if (x.real(t * D + e) > 0) experts.insert(e);
      touched += static_cast<double>(experts.size()) / static_cast<double>(batches.size());
    }
    const double each = static_cast<double>(info_of(dtype_).bytes) * (backward ? 3 : 1);
    const double of_experts = touched / static_cast<double>(E) * expert_weights(case_.config) * each;
    const double of_all = static_cast<double>((3 * case_.config.shared.ffn_size + E) * D) * each;
    return of_experts + (of_all > static_cast<double>(last_level_cache()) ? of_all : 0) +
           (backward ? 16 : 8) * static_cast<double>(T * D);
  }

  /// Are the first two tokens right? Without a capacity they do not depend on the others. Gradients are held against HARD,
  /// which needs none of the weights' gradients in memory.
  void judge(const Inputs& batch, bool backward) {
    layer_->forward(batch);
    if (backward) layer_->backward();
    const Index n = std::min<Index>(2, batch.at(Tensor::x).dims.front()), D = case_.config.shape.hidden_size;
    case_.config.shape.num_tokens = n;
    for (const Tensor id : {Tensor::x, Tensor::dy}) {
      std::vector<double> values(static_cast<std::size_t>(n * D));
      batch.at(id).reals(0, values);
      case_.golden.inputs[id] = converted(array_of({n, D}, values.data()), Format::BF16, name_of(id));
    }
    const Matrix<double> y = layer_->rows(Tensor::y, 0, n);
    const Answer answer{{{"y", converted(array_of({n, D}, y.data()), dtype_, "y")}}, {}, {}};
    const CaseVerdict verdict = check(case_, answer, {});
    if (verdict.status != Status::Pass && verdict.status != Status::LowPower) wrong(Tensor::y);
    if (!backward || std::exchange(gradient_judged_, true)) return;
    const ProfileScope scope(profile_for(dtype_));
    const Params<Bound> params = params_of<Bound>(case_.config, case_.golden.inputs);
    const Decisions decisions = decide(case_.config, params_of<double>(case_.config, case_.golden.inputs));
    const Trace<Bound> trace = layer_forward(case_.config, params, decisions);
    const Matrix<Bound> dx =
        layer_backward(case_.config, params, trace, [](Index, const ExpertWeightGrads<Bound>&) {}).x;
    const Matrix<double> got = layer_->rows(Tensor::grad_x, 0, n);
    for (Index i = 0; i < got.size(); ++i)
      if (!(std::abs(got.data()[i] - dx.data()[i].v) <= dx.data()[i].e)) wrong(Tensor::grad_x);
  }
  void wrong(Tensor id) const {
    throw std::runtime_error(name_ + ": what is to be timed is wrong, as check sees it: " + name_of(id));
  }

  Format dtype_;
  bool gradient_judged_ = false;  // it takes seconds
  CheckCase case_;
  Config twin_config_;
  Inputs twin_weights_;
  std::string name_;
  std::unique_ptr<LoadedLayer> layer_, twin_;
};

std::string time_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 1 ? "%.3g ms" : "%.3g s", seconds < 1 ? 1e3 * seconds : seconds);
  return text;
}
Cell time_cell(double seconds) { return {time_text(seconds), seconds}; }

Json row_json(const Row& r) {
  return {{"shape", r.shape},
          {"dtype", r.dtype},
          {"pass", r.pass},
          {"tokens", r.config.shape.num_tokens},
          {"load", r.load},
          {"seconds", r.seconds},
          {"floor_ratio", r.floor_ratio},
          {"dense_ratio", r.dense_ratio},
          {"floor_arithmetic_seconds", r.arithmetic},
          {"floor_memory_seconds", r.memory},
          {"dense_seconds", r.dense},
          {"tokens_per_second", static_cast<double>(r.config.shape.num_tokens) / r.seconds},
          {"hidden_size", r.config.shape.hidden_size},
          {"ffn_size", r.config.shape.ffn_size},
          {"num_experts", r.config.shape.num_experts},
          {"top_k", r.config.shape.top_k}};
}

int print_machine(const BenchOptions& options) {
  std::vector<Limit> limits;
  for (const Format dtype : {Format::F32, Format::BF16})
    for (Limit& product : arithmetic_limits(dtype)) {
      product.name += std::string(" ") + info_of(dtype).name;
      limits.push_back(std::move(product));
    }
  const std::size_t products = limits.size();
  for (Limit& reading : reading_limits(Index{1} << 30, Index{1} << 30)) limits.push_back(std::move(reading));
  std::vector<std::function<void()>> functions;
  functions.reserve(limits.size());
  for (const Limit& limit : limits) functions.push_back(limit.run);
  const auto seconds = seconds_by_round(functions, 9, 0.05);
  Table table({"limit", "in_one_go", "rate"});
  Json document{{"limits", Json::array()}};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const char* unit = i < products ? "FLOP" : "B";
    table.add({words(limits[i].name), scaled(limits[i].amount, unit),
               scaled(limits[i].amount / median(seconds[i]), std::string(unit) + "/s")});
    document["limits"].push_back(
        {{"name", limits[i].name}, {"amount", limits[i].amount}, {"seconds", median(seconds[i])}});
  }
  return options.output.print(
      document, table,
      table.text() + '\n' +
          wrapped("Medians of nine, in a random order, by all threads; last-level cache " +
                  with_commas(last_level_cache()) + " bytes."));
}

int act_on_device(const BenchOptions& options) {
  DeviceBench bench{options.backend,
                    options.models,
                    words_of("--dtype", options.dtypes, {}),
                    {},
                    {},
                    false,
                    static_cast<int>(parse_index("--repeat", options.repeat, 1, 1000))};
  for (const std::string& word : words_of("--tokens", options.tokens, {}))
    bench.tokens.push_back(parse_index("--tokens", word, 1, 1 << 24));
  const std::vector<std::string> all_loads(kLoads.begin(), kLoads.end());
  for (const std::string& load :
       words_of("--load", options.loads.empty() ? "balanced" : options.loads, all_loads))
    bench.loads.push_back(
        static_cast<Load>(std::find(all_loads.begin(), all_loads.end(), load) - all_loads.begin()));
  for (const std::string& pass : words_of("--pass", options.passes, {"forward", "both"}))
    bench.backward = bench.backward || pass == "both";
  return bench_device(bench, options.output);
}

int act_on(const BenchOptions& options) {
  if (options.backend != "cpu") return act_on_device(options);
  if (const std::string reason = backend_called("cpu").declines(Config(), Format::F32); !reason.empty())
    throw CannotRun(reason);
  if (options.machine) return print_machine(options);
  const auto repeats = static_cast<int>(parse_index("--repeat", options.repeat, 1, 1000));
  std::vector<Index> tokens;
  for (const std::string& word : words_of("--tokens", options.tokens, {}))
    tokens.push_back(parse_index("--tokens", word, 1, 1 << 20));
  const std::vector<std::string> all_loads(kLoads.begin(), kLoads.end());
  const std::vector<std::string> passes = words_of("--pass", options.passes, {"forward", "both"}),
                                 dtypes = words_of("--dtype", options.dtypes, {"f32", "bf16"}),
                                 loads = words_of(
                                     "--load", options.loads.empty() ? "balanced" : options.loads, all_loads);
  std::vector<Row> rows;
  {
    ProgressBar bar;
    const double all = static_cast<double>(options.models.size() * dtypes.size() * tokens.size() *
                                           passes.size() * loads.size());
    for (const std::string& model : options.models)
      for (const std::string& dtype : dtypes) {
        Subject subject(model_called(model), real_format("--dtype", dtype));
        for (const std::string& load : loads)
          for (const Index T : tokens)
            for (const std::string& pass : passes) {
              const auto which = std::find(all_loads.begin(), all_loads.end(), load) - all_loads.begin();
              rows.push_back(subject.measure(T, pass, static_cast<Load>(which), repeats));
              bar(static_cast<double>(rows.size()) / all);
            }
      }
  }
  Table table({"shape", "dtype", "pass", "tokens", "load", "seconds", "arithmetic", "memory", "floor_ratio",
               "dense_ratio"});
  Json document{{"rows", Json::array()}};
  for (const Row& r : rows) {
    table.add({words(r.shape), words(r.dtype), words(r.pass), whole(r.config.shape.num_tokens), words(r.load),
               time_cell(r.seconds), time_cell(r.arithmetic), time_cell(r.memory), real(r.floor_ratio, 3),
               real(r.dense_ratio, 3)});
    document["rows"].push_back(row_json(r));
  }
  return options.output.print(
      document, table,
      table.text() + '\n' +
          wrapped("Medians of " + options.repeat +
                  " rounds, in each of which the layer, its floors and its dense twin "
                  "are timed in a random order; so are the ratios. arithmetic: the "
                  "layer's FLOPs at the rate of the fastest large product; memory: its "
                  "unique bytes at the rate of reading as "
                  "many; floor_ratio: the larger of the two over seconds; "
                  "dense_ratio: seconds over those of a dense "
                  "block of as many multiply-adds. both: forward and backward."));
}

}  // namespace

void add_bench(CLI::App& app, Act& act) {
  auto options = std::make_shared<BenchOptions>();
  options->models = {"mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v3", "olmoe-1b-7b", "gpt-oss-20b"};
  CLI::App* verb =
      app.add_subcommand("bench", "time backend cpu against this machine's limits and the dense twin");
  verb->footer("Example: moe-oracle bench mixtral-8x7b --tokens 1,512 --dtype f32 --pass forward");
  verb->add_option("MODEL", options->models,
                   "whose layer, made smaller until it fits; else five published ones")
      ->check(kNotEmpty);
  const auto text = [&](const char* name, std::string& value, const char* what, const char* type) {
    verb->add_option(name, value, what)->type_name(type)->check(kNotEmpty);
  };
  text("--tokens", options->tokens, "numbers of tokens, 1,4,16,512,2048,8192 if not given", "T,...");
  text("--pass", options->passes, "forward, both (with the backward pass)", "PASS,...");
  text("--dtype", options->dtypes, "f32, bf16", "DTYPE,...");
  text("--load", options->loads, "balanced (if not given), zipf, all-to-one", "LOAD,...");
  text("--repeat", options->repeat, "samples of each, 5 if not given", "N");
  text("--backend", options->backend, "cpu (if not given) or cuda, which the device's own clock times",
       "NAME");
  verb->add_flag("--machine", options->machine, "only what this machine can do at most");
  options->output.add_to(*verb, false);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
