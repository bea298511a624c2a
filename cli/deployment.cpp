#include "deployment.h"

#include <cstdio>

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
  std::printf(
      "\n%s devices: tp %lld, pp %lld, ep %lld, etp %lld, dp %lld, cp %lld, ZeRO %lld\n%-28s%26s%26s\n",
      with_commas(d.devices()).c_str(), static_cast<long long>(d.tp), static_cast<long long>(d.pp),
      static_cast<long long>(d.ep), static_cast<long long>(d.etp), static_cast<long long>(d.dp),
      static_cast<long long>(d.cp), static_cast<long long>(d.zero), "bytes of a device",
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
  add(verb, "--ep", ep, "devices that split the experts: what they send each other");
  add(verb, "--nodes", nodes, "equal groups of these devices");
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
