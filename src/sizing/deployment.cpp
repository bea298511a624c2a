#include "moe/deployment.h"

#include <algorithm>
#include <set>

#include "blocks.h"
#include "moe/occupancy.h"

namespace moe {
namespace {

std::int64_t divided(const std::string& what, std::int64_t n, const char* by, std::int64_t parts) {
  if (n % parts != 0)
    throw Error(by, std::string(by) + " = " + std::to_string(parts) + " must divide " + what + " = " +
                        std::to_string(n));
  return n / parts;
}

/// Heads for keys and values: a part of them, or where there are fewer than devices a copy of one.
std::int64_t divided_or_one(const std::string& what, std::int64_t n, std::int64_t tp) {
  if (n < tp && n > 0 && tp % n == 0) return 1;
  return divided(what, n, "--tp", tp);
}

// The part of a mixer that one of tp devices has.
template <typename WithHeads>
Mixer part_of(WithHeads a, std::int64_t tp) {
  a.heads = divided("heads", a.heads, "--tp", tp);
  return a;
}
Mixer part_of(Gqa a, std::int64_t tp) {
  a.heads = divided("heads", a.heads, "--tp", tp), a.kv_heads = divided_or_one("kv_heads", a.kv_heads, tp);
  return a;
}
Mixer part_of(Mamba2 a, std::int64_t tp) {
  a.heads = divided("heads", a.heads, "--tp", tp), a.groups = divided_or_one("groups", a.groups, tp);
  return a;
}
Mixer part_of(DeltaNet a, std::int64_t tp) {
  a.key_heads = divided("key_heads", a.key_heads, "--tp", tp);
  a.value_heads = divided("value_heads", a.value_heads, "--tp", tp);
  return a;
}
Mixer part_of(Mamba1 a, std::int64_t tp) {
  a.inner_size = divided("inner_size", a.inner_size, "--tp", tp);
  return a;
}
Mixer part_of(ShortConvolution a, std::int64_t) { return a; }
Mixer part_of(Lstm a, std::int64_t) { return a; }

void require_sound(const Model& m, const Deployment& d) {
  constexpr std::int64_t kMostDevices = 1 << 20;
  const std::pair<const char*, std::int64_t> all[] = {{"--tp", d.tp},   {"--pp", d.pp}, {"--ep", d.ep},
                                                      {"--etp", d.etp}, {"--dp", d.dp}, {"--cp", d.cp}};
  for (const auto& [name, value] : all)
    require(1 <= value && value <= kMostDevices, name, value, "must lie in [1, ", kMostDevices, ']');
  require(0 <= d.zero && d.zero <= 3, "--zero", d.zero, "must lie in [0, 3]");
  const auto layers = static_cast<std::int64_t>(m.layers.size());
  require(d.pp <= layers, "--pp", d.pp, "must not exceed the number of layers = ", layers);
  const std::int64_t held = d.tp * d.cp * d.dp;  // below 2^61
  require(held <= kMostDevices, "--dp", d.dp, "times --tp and --cp must not exceed ", kMostDevices);
  require(held % (d.ep * d.etp) == 0, "--ep", d.ep, "times --etp must divide tp x cp x dp = ", held);
  require(m.encoder_layers == 0 || d.pp == 1, "--pp", d.pp,
          "must be 1: the model is an encoder and a decoder, whose layers no order of stages holds");
  require(m.moe || d.ep * d.etp == 1, "--ep", d.ep, "needs experts");
}

/// The layers of a stage, split over tp devices, experts aside.
Model stage_of(const Model& m, const Deployment& d, std::int64_t first, std::int64_t end) {
  Model part = m;
  part.layers.assign(m.layers.begin() + first, m.layers.begin() + end);
  for (Mixer& mixer : part.mixers) mixer = std::visit([&](const auto& a) { return part_of(a, d.tp); }, mixer);
  const bool dense =
      std::any_of(part.layers.begin(), part.layers.end(), [](const Layer& l) { return l.dense; });
  if (dense && m.dense_size > 0) part.dense_size = divided("dense_size", m.dense_size, "--tp", d.tp);
  for (Layer& layer : part.layers)
    if (layer.dense_size > 0) layer.dense_size = divided("dense_size", layer.dense_size, "--tp", d.tp);
  if (part.moe) part.moe->shared_size = divided("shared_size", m.moe->shared_size, "--tp", d.tp);
  part.vocabulary = divided("vocabulary", m.vocabulary, "--tp", d.tp);
  if (m.head_rows > 0) part.head_rows = divided("rows of the head", m.head_rows, "--tp", d.tp);
  return part;
}

/// Routed experts of a stage on one device.
std::int64_t experts_of(const Model& part, const Deployment& d) {
  if (!part.moe) return 0;
  Mixture x = *part.moe;
  const std::int64_t held = divided("num_experts", x.num_experts, "--ep", d.ep);
  x.ffn_size = divided("ffn_size", x.ffn_size, "--etp", d.etp);
  const Whole layers =
      std::count_if(part.layers.begin(), part.layers.end(), [](const Layer& l) { return l.moe; });
  return (layers *
          (held * count_expert(x, part.hidden_size).params + count_latent(x, part.hidden_size).params))
      .value();
}

std::int64_t node_share(const Exchange& e, std::int64_t n) {
  return e.node_limit > 0 ? n / e.nodes * e.node_limit : n;
}

void require_sound(std::int64_t experts, std::int64_t top_k, const Exchange& e) {
  require(1 <= top_k && top_k <= experts, "top-k", top_k, "must lie in [1, experts = ", experts, ']');
  require(e.ranks >= 1 && experts % e.ranks == 0, "--ep", e.ranks, "must divide experts = ", experts);
  require(e.nodes >= 1 && e.ranks % e.nodes == 0, "--nodes", e.nodes, "must divide --ep = ", e.ranks);
  require(0 <= e.node_limit && e.node_limit <= e.nodes, "--node-limit", e.node_limit,
          "must lie in [0, nodes = ", e.nodes, ']');
  require(top_k <= node_share(e, experts), "--node-limit", e.node_limit,
          "leaves fewer experts than a token needs, ", top_k);
}

}  // namespace

std::vector<DeviceCount> deploy(const Model& model, const Deployment& d) {
  validate(model);
  require_sound(model, d);
  const auto L = static_cast<std::int64_t>(model.layers.size());
  std::vector<DeviceCount> devices;
  for (std::int64_t s = 0; s < d.pp; ++s) {
    const std::int64_t first = s * L / d.pp, end = (s + 1) * L / d.pp;
    const bool begins = s == 0, ends = s + 1 == d.pp;
    Model part = stage_of(model, d, first, end);
    // One matrix that is table and head is on the first device and on the last.
    if (d.pp > 1) part.tied = false;
    if (!begins) {
      part.extra = {};
      part.head_rows = part.head_rows > 0 ? part.head_rows : part.vocabulary;
      part.vocabulary = 0;
    }
    if (!ends) part.headless = true;
    const ModelCount counted = count(part);
    DeviceCount device{s, first, end - first, {}, 0, {}};
    for (std::size_t i = 0; i < kComponents; ++i) device.params[i] = counted.parts[i].params;
    const auto number = [&](Component c) -> std::int64_t& {
      return device.params[static_cast<std::size_t>(c)];
    };
    number(Component::Routed) = experts_of(part, d);
    if (!ends && model.norms > 0) number(Component::Norms) -= model.hidden_size * (model.norm_bias ? 2 : 1);
    for (const std::int64_t n : device.params) device.total += n;
    device.part = std::move(part);
    devices.push_back(device);
  }
  return devices;
}

double training_bytes(const DeviceCount& device, const Deployment& d, const std::string& optimizer) {
  const std::int64_t all = training_bytes_per_param(optimizer);
  constexpr double kWeight = 2, kState = 12;  // bf16; fp32 weight and two moments
  const double gradient = static_cast<double>(all) - kWeight - kState;
  const double routed = static_cast<double>(device.params[static_cast<std::size_t>(Component::Routed)]);
  const auto bytes = [&](double numbers, double copies) {
    return numbers * (kWeight / (d.zero >= 3 ? copies : 1) + gradient / (d.zero >= 2 ? copies : 1) +
                      kState / (d.zero >= 1 ? copies : 1));
  };
  return bytes(static_cast<double>(device.total) - routed, static_cast<double>(d.copies())) +
         bytes(routed, static_cast<double>(d.expert_copies()));
}

std::vector<DeviceFlops> device_flops(const Model& model, const Deployment& d, std::int64_t context,
                                      Span span) {
  std::vector<DeviceFlops> all;
  for (const DeviceCount& device : deploy(model, d)) {
    const ModelFlops f = flops(device.part, context, span);
    const double copies = static_cast<double>(d.copies());
    DeviceFlops of{device.stage, {}, static_cast<double>(f.scores) / copies, 0};
    of.total = of.scores;
    for (std::size_t i = 0; i < kComponents; ++i) {
      const bool routed = i == static_cast<std::size_t>(Component::Routed);
      of.forward[i] =
          static_cast<double>(f.forward[i]) / (routed ? copies * static_cast<double>(d.tp) : copies);
      of.total += of.forward[i];
    }
    all.push_back(of);
  }
  return all;
}

Copies expected_copies(std::int64_t experts, std::int64_t top_k, const Exchange& e) {
  require_sound(experts, top_k, e);
  const std::int64_t reach = node_share(e, experts), nodes = e.node_limit > 0 ? e.node_limit : e.nodes;
  Copies c;
  c.assignments = static_cast<double>(top_k);
  c.ranks = distinct_groups(reach, top_k, node_share(e, e.ranks));
  c.nodes = distinct_groups(reach, top_k, nodes);
  const double other_rank = 1 - 1 / static_cast<double>(e.ranks),
               other_node = 1 - 1 / static_cast<double>(e.nodes);
  c.remote_assignments = c.assignments * other_rank, c.remote_ranks = c.ranks * other_rank;
  c.remote_nodes = c.nodes * other_node;
  return c;
}

Copies counted_copies(const std::vector<std::int64_t>& ids, std::int64_t experts, std::int64_t top_k,
                      const Exchange& e) {
  require_sound(experts, top_k, e);
  const auto tokens = static_cast<std::int64_t>(ids.size()) / top_k;
  require(tokens >= 1 && tokens * top_k == static_cast<std::int64_t>(ids.size()), "ids", ids.size(),
          "must be a multiple of top-k = ", top_k, ", and not 0");
  Copies sum;
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::int64_t home = t % e.ranks, in_node = e.ranks / e.nodes;
    std::set<std::int64_t> ranks, nodes;
    for (std::int64_t k = 0; k < top_k; ++k) {
      const std::int64_t id = ids[static_cast<std::size_t>(t * top_k + k)];
      require(0 <= id && id < experts, "ids", id, "must lie in [0, ", experts, ')');
      const std::int64_t rank = id / (experts / e.ranks);
      ranks.insert(rank), nodes.insert(rank / in_node);
      sum.assignments += 1, sum.remote_assignments += rank != home ? 1 : 0;
    }
    sum.ranks += static_cast<double>(ranks.size()), sum.nodes += static_cast<double>(nodes.size());
    sum.remote_ranks += static_cast<double>(ranks.size() - ranks.count(home));
    sum.remote_nodes += static_cast<double>(nodes.size() - nodes.count(home / in_node));
  }
  for (double* n : {&sum.assignments, &sum.ranks, &sum.nodes, &sum.remote_assignments, &sum.remote_ranks,
                    &sum.remote_nodes})
    *n /= static_cast<double>(tokens);
  return sum;
}

}  // namespace moe
