#include <algorithm>
#include <cmath>
#include <cstdio>

#include "deployment.h"
#include "moe/activation_memory.h"
#include "moe/roofline.h"
#include "table.h"

namespace moe::cli {
namespace {

struct MemoryOptions {
  ModelOptions model;
  DeploymentOptions devices;
  std::string dtype, expert_dtype, cache_dtype = "bf16", context = "4096", batch = "1", optimizer = "adamw16",
                                   window = "full", recompute = "none", load_factor = "1", offload;
};

/// What the verb prints: bytes, with what they were computed from.
struct Bytes {
  std::array<WeightFormat, kComponents> formats{};  // of each component
  const WeightFormat* cache_format = nullptr;
  std::array<double, kComponents> weights{};
  double all_weights = 0;
  std::int64_t context = 0, batch = 0;
  double kv_per_token = 0, index_per_token = 0, state = 0;  // of one sequence
  double cache = 0;                                         // of the batch at the context
  bool exact = true;
  std::int64_t per_param = 0;
  double training = 0;
  std::optional<ActivationBytes> activations{};  // of a model with experts
  std::int64_t offloaded = 0;                    // routed experts of each layer in the memory of the host
  std::optional<Offload> offload{};
};

const WeightFormat& format_in(const Bytes& b, Component c) { return b.formats[static_cast<std::size_t>(c)]; }

bool in_windows(const MemoryOptions& options) {
  if (options.window != "full" && options.window != "as-configured")
    throw Error("--window", "--window = " + shown(options.window) + " must be full or as-configured");
  return options.window != "full";
}

/// Bytes cached of a sequence of so many tokens.
double cache_of_sequence(const Model& m, const Bytes& b, const MemoryOptions& options, std::int64_t tokens) {
  const auto bytes = [&](std::int64_t numbers) { return bytes_of(numbers, *b.cache_format); };
  const double n = static_cast<double>(tokens);
  return (in_windows(options) ? bytes(kv_numbers_in_windows(m, tokens))
                              : bytes(kv_numbers_per_token(m)) * n) +
         bytes(index_numbers_per_token(m)) * n + bytes(state_numbers(m));
}

/// Fills in what is in the memory of the host.
void offload(Bytes& b, const NamedModel& named, const MemoryOptions& options) {
  DecodeSetting setting{.batch = static_cast<double>(b.batch), .context = b.context};
  for (std::size_t i = 0; i < kComponents; ++i) setting.weight_bytes[i] = b.formats[i].bits / 8;
  setting.offloaded = b.offloaded =
      offloaded_by(options.offload, named.model, format_in(b, Component::Routed).bits / 8);
  b.offload = offload_of(named.model, setting);
}

std::optional<ActivationBytes> activations_of(const NamedModel& named, const Bytes& b,
                                              const MemoryOptions& options) {
  if (count(named.model).moe_layers == 0) return std::nullopt;
  return activation_bytes(named.model, {.batch = b.batch,
                                        .context = b.context,
                                        .load_factor = parse_quantity("--load-factor", options.load_factor),
                                        .recompute = recompute_called(options.recompute),
                                        .devices = options.devices.deployment()});
}

Bytes bytes_of_model(const NamedModel& named, const ModelCount& counted, const MemoryOptions& options) {
  const Model& m = named.model;
  Bytes b;
  b.formats = formats_of(named, options.dtype, options.expert_dtype);
  b.cache_format = &format_called("--cache-dtype", options.cache_dtype);
  for (const Component c : kAllComponents) {
    const double bytes = bytes_of(counted[c].params, format_in(b, c));
    b.weights[static_cast<std::size_t>(c)] = bytes;
    b.all_weights += bytes;
    if (counted[c].params > 0) b.exact = b.exact && format_in(b, c).exact;
  }
  b.context = parse_index("--ctx", options.context, 0, Index{1} << 40);
  b.batch = parse_index("--batch", options.batch, 1, INT32_MAX);
  b.kv_per_token = bytes_of(kv_numbers_per_token(m), *b.cache_format);
  b.index_per_token = bytes_of(index_numbers_per_token(m), *b.cache_format);
  b.state = bytes_of(state_numbers(m), *b.cache_format);
  b.cache = static_cast<double>(b.batch) * cache_of_sequence(m, b, options, b.context);
  if (!(b.all_weights + b.cache < 0x1p63))
    throw Error("--batch", "--batch = " + options.batch + " times --ctx = " + options.context +
                               " must take less than 2^63 bytes of cache");
  b.per_param = training_bytes_per_param(options.optimizer);
  b.training = static_cast<double>(counted.total) * static_cast<double>(b.per_param);
  b.activations = activations_of(named, b, options);
  if (!options.offload.empty()) offload(b, named, options);
  return b;
}

/// What the devices of each stage hold, the fullest first.
std::vector<DeviceBytes> bytes_of_devices(const Model& m, const Bytes& b, const MemoryOptions& options) {
  const Deployment deployment = options.devices.deployment();
  std::vector<DeviceBytes> all;
  for (const DeviceCount& device : deploy(m, deployment)) {
    DeviceBytes d{device, {}, 0, 0, 0};
    for (std::size_t i = 0; i < kComponents; ++i) {
      d.weights[i] = bytes_of(device.params[i], b.formats[i]);
      d.all_weights += d.weights[i];
    }
    // The longest part of the context, and the largest part of the batch.
    const std::int64_t tokens = (b.context + deployment.cp - 1) / deployment.cp,
                       sequences = (b.batch + deployment.dp - 1) / deployment.dp;
    d.cache = static_cast<double>(sequences) * cache_of_sequence(device.part, b, options, tokens);
    d.training = training_bytes(device, deployment, options.optimizer);
    all.push_back(d);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const DeviceBytes& x, const DeviceBytes& y) { return x.all_weights > y.all_weights; });
  return all;
}

Json deployment_json(const Model& m, const Bytes& b, const MemoryOptions& options) {
  const std::vector<DeviceBytes> devices = bytes_of_devices(m, b, options);
  Json json = devices_json(options.devices.deployment());
  json["fullest"] = device_json(devices.front()), json["emptiest"] = device_json(devices.back());
  return json;
}

Json activation_json(const ActivationBytes& a, const MemoryOptions& options) {
  return {{"recompute", options.recompute},
          {"load_factor", parse_quantity("--load-factor", options.load_factor)},
          {"tokens", a.tokens},
          {"rows", a.rows},
          {"input", a.input},
          {"router", a.router},
          {"shared", a.shared},
          {"routed", a.routed},
          {"layer", a.layer},
          {"layers", a.layers},
          {"total", a.all}};
}

void print_json_of(const NamedModel& named, const ModelCount& counted, const Bytes& b,
                   const MemoryOptions& options) {
  Json json = model_json(named, counted), weights = Json::object(), dtypes = Json::object();
  for (const Component c : kAllComponents) {
    weights[name_of(c)] = b.weights[static_cast<std::size_t>(c)];
    dtypes[name_of(c)] = format_in(b, c).name;
  }
  weights["total"] = b.all_weights;
  json["dtype"] = format_in(b, Component::Embedding).name;
  json["expert_dtype"] = format_in(b, Component::Routed).name;
  json["dtypes"] = dtypes;
  json["cache_dtype"] = b.cache_format->name;
  json["weight_bytes"] = weights;
  json["cache_bytes"] = {{"kv_per_token", b.kv_per_token},
                         {"index_per_token", b.index_per_token},
                         {"state", b.state},
                         {"context", b.context},
                         {"window", options.window},
                         {"batch", b.batch},
                         {"total", b.cache}};
  json["training_bytes"] = {
      {"optimizer", options.optimizer}, {"per_param", b.per_param}, {"total", b.training}};
  if (b.activations) json["activation_bytes"] = activation_json(*b.activations, options);
  if (b.offload)
    json["offload"] = {{"experts", b.offloaded},
                       {"host_bytes", b.offload->host_bytes},
                       {"device_bytes", b.all_weights - b.offload->host_bytes},
                       {"bytes_per_step", b.offload->step_bytes},
                       {"bytes_per_token", b.offload->step_bytes / static_cast<double>(b.batch)}};
  json["deployment"] = deployment_json(named.model, b, options);
  if (!named.model.caveat.empty()) json["caveat"] = named.model.caveat;
  json["kind"] = kind_of_attention(named, b.exact ? "exact" : "model");
  std::fputs(print_json(json).c_str(), stdout);
}

void print_csv(const Bytes& b) {
  const auto row = [](const char* name, std::string_view dtype, double bytes) {
    std::printf("%s,%.*s,%.17g\n", name, static_cast<int>(dtype.size()), dtype.data(), bytes);
  };
  std::printf("part,dtype,bytes\n");
  for (const Component c : kAllComponents)
    row(name_of(c), format_in(b, c).name, b.weights[static_cast<std::size_t>(c)]);
  row("weights", "", b.all_weights), row("cache", b.cache_format->name, b.cache),
      row("training", "", b.training);
}

void print_row(const std::string& name, std::string_view dtype, double bytes, const char* kind) {
  std::printf("%-28s%-8s%18s%12.3f  %s\n", name.c_str(), std::string(dtype).c_str(),
              with_commas(static_cast<Index>(bytes)).c_str(), bytes / 0x1p30, kind);
}

void print_assumptions(const Bytes& b, const MemoryOptions& options) {
  print_wrapped(
      "assumes",
      "one device, where not said otherwise; a GB is 1e9 bytes, a GiB 2^30; scales of blocks count, padding "
      "does not; the cache "
      "holds " +
          std::string(
              options.window == "full"
                  ? "all of the context in every layer of attention, whatever its window (engines differ: "
                    "--window as-configured)"
                  : "no more than its window in layers that have one (engines differ: --window full)") +
          "; training is weights, gradients and "
          "optimizer state at " +
          std::to_string(b.per_param) + " bytes a parameter, beside activations");
  if (b.activations)
    print_wrapped("", "activations are what the backward pass of router and experts reads, of " +
                          with_commas(b.activations->tokens) + " tokens and " +
                          with_commas(std::llround(b.activations->rows)) +
                          " rows of experts on the fullest device, recompute " + options.recompute +
                          "; attention's are not counted");
  if (b.offload)
    print_wrapped("",
                  "a step of decoding brings each expert that it uses and that is in the host's memory once, "
                  "if choices are uniform");
}

void print_table(const NamedModel& named, const ModelCount& counted, const Bytes& b,
                 const MemoryOptions& options) {
  const Model& m = named.model;
  const Deployment deployment = options.devices.deployment();
  const std::vector<DeviceBytes> devices =
      bytes_of_devices(m, b, options);  // may refuse, so before anything is printed
  const auto kind = [](const WeightFormat& format) { return format.exact ? "exact" : "model"; };
  std::printf("%s\n%-36s%18s%12s\n", model_text(m, counted).c_str(), "", "bytes", "GiB");
  for (const Component c : kAllComponents) {
    const WeightFormat& format = format_in(b, c);
    if (counted[c].params > 0)
      print_row(component_text(m, counted, c), format.name, b.weights[static_cast<std::size_t>(c)],
                kind(format));
  }
  print_row("weights", "", b.all_weights, b.exact ? "exact" : "model");
  const char* cache_kind = m.caveat.empty() ? kind(*b.cache_format) : "model";
  print_row("cache per token", b.cache_format->name, b.kv_per_token, cache_kind);
  if (b.index_per_token > 0)
    print_row("indexer's keys per token", b.cache_format->name, b.index_per_token, cache_kind);
  if (b.state > 0) print_row("state per sequence", b.cache_format->name, b.state, cache_kind);
  print_row("cache, " + std::to_string(b.batch) + " x " + std::to_string(b.context), b.cache_format->name,
            b.cache, cache_kind);
  print_row("weights and cache", "", b.all_weights + b.cache, b.exact ? cache_kind : "model");
  print_row("training, " + options.optimizer, "", b.training, "exact");
  if (b.activations) {
    const ActivationBytes& a = *b.activations;
    print_row("activations, experts' layer", "bf16", a.layer, "model");
    print_row("the same, of " + std::to_string(a.layers) + " layers", "bf16", a.all, "model");
  }
  if (b.offload) {
    const std::string experts = std::to_string(b.offloaded) + " experts a layer";
    print_row("host, " + experts, "", b.offload->host_bytes, b.exact ? "exact" : "model");
    print_row("weights left on devices", "", b.all_weights - b.offload->host_bytes,
              b.exact ? "exact" : "model");
    print_row("link, for each token", "", b.offload->step_bytes / static_cast<double>(b.batch), "model");
  }
  if (deployment.devices() > 1) print_devices(deployment, devices.front(), devices.back());
  print_assumptions(b, options);
  if (!m.caveat.empty()) print_wrapped("model", m.caveat);
  print_legend(named, "exact: follows from fields and formats; model: from what is typical");
}

int act_on(const MemoryOptions& options) {
  const NamedModel named = options.model.load();
  const ModelCount counted = count(named.model);
  const Bytes b = bytes_of_model(named, counted, options);
  if (options.model.csv && options.devices.deployment().devices() > 1)
    throw Error("--csv", "--csv is of the whole model, and has no rows for devices");
  if (options.model.json)
    print_json_of(named, counted, b, options);
  else if (options.model.csv)
    print_csv(b);
  else
    print_table(named, counted, b, options);
  return 0;
}

}  // namespace

