#pragma once

#include "moe/sizing.h"

/// What each of many devices holds of a model, and what experts that lie on several of them send.
namespace moe {

/// How devices share a model: tp split each matrix, pp the layers, ep the experts and etp each expert, cp the context; dp hold copies,
/// whose state of training ZeRO spreads: 1 the optimizer's, 2 gradients too, 3 weights too.
struct Deployment {
  std::int64_t tp = 1, pp = 1, ep = 1, etp = 1, dp = 1, cp = 1;
  std::int64_t zero = 0;

  std::int64_t devices() const { return tp * pp * dp * cp; }
  /// How many copies of a matrix, and of an expert, training state may be spread over.
  std::int64_t copies() const { return dp * cp; }
  std::int64_t expert_copies() const { return tp * dp * cp / (ep * etp); }
};

/// Numbers that one device holds. Devices of one stage of the pipeline hold equally many.
struct DeviceCount {
  std::int64_t stage = 0, first_layer = 0, layers = 0;
  std::array<std::int64_t, kComponents> params{};
  std::int64_t total = 0;
  Model part;  // its layers, split; what it caches of a sequence is what this caches
};

/// The numbers of a device in each stage of the pipeline, in order.
///   (K9)   a stage s of pp has the layers [s L / pp, (s + 1) L / pp), the first one the table, the last one the head
///   (K10)  attention has heads / tp and max(1, KV / tp), dense and shared blocks F / tp, tables V / tp; routed experts E / ep of
///          width F / etp; routers, norms, compressed queries and keys are on every device
/// Source: Megatron-LM's tensor, pipeline and expert parallelism, arXiv 2104.04473, sec. 2, and 2006.16668 for experts. Throws Error
/// naming what does not divide.
std::vector<DeviceCount> deploy(const Model& model, const Deployment& deployment);

/// FLOPs that one device does forward for each token of the whole batch.
struct DeviceFlops {
  std::int64_t stage = 0;
  std::array<double, kComponents> forward{};
  double scores = 0, total = 0;
};

/// The same for a device of each stage, in order.
///   (F5)   those of its part by (F1), (F2) and (K10), over dp cp;  routed experts those of the whole layer over tp dp cp, if they are
///          equally full
/// Throws Error as deploy and flops do.
std::vector<DeviceFlops> device_flops(const Model& model, const Deployment& deployment, std::int64_t context,
                                      Span span = Span::Causal);

/// (K11) bytes of training state of a device: weights, gradients, and the optimizer's state, each over the copies that ZeRO spreads
/// it over.
double training_bytes(const DeviceCount& device, const Deployment& deployment, const std::string& optimizer);

/// How experts exchange tokens: over `ranks` devices in `nodes` equal groups, of which a token may use `node_limit`; 0: all.
struct Exchange {
  std::int64_t ranks = 1, nodes = 1, node_limit = 0;
};

/// Copies of a token that go out, where choices are uniform: to each of its K experts, and to each device or node that has one of
/// them.
///   (O10)  the expected number of groups is (O2);  of M nodes that a token is limited to, (O2) of M groups and E M / nodes experts
struct Copies {
  double assignments = 0, ranks = 0, nodes = 0;
  double remote_assignments = 0, remote_ranks = 0,
         remote_nodes = 0;  // without those that stay on the device, or in the node
};
Copies expected_copies(std::int64_t experts, std::int64_t top_k, const Exchange& exchange);

/// The same of one routing, counted: ids of T tokens, K each; token t lies on device t mod ranks.
Copies counted_copies(const std::vector<std::int64_t>& ids, std::int64_t experts, std::int64_t top_k,
                      const Exchange& exchange);

}  // namespace moe
