#include <algorithm>
#include <cstdio>

#include "deployment.h"

namespace moe::cli {
namespace {

struct MemoryOptions {
  ModelOptions model;
  DeploymentOptions devices;
  std::string dtype, expert_dtype, cache_dtype = "bf16", context = "4096", batch = "1", optimizer = "adamw16",
                                   window = "full";
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
};

const WeightFormat& format_in(const Bytes& b, Component c) { return b.formats[static_cast<std::size_t>(c)]; }

/// What every component is stored in: as the options say, else as the file or the publisher does, else bf16.
std::array<WeightFormat, kComponents> formats_of(const NamedModel& named, const MemoryOptions& options) {
  std::array<WeightFormat, kComponents> formats{};
  formats.fill(format_called("--dtype", options.dtype.empty() ? "bf16" : options.dtype));
  WeightFormat& experts = formats[static_cast<std::size_t>(Component::Routed)];
  const std::optional<StoredWeights>& stored =
      named.published != nullptr ? named.published->stored : named.stored;
  if (options.dtype.empty() && stored) {
    for (std::size_t i = 0; i < kComponents; ++i)
      if (stored->quantized[i]) formats[i] = stored->format;
    if (named.expert_format) experts = *named.expert_format;
  }
  if (!options.expert_dtype.empty()) experts = format_called("--expert-dtype", options.expert_dtype);
  return formats;
}

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

Bytes bytes_of_model(const NamedModel& named, const ModelCount& counted, const MemoryOptions& options) {
  const Model& m = named.model;
  Bytes b;
  b.formats = formats_of(named, options);
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
  const Deployment d = options.devices.deployment();
  const std::vector<DeviceBytes> devices = bytes_of_devices(m, b, options);
  return {{"devices", d.devices()},
          {"tp", d.tp},
          {"pp", d.pp},
          {"ep", d.ep},
          {"etp", d.etp},
          {"dp", d.dp},
          {"cp", d.cp},
          {"zero", d.zero},
          {"fullest", device_json(devices.front())},
          {"emptiest", device_json(devices.back())}};
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
  if (deployment.devices() > 1) print_devices(deployment, devices.front(), devices.back());
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
          std::to_string(b.per_param) + " bytes a parameter, without activations");
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
  verb->footer("Example: moe-oracle memory gpt-oss-120b --expert-dtype mxfp4 --ctx 131072");
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
  add("--optimizer", options->optimizer, "adamw16 or megatron18: that many bytes a parameter", "NAME");
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
