#include <algorithm>
#include <cmath>
#include <cstdio>

#include "deployment.h"
#include "table.h"

namespace moe::cli {
namespace {

struct FlopsOptions {
  ModelOptions model;
  ExchangeOptions exchange;
  std::string context = "4096", tokens, recompute = "none";
  bool causal = false, full = false;

  Span span() const { return full ? Span::Full : Span::Causal; }
};

double tokens_of(const FlopsOptions& options) {
  const double tokens = parse_quantity("--tokens", options.tokens);
  const std::size_t exponent = options.tokens.find_first_of("eE");
  if (tokens > 1e18 || (exponent != std::string::npos &&
                        exponent + 1 < options.tokens.size()))  // of what is counted, 14.8T and not 1.48e13
    throw Error("--tokens", "--tokens = " + shown(options.tokens) +
                                " must be a number in (0, 1e18], as in 300B or 14.8T");
  return tokens;
}

/// By how much 6 N per token, N the active parameters, misses what is counted; percent.
double six_n_error(const ModelCount& counted, const ModelFlops& f) {
  return 100 * (6 * static_cast<double>(counted.active.full) / static_cast<double>(f.training) - 1);
}

std::vector<DeviceFlops> devices_of(const NamedModel& named, const FlopsOptions& options) {
  std::vector<DeviceFlops> all =
      device_flops(named.model, options.exchange.deployment(),
                   parse_index("--ctx", options.context, 0, Index{1} << 40), options.span());
  std::stable_sort(all.begin(), all.end(),
                   [](const DeviceFlops& x, const DeviceFlops& y) { return x.total > y.total; });
  return all;
}

Json device_json(const DeviceFlops& device) {
  Json forward = Json::object();
  for (const Component c : kAllComponents) forward[name_of(c)] = device.forward[static_cast<std::size_t>(c)];
  forward["scores"] = device.scores, forward["total"] = device.total;
  return {{"stage", device.stage}, {"forward", forward}};
}

Json deployment_json(const NamedModel& named, const FlopsOptions& options) {
  const std::vector<DeviceFlops> devices = devices_of(named, options);
  Json json = devices_json(options.exchange.deployment());
  json["busiest"] = device_json(devices.front()), json["idlest"] = device_json(devices.back());
  json["kind"] = "model";
  return json;
}

void print_devices(const NamedModel& named, const FlopsOptions& options) {
  const std::vector<DeviceFlops> devices = devices_of(named, options);
  const DeviceFlops &most = devices.front(), &least = devices.back();
  std::printf("\n%s\n%-27s%20s%20s\n", devices_text(options.exchange.deployment()).c_str(),
              "FLOPs of a device, forward", ("busiest, stage " + std::to_string(most.stage)).c_str(),
              ("idlest, stage " + std::to_string(least.stage)).c_str());
  const auto row = [](const char* name, double x, double y) {
    if (x + y > 0)
      std::printf("%-27s%20s%20s\n", name, with_commas(std::llround(x)).c_str(),
                  with_commas(std::llround(y)).c_str());
  };
  for (const Component c : kAllComponents) {
    const auto i = static_cast<std::size_t>(c);
    row(name_of(c), most.forward[i], least.forward[i]);
  }
  row("scores", most.scores, least.scores), row("total", most.total, least.total);
  print_wrapped("assumes", "for each token of the whole batch, if experts are equally full (model)");
}

void print_json_of(const NamedModel& named, const ModelCount& counted, const ModelFlops& f,
                   const FlopsOptions& options) {
  Json json = model_json(named, counted);
  Json forward = Json::object();
  for (const Component c : kAllComponents) forward[name_of(c)] = f.forward[static_cast<std::size_t>(c)];
  forward["scores"] = f.scores;
  forward["total"] = f.forward_total;
  json["context"] = parse_index("--ctx", options.context, 0, Index{1} << 40);
  json["span"] = options.full ? "full" : "causal";
  json["recompute"] = options.recompute;
  json["flops_per_token"] = {{"forward", forward}, {"training", f.training}, {"hardware", f.hardware}};
  json["six_n_error_percent"] = six_n_error(counted, f);
  if (!options.tokens.empty()) {
    const double tokens = tokens_of(options);
    json["tokens"] = tokens;
    json["training_flops"] = static_cast<double>(f.training) * tokens;
  }
  if (options.exchange.shared()) json["deployment"] = deployment_json(named, options);
  if (options.exchange.asked())
    json["all_to_all"] = exchange_json(options.exchange, named.model, counted.moe_layers);
  if (!named.model.caveat.empty()) json["caveat"] = named.model.caveat;
  json["kind"] = kind_of_attention(named);
  std::fputs(print_json(json).c_str(), stdout);
}

void print_csv(const ModelFlops& f) {
  const auto row = [](const char* name, std::int64_t forward, std::int64_t training) {
    std::printf("%s,%lld,%lld\n", name, static_cast<long long>(forward), static_cast<long long>(training));
  };
  std::printf("component,forward,training\n");
  for (const Component c : kAllComponents)
    row(name_of(c), f.forward[static_cast<std::size_t>(c)], 3 * f.forward[static_cast<std::size_t>(c)]);
  row("scores", f.scores, 3 * f.scores), row("total", f.forward_total, f.training);
  row("hardware", f.forward_total, f.hardware);
}

void print_row(const std::string& name, std::int64_t forward, std::int64_t training,
               const std::string& share) {
  std::printf("%-27s%20s%20s%s\n", name.c_str(), with_commas(forward).c_str(), with_commas(training).c_str(),
              share.c_str());
}

/// A line under the column of training.
void print_training(const std::string& name, const std::string& flops, const std::string& rest) {
  std::printf("%-47s%20s%s%s\n", name.c_str(), flops.c_str(), rest.empty() ? "" : "  ", rest.c_str());
}

std::string assumptions(const Model& m, const FlopsOptions& options) {
  std::string text =
      "a multiply-add is 2 FLOPs; training is 3 x forward, as MFU counts; the embedding is looked up, 0; the "
      "router counts; ";
  text += options.full ? "each token attends to the whole context"
                       : "causal: half of the context on average (s/2, as Megatron-LM)";
  text +=
      "; windows and sparse attention count as full attention; states of linear attention and Mamba do not "
      "count";
  if (m.encoder_layers > 0) text += "; a token is one of the encoder and one of the decoder";
  if (m.mtp_modules > 0) text += "; without MTP modules";
  return text;
}

void print_table(const NamedModel& named, const ModelCount& counted, const ModelFlops& f,
                 const FlopsOptions& options) {
  const Model& m = named.model;
  std::printf("%s\n%-27s%20s%20s     share\n", model_text(m, counted).c_str(), "FLOPs per token", "forward",
              "training");
  const auto row = [&](const std::string& name, std::int64_t part) {
    char share[20];
    std::snprintf(share, sizeof share, "%8.2f %%",
                  100 * static_cast<double>(part) / static_cast<double>(f.forward_total));
    if (part > 0) print_row(name, part, 3 * part, share);
  };
  for (const Component c : kAllComponents)
    row(component_text(m, counted, c), f.forward[static_cast<std::size_t>(c)]);
  row("scores, context " + options.context, f.scores);
  print_row("total", f.forward_total, f.training, "");
  if (f.hardware != f.training)
    print_training("with recompute " + options.recompute, with_commas(f.hardware), "for HFU");
  const double error = six_n_error(counted, f);
  print_training("6 N, N active full", amount_text(6 * static_cast<double>(counted.active.full), " G"),
                 (error < 0 ? "" : "+") + percent_text(error));
  if (!options.tokens.empty())
    print_training("training on " + amount_text(tokens_of(options)) + " tokens",
                   amount_text(static_cast<double>(f.training) * tokens_of(options)), "");
  print_wrapped("assumes", assumptions(m, options));
  if (options.exchange.shared()) print_devices(named, options);
  if (options.exchange.asked()) print_exchange(options.exchange, m, counted.moe_layers);
  if (!m.caveat.empty()) print_wrapped("model", m.caveat);
  print_legend(named, "exact: every integer follows from the fields; shares and 6 N are rounded");
}

int act_on(const FlopsOptions& options) {
  const NamedModel named = options.model.load();
  const ModelCount counted = count(named.model);
  const std::int64_t context = parse_index("--ctx", options.context, 0, Index{1} << 40);
  if (!options.tokens.empty()) tokens_of(options);
  const ModelFlops f = flops(named.model, context, options.span(), recompute_called(options.recompute));
  if (options.exchange.asked()) {
    require_exchange(options.exchange, named.model);
    if (options.model.csv) throw Error("--csv", "--csv is of FLOPs, and has no rows for --ep");
  }
  if (options.exchange.shared()) {
    devices_of(named, options);  // may refuse, so before anything is printed
    if (options.model.csv) throw Error("--csv", "--csv is of the whole model, and has no rows for devices");
  }
  if (options.model.json)
    print_json_of(named, counted, f, options);
  else if (options.model.csv)
    print_csv(f);
  else
    print_table(named, counted, f, options);
  return 0;
}

}  // namespace

void add_flops(CLI::App& app, Act& act) {
  auto options = std::make_shared<FlopsOptions>();
  CLI::App* verb =
      app.add_subcommand("flops", "the FLOPs of a model for each token: forward, training, by component");
  verb->footer(
      "Example: moe-oracle flops deepseek-v3 --ctx 4096 --tokens 14.8T\n"
      "Example: moe-oracle flops deepseek-v3 --tp 8 --pp 4 --ep 32 --dp 8 --nodes 4");
  options->model.add_to(*verb);
  options->exchange.add_to(*verb);
  verb->add_option("--ctx", options->context, "tokens of context; 4096 if not given")
      ->type_name("N")
      ->check(kNotEmpty);
  auto* causal =
      verb->add_flag("--causal", options->causal,
                     "a token attends to those before it, half of the context on average; the default");
  verb->add_flag("--full", options->full, "a token attends to the whole context")->excludes(causal);
  verb->add_option("--recompute", options->recompute,
                   "what the backward pass computes again: none, selective (scores) or full")
      ->type_name("WHAT")
      ->check(kNotEmpty);
  verb->add_option("--tokens", options->tokens, "training tokens in all, as in 14.8T")
      ->type_name("N")
      ->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
