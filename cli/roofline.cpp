#include "moe/roofline.h"

#include <cmath>

#include "deployment.h"
#include "moe/occupancy.h"
#include "roofline_plot.h"
#include "study.h"

namespace moe::cli {
namespace {

struct RooflineOptions : StudyOptions {
  DeploymentOptions devices;
  std::string hardware = "h100", peak, bandwidth, dtype = "bf16", expert_dtype, context = "4096", offload,
              link;
};

struct RooflineQuestion {
  NamedModel named;
  ModelCount counted;
  Machine machine;
  DecodeSetting setting;
  double E = 1, K = 1;
  double weights = 0;       // bytes of all of them that are on devices
  double expert_bytes = 2;  // of a number of an expert
};

RooflineQuestion question(const RooflineOptions& o) {
  RooflineQuestion q;
  q.named = o.load(), q.counted = count(q.named.model);
  if (o.peak.empty() != o.bandwidth.empty())
    throw Error("--peak", "--peak and --bandwidth must be given together");
  q.machine = o.peak.empty() ? machine_called(o.hardware)
                             : Machine{"given", parse_quantity("--peak", o.peak),
                                       parse_quantity("--bandwidth", o.bandwidth), "--peak and --bandwidth"};
  const auto formats = formats_of(q.named, o.dtype == "stored" ? "" : o.dtype, o.expert_dtype);
  for (std::size_t i = 0; i < kComponents; ++i) {
    q.setting.weight_bytes[i] = formats[i].bits / 8;
    q.weights += static_cast<double>(q.counted.parts[i].params) * q.setting.weight_bytes[i];
  }
  q.expert_bytes = q.setting.weight_bytes[static_cast<std::size_t>(Component::Routed)];
  q.setting.devices = o.devices.deployment();
  if (!o.offload.empty()) {
    q.setting.offloaded = offloaded_by(o.offload, q.named.model, q.expert_bytes);
    q.weights -= offload_of(q.named.model, q.setting).host_bytes;
  }
  if (!o.link.empty()) q.setting.link = parse_quantity("--link", o.link);
  q.setting.context = parse_index("--ctx", o.context, 0, Index{1} << 40);
  if (q.counted.moe_layers > 0) {
    q.E = static_cast<double>(q.named.model.moe->num_experts);
    q.K = static_cast<double>(q.named.model.moe->top_k);
  }
  return q;
}

DecodeBound bound_at(const RooflineQuestion& q, double batch) {
  DecodeSetting setting = q.setting;
  setting.batch = batch;
  return decode_bound(q.named.model, q.machine, setting);
}

Table table_of(const RooflineQuestion& q) {
  Table table({"batch", "distinct experts", "FLOP/byte", "weights", "cache", "tokens/s", "limit"});
  for (std::int64_t sequences = 1; sequences <= 16384; sequences *= 4) {
    const double batch = static_cast<double>(sequences);
    const DecodeBound bound = bound_at(q, batch);
    table.add({whole(sequences), real(unique_experts(batch, q.E, q.K)),
               real(expert_intensity(batch, q.E, q.K, q.expert_bytes)),
               scaled(bound.other_bytes + bound.expert_bytes, "B"), scaled(bound.cache_bytes, "B"),
               real(bound.tokens_per_second), words(name_of(bound.limit))});
  }
  return table;
}

Json machine_json(const Machine& m) {
  Json json{{"name", m.name}, {"peak", m.peak}, {"bandwidth", m.bandwidth}, {"ridge", m.ridge()}};
  if (m.peak_fp8 > 0) json["peak_fp8"] = m.peak_fp8;
  if (m.memory > 0) json["memory"] = m.memory;
  json["source"] = m.source;
  return json;
}

/// The largest batch whose caches fit beside the weights on every device; 0 where the weights alone do not, and nothing where the
/// memory is not known or no cache grows with the batch.
std::optional<std::int64_t> largest_batch(const RooflineQuestion& q) {
  const auto memory_at = [&](std::int64_t batch) {
    DecodeSetting setting = q.setting;
    setting.batch = static_cast<double>(batch);
    return decode_memory(q.named.model, setting);
  };
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (q.machine.memory <= 0 || memory_at(kMost) == memory_at(1)) return std::nullopt;
  std::int64_t most = 0;
  for (std::int64_t step = kMost; step > 0; step /= 2)
    if (memory_at(most + step) <= q.machine.memory) most += step;
  return most;
}

std::string fits_line(const RooflineQuestion& q, std::optional<std::int64_t> batch) {
  if (batch.value_or(0) == 0) return "";
  return wrapped("memory: beside the weights of a device its " + scaled(q.machine.memory, "B").text +
                 " hold the caches of a batch of up to " + with_commas(*batch) + " sequences.");
}

/// How many devices hold the weights, where one does not; or how many there are.
std::string devices_line(const RooflineQuestion& q, std::optional<std::int64_t> devices) {
  const Deployment& d = q.setting.devices;
  if (d.devices() > 1)
    return wrapped(
        "devices: " + devices_text(d) +
        "; bytes are the slowest one's, the batch is all sequences of a stage of the pipeline, which is "
        "full; what devices send each other is not in it.");
  if (devices.value_or(1) == 1) return "";
  return wrapped("devices: " + with_commas(*devices) + " such devices hold the weights, " +
                 scaled(q.weights, "B").text + ", which are more than the " +
                 scaled(q.machine.memory, "B").text + " of one " + q.machine.name +
                 "; tokens/s is what one allows.");
}

/// What is in the memory of the host, and what comes from there.
std::string offload_line(const RooflineQuestion& q) {
  if (q.setting.offloaded == 0) return "";
  const Offload one = offload_of(q.named.model, q.setting);
  return wrapped("offload: " + std::to_string(q.setting.offloaded) + " experts of each layer, " +
                 scaled(one.host_bytes, "B").text + ", are in the memory of the host; one sequence brings " +
                 scaled(one.step_bytes, "B").text + " a token over the link of " +
                 scaled(q.setting.link, "B/s").text + '.');
}

int act_on(const RooflineOptions& options) {
  const RooflineQuestion q = question(options);
  const Machine& m = q.machine;
  const Table table = table_of(q);
  const double experts = crossover_batch(m, q.E, q.K, q.expert_bytes),
               dense = crossover_batch(m, 1, 1,
                                       q.setting.weight_bytes[static_cast<std::size_t>(Component::Dense)]);
  Json document = model_json(q.named, q.counted);
  document["machine"] = machine_json(m);
  const std::optional<std::int64_t> devices = devices_for(m, q.weights);
  if (devices) document["devices"] = *devices;
  const std::optional<std::int64_t> batch = largest_batch(q);
  if (batch) document["largest_batch"] = *batch;
  if (q.setting.devices.devices() > 1) document["deployment"] = devices_json(q.setting.devices);
  if (q.setting.offloaded > 0) {
    const Offload one = offload_of(q.named.model, q.setting);
    document["offload"] = {{"experts", q.setting.offloaded},
                           {"host_bytes", one.host_bytes},
                           {"bytes_per_token", one.step_bytes},
                           {"link", q.setting.link}};
  }
  document["crossover_batch"] = {{"experts", experts}, {"dense", dense}};
  document["context"] = q.setting.context, document["kind"] = kind_of(q.named, "model"),
  document["decode"] = table.json();
  const std::string text =
      q.named.model.name + " on " + m.name + ": " + scaled(m.peak, "FLOP/s").text + ", " +
      scaled(m.bandwidth, "B/s").text + ", ridge " + real(m.ridge()).text + " FLOP/byte\n\n" + table.text() +
      '\n' +
      wrapped("crossover: T* = ridge b E / (2 K) = " + real(m.ridge()).text + " x " +
              real(q.expert_bytes).text + " x " + real(q.E).text + " / (2 x " + real(q.K).text +
              ") = " + whole(std::llround(experts)).text + " tokens; a dense block " +
              whole(std::llround(dense)).text + '.') +
      devices_line(q, devices) + offload_line(q) + fits_line(q, batch) +
      wrapped("all of it is model: an upper bound for decoding at a context of " +
              with_commas(q.setting.context) +
              ", uniform routing, every weight read once a step, no other limit. " + m.source);
  return options.output().print(document, table, text,
                                [&] { return roofline_plot(q.named.model, m, q.setting); });
}

}  // namespace

void add_roofline(CLI::App& app, Act& act) {
  auto options = std::make_shared<RooflineOptions>();
  CLI::App* verb = app.add_subcommand("roofline", "how many tokens/s memory and arithmetic allow a model");
  verb->footer(
      "Example: moe-oracle roofline mixtral-8x7b\n"
      "Example: moe-oracle roofline deepseek-v3 --hw cpu --dtype int8 --ctx 1024\n"
      "Example: moe-oracle roofline deepseek-v3 --hw mi300x --dtype fp8\n"
      "Example: moe-oracle roofline deepseek-v3 --tp 8 --ep 32 --dp 4 --dtype fp8\n"
      "Example: moe-oracle roofline mixtral-8x7b --hw rtx-4090 --offload 6 --link 25G\n"
      "Example: moe-oracle roofline gpt-oss-120b --expert-dtype mxfp4 --peak 989T --bandwidth 3.35T");
  options->add_to(*verb);
  verb->add_option("--hw", options->hardware,
                   "h100 if not given; a name, of which a wrong one lists all, or a JSON file")
      ->type_name("NAME|FILE");
  verb->add_option("--peak", options->peak, "FLOP/s of matrix products, in place of --hw")
      ->type_name("FLOPS");
  verb->add_option("--bandwidth", options->bandwidth, "bytes/s of memory")->type_name("BYTES");
  verb->add_option("--dtype", options->dtype,
                   "of weights, bf16 if not given; stored: as the file or the publisher says")
      ->type_name("DTYPE");
  options->devices.add_to(*verb);
  verb->add_option("--offload", options->offload,
                   "routed experts in the host's memory: how many of each layer, or bytes, as in 100GB")
      ->type_name("K|BYTES");
  verb->add_option("--link", options->link, "bytes/s from there to a device, as in 64G")->type_name("BYTES");
  verb->add_option("--expert-dtype", options->expert_dtype, "of routed experts, if another")
      ->type_name("DTYPE");
  verb->add_option("--ctx", options->context, "tokens of context, 4096 if not given")->type_name("N");
  for (const char* name :
       {"--hw", "--peak", "--bandwidth", "--dtype", "--expert-dtype", "--ctx", "--offload", "--link"})
    verb->get_option(name)->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
