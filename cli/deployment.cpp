#include "deployment.h"

#include <charconv>
#include <cstdio>

#include "moe/roofline.h"

namespace moe::cli {
namespace {

void add(CLI::App& verb, const char* name, std::string& to, const char* what, const char* type = "N") {
  verb.add_option(name, to, what)->type_name(type)->check(kNotEmpty);
}

std::int64_t whole(const char* name, const std::string& text, Index least = 1) {
  return parse_index(name, text, least, Index{1} << 20);
}

/// Copies of a token's row, and how wide they are.
struct Rows {
  const char* name;
  double copies, remote;
};

struct ExchangeBytes {
  Rows rows[3];
  double dispatch, combine;  // bytes of one row
};

ExchangeBytes bytes_of_exchange(const ExchangeOptions& o, const Model& m) {
  if (!m.moe) throw Error("--ep", "--ep needs a model with experts");
  const Exchange e = o.exchange();
  const Copies c = expected_copies(m.moe->num_experts, m.moe->top_k, e);
  const std::int64_t width = m.moe->latent_size > 0 ? m.moe->latent_size : m.hidden_size;
  return {{{"assignments", c.assignments, c.remote_assignments},
           {"ranks", c.ranks, c.remote_ranks},
           {"nodes", c.nodes, c.remote_nodes}},
          bytes_of(width, format_called("--dispatch-dtype", o.dispatch)),
          bytes_of(width, format_called("--combine-dtype", o.combine))};
}

}  // namespace

Recompute recompute_called(const std::string& name) {
  if (name == "none") return Recompute::None;
  if (name == "selective") return Recompute::Selective;
  if (name == "full") return Recompute::Full;
  throw Error("--recompute", "--recompute = " + shown(name) + " must be one of none, selective, full");
}

std::array<WeightFormat, kComponents> formats_of(const NamedModel& named, const std::string& dtype,
                                                 const std::string& expert_dtype) {
  std::array<WeightFormat, kComponents> formats{};
  formats.fill(format_called("--dtype", dtype.empty() ? "bf16" : dtype));
  WeightFormat& experts = formats[static_cast<std::size_t>(Component::Routed)];
  const std::optional<StoredWeights>& stored =
      named.published != nullptr ? named.published->stored : named.stored;
  if (dtype.empty() && stored) {
    for (std::size_t i = 0; i < kComponents; ++i)
      if (stored->quantized[i]) formats[i] = stored->format;
    if (named.expert_format) experts = *named.expert_format;
  }
  if (!expert_dtype.empty()) experts = format_called("--expert-dtype", expert_dtype);
  return formats;
}

std::int64_t offloaded_by(const std::string& text, const Model& model, double expert_bytes) {
  if (!model.moe) throw Error("--offload", "--offload needs a model with experts");
  if (text.find_first_not_of("0123456789") == std::string::npos)
    return parse_index("--offload", text, 0, model.moe->num_experts);
  double bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  const std::string unit(end, text.data() + text.size());
  const std::pair<const char*, double> units[] = {{"B", 1},        {"kB", 1e3},     {"MB", 1e6},
                                                  {"GB", 1e9},     {"TB", 1e12},    {"KiB", 0x1p10},
                                                  {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  for (const auto& [name, factor] : units)
    if (unit == name && error == std::errc() && bytes >= 0)
      return experts_in(bytes * factor, model, expert_bytes);
  throw Error("--offload",
              "--offload = " + shown(text) +
                  " must be a number of experts of each layer, or of bytes, as in 100GB or 93.1GiB");
}

void DeploymentOptions::add_to(CLI::App& verb) {
  add(verb, "--tp", tp, "devices that split each matrix");
  add(verb, "--pp", pp, "devices that split the layers");
  add(verb, "--ep", ep, "groups of devices that split the experts");
  add(verb, "--etp", etp, "devices that split each expert");
  add(verb, "--dp", dp, "copies of the model");
  add(verb, "--cp", cp, "devices that split the context");
  add(verb, "--zero", zero,
      "what the copies spread of training: 0 nothing, 1 optimizer, 2 gradients too, 3 weights too");
}

Deployment DeploymentOptions::deployment() const {
  return {whole("--tp", tp),
          whole("--pp", pp),
          whole("--ep", ep),
          whole("--etp", etp),
          whole("--dp", dp),
          whole("--cp", cp),
          parse_index("--zero", zero, 0, 3)};
}

bool DeploymentOptions::shared() const {
  return tp != "1" || pp != "1" || etp != "1" || dp != "1" || cp != "1";
}

Json devices_json(const Deployment& d) {
  return {{"devices", d.devices()}, {"tp", d.tp}, {"pp", d.pp}, {"ep", d.ep},
          {"etp", d.etp},           {"dp", d.dp}, {"cp", d.cp}, {"zero", d.zero}};
}

std::string devices_text(const Deployment& d) {
  std::string text = with_commas(d.devices()) + " devices:";
  for (const auto& [name, n] : {std::pair{"tp", d.tp},
                                {"pp", d.pp},
                                {"ep", d.ep},
                                {"etp", d.etp},
                                {"dp", d.dp},
                                {"cp", d.cp},
                                {"ZeRO", d.zero}})
    text += (text.back() == ':' ? " " : ", ") + std::string(name) + ' ' + std::to_string(n);
  return text;
}

Json device_json(const DeviceBytes& d) {
  Json weights = Json::object(), params = Json::object();
  for (const Component c : kAllComponents) {
    params[name_of(c)] = d.device.params[static_cast<std::size_t>(c)];
    weights[name_of(c)] = d.weights[static_cast<std::size_t>(c)];
  }
  params["total"] = d.device.total, weights["total"] = d.all_weights;
  return {{"stage", d.device.stage},     {"first_layer", d.device.first_layer},
          {"layers", d.device.layers},   {"params", params},
          {"weight_bytes", weights},     {"cache_bytes", d.cache},
          {"training_bytes", d.training}};
}

void print_devices(const Deployment& d, const DeviceBytes& fullest, const DeviceBytes& emptiest) {
  std::printf("\n%s\n%-28s%26s%26s\n", devices_text(d).c_str(), "bytes of a device",
              ("fullest, stage " + std::to_string(fullest.device.stage)).c_str(),
              ("emptiest, stage " + std::to_string(emptiest.device.stage)).c_str());
  const auto row = [](const char* name, double full, double empty) {
    std::printf("%-28s%26s%26s\n", name, with_commas(static_cast<Index>(full)).c_str(),
                with_commas(static_cast<Index>(empty)).c_str());
  };
  for (const Component c : kAllComponents) {
    const auto i = static_cast<std::size_t>(c);
    if (fullest.weights[i] + emptiest.weights[i] > 0)
      row(name_of(c), fullest.weights[i], emptiest.weights[i]);
  }
  row("weights", fullest.all_weights, emptiest.all_weights), row("cache", fullest.cache, emptiest.cache);
  row("training", fullest.training, emptiest.training);
  print_wrapped("split",
                "heads, hidden widths and tables over tp; routed experts over ep and etp; layers over pp; "
                "the batch over dp, the context over cp");
  print_wrapped("copied",
                "routers, norms, what compresses queries and keys, and heads for keys where tp is more; a "
                "table that is the head, too, on the last stage");
}

void ExchangeOptions::add_to(CLI::App& verb) {
  DeploymentOptions::add_to(verb);
  add(verb, "--nodes", nodes, "equal groups of the --ep devices, which send each other tokens");
  add(verb, "--node-limit", node_limit, "nodes that a token may use; 0: all");
  add(verb, "--dispatch-dtype", dispatch, "of rows on their way to experts; bf16 if not given", "DTYPE");
  add(verb, "--combine-dtype", combine, "of rows on their way back; bf16 if not given", "DTYPE");
}

Exchange ExchangeOptions::exchange() const {
  return {whole("--ep", ep), whole("--nodes", nodes), whole("--node-limit", node_limit, 0)};
}

void require_exchange(const ExchangeOptions& o, const Model& m) { bytes_of_exchange(o, m); }

Json exchange_json(const ExchangeOptions& o, const Model& m, std::int64_t moe_layers) {
  const ExchangeBytes b = bytes_of_exchange(o, m);
  const Exchange e = o.exchange();
  Json json{{"ep", e.ranks},
            {"nodes", e.nodes},
            {"node_limit", e.node_limit},
            {"dispatch_dtype", o.dispatch},
            {"combine_dtype", o.combine},
            {"layers", moe_layers}};
  for (const Rows& rows : b.rows)
    json[rows.name] = {{"copies", rows.copies},
                       {"remote_copies", rows.remote},
                       {"dispatch_bytes", rows.copies * b.dispatch},
                       {"combine_bytes", rows.copies * b.combine},
                       {"remote_dispatch_bytes", rows.remote * b.dispatch},
                       {"remote_combine_bytes", rows.remote * b.combine}};
  json["kind"] = "model";
  return json;
}

void print_exchange(const ExchangeOptions& o, const Model& m, std::int64_t moe_layers) {
  const ExchangeBytes b = bytes_of_exchange(o, m);
  std::printf(
      "\nall-to-all of one token over %s devices in %s nodes, in each of %lld "
      "layers\n%-28s%10s%10s%16s%16s\n",
      o.ep.c_str(), o.nodes.c_str(), static_cast<long long>(moe_layers), "a copy to each", "copies", "remote",
      "dispatch B", "combine B");
  const char* names[] = {"expert of the token", "device that has one", "node that has one"};
  for (std::size_t i = 0; i < 3; ++i)
    std::printf("%-28s%10.4f%10.4f%16.1f%16.1f\n", names[i], b.rows[i].copies, b.rows[i].remote,
                b.rows[i].remote * b.dispatch, b.rows[i].remote * b.combine);
  print_wrapped(
      "assumes",
      "choices are uniform; bytes are of remote copies; training sends both ways once more (model)");
}

}  // namespace moe::cli
