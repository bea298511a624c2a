#include "moe/roofline.h"

#include <cmath>

#include "moe/occupancy.h"
#include "roofline_plot.h"
#include "study.h"

namespace moe::cli {
namespace {

struct RooflineOptions : StudyOptions {
  std::string hardware = "h100", peak, bandwidth, dtype = "bf16", expert_dtype, context = "4096";
};

struct RooflineQuestion {
  NamedModel named;
  ModelCount counted;
  Machine machine;
  DecodeSetting setting;
  double E = 1, K = 1;
  double weights = 0;  // bytes of all of them
};

RooflineQuestion question(const RooflineOptions& o) {
  RooflineQuestion q;
  q.named = o.load(), q.counted = count(q.named.model);
  if (o.peak.empty() != o.bandwidth.empty())
    throw Error("--peak", "--peak and --bandwidth must be given together");
  q.machine = o.peak.empty() ? machine_called(o.hardware)
                             : Machine{"given", parse_quantity("--peak", o.peak),
                                       parse_quantity("--bandwidth", o.bandwidth), "--peak and --bandwidth"};
  q.setting.weight_bytes = bytes_per_number("--dtype", o.dtype);
  q.setting.expert_bytes =
      o.expert_dtype.empty() ? q.setting.weight_bytes : bytes_per_number("--expert-dtype", o.expert_dtype);
  const std::int64_t routed = q.counted[Component::Routed].params;
  q.weights = static_cast<double>(q.counted.total - routed) * q.setting.weight_bytes +
              static_cast<double>(routed) * q.setting.expert_bytes;
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
               real(expert_intensity(batch, q.E, q.K, q.setting.expert_bytes)),
               scaled(bound.other_bytes + bound.expert_bytes, "B"), scaled(bound.cache_bytes, "B"),
               real(bound.tokens_per_second), words(bound.memory_bound ? "memory" : "arithmetic")});
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

/// How many devices hold the weights, where one does not.
std::string devices_text(const RooflineQuestion& q, std::optional<std::int64_t> devices) {
  if (devices.value_or(1) == 1) return "";
  return wrapped("devices: " + with_commas(*devices) + " such devices hold the weights, " +
                 scaled(q.weights, "B").text + ", which are more than the " +
                 scaled(q.machine.memory, "B").text + " of one " + q.machine.name +
                 "; tokens/s is what one allows.");
}

int act_on(const RooflineOptions& options) {
  const RooflineQuestion q = question(options);
  const Machine& m = q.machine;
  const Table table = table_of(q);
  const double experts = crossover_batch(m, q.E, q.K, q.setting.expert_bytes),
               dense = crossover_batch(m, 1, 1, q.setting.weight_bytes);
  Json document = model_json(q.named, q.counted);
  document["machine"] = machine_json(m);
  const std::optional<std::int64_t> devices = devices_for(m, q.weights);
  if (devices) document["devices"] = *devices;
  document["crossover_batch"] = {{"experts", experts}, {"dense", dense}};
  document["context"] = q.setting.context, document["kind"] = kind_of(q.named, "model"),
  document["decode"] = table.json();
  const std::string text =
      q.named.model.name + " on " + m.name + ": " + scaled(m.peak, "FLOP/s").text + ", " +
      scaled(m.bandwidth, "B/s").text + ", ridge " + real(m.ridge()).text + " FLOP/byte\n\n" + table.text() +
      '\n' +
      wrapped("crossover: T* = ridge b E / (2 K) = " + real(m.ridge()).text + " x " +
              real(q.setting.expert_bytes).text + " x " + real(q.E).text + " / (2 x " + real(q.K).text +
              ") = " + whole(std::llround(experts)).text + " tokens; a dense block " +
              whole(std::llround(dense)).text + '.') +
      devices_text(q, devices) +
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
      "Example: moe-oracle roofline gpt-oss-120b --expert-dtype mxfp4 --peak 989T --bandwidth 3.35T");
  options->add_to(*verb);
  verb->add_option("--hw", options->hardware,
                   "h100 if not given; a name, of which a wrong one lists all, or a JSON file")
      ->type_name("NAME|FILE");
  verb->add_option("--peak", options->peak, "FLOP/s of matrix products, in place of --hw")
      ->type_name("FLOPS");
  verb->add_option("--bandwidth", options->bandwidth, "bytes/s of memory")->type_name("BYTES");
  verb->add_option("--dtype", options->dtype, "of weights, bf16 if not given")->type_name("DTYPE");
  verb->add_option("--expert-dtype", options->expert_dtype, "of routed experts, if another")
      ->type_name("DTYPE");
  verb->add_option("--ctx", options->context, "tokens of context, 4096 if not given")->type_name("N");
  for (const char* name : {"--hw", "--peak", "--bandwidth", "--dtype", "--expert-dtype", "--ctx"})
    verb->get_option(name)->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