void add_memory(CLI::App& app, Act& act) {
  auto options = std::make_shared<MemoryOptions>();
  CLI::App* verb = app.add_subcommand("memory", "the memory of a model: weights, cache, training state");
  verb->footer(
      "Example: moe-oracle memory gpt-oss-120b --expert-dtype mxfp4 --ctx 131072\n"
      "Example: moe-oracle memory deepseek-v3 --tp 8 --pp 4 --ep 32 --dp 8 --recompute full --load-factor 2\n"
      "Example: moe-oracle memory mixtral-8x7b --offload 4 --batch 8");
  options->model.add_to(*verb);
  options->devices.add_to(*verb);
  const auto add = [&](const char* name, std::string& to, const char* what, const char* type) {
    verb->add_option(name, to, what)->type_name(type)->check(kNotEmpty);
  };
  add("--dtype", options->dtype,
      "of the weights: fp32, bf16, fp16, fp8, int8, mxfp4, nvfp4, q8_0, q4_0 or q4_k_m; as the file says if "
      "not given",
      "DTYPE");
  add("--expert-dtype", options->expert_dtype, "of the routed experts, if it is another", "DTYPE");
  add("--cache-dtype", options->cache_dtype, "of the cache; bf16 if not given", "DTYPE");
  add("--ctx", options->context, "tokens of context; 4096 if not given", "N");
  add("--window", options->window,
      "full, or as-configured: what layers with a window keep; full if not given", "NAME");
  add("--batch", options->batch, "sequences; 1 if not given", "N");
  add("--offload", options->offload,
      "routed experts in the host's memory: how many of each layer, or bytes, as in 100GB", "K|BYTES");
  add("--recompute", options->recompute,
      "of the activations in training: none, selective (rows' hidden numbers) or full", "WHAT");
  add("--load-factor", options->load_factor,
      "rows of a device's experts over those of equally full ones; 1 if not given", "X");
  add("--optimizer", options->optimizer, "adamw16 or megatron18: that many bytes a parameter", "NAME");
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
