#pragma once

#include "moe/deployment.h"
#include "sizing.h"

namespace moe::cli {

/// The options that say how devices share a model.
struct DeploymentOptions {
  std::string tp = "1", pp = "1", ep = "1", etp = "1", dp = "1", cp = "1", zero = "0";

  void add_to(CLI::App& verb);
  Deployment deployment() const;
  /// Is the model on more than one device, experts aside?
  bool shared() const;
};

/// {"devices", "tp", "pp", ...}, and "256 devices: tp 8, pp 4, ...".
Json devices_json(const Deployment& deployment);
std::string devices_text(const Deployment& deployment);

/// What of the backward pass is computed again: none, selective or full.
Recompute recompute_called(const std::string& name);

/// What every component is stored in: `dtype`, where that is empty what the file or the publisher says, else bf16; routed experts in
/// `expert_dtype` unless that is empty.
std::array<WeightFormat, kComponents> formats_of(const NamedModel& named, const std::string& dtype,
                                                 const std::string& expert_dtype);

/// Routed experts of each layer that stay in the memory of the host: `text` is their number, or bytes as in 100GB or 93.1GiB.
std::int64_t offloaded_by(const std::string& text, const Model& model, double expert_bytes);

/// What the fullest and the emptiest device hold: bytes of weights by component, of the cache and of training.
struct DeviceBytes {
  DeviceCount device;
  std::array<double, kComponents> weights{};
  double all_weights = 0, cache = 0, training = 0;
};

Json device_json(const DeviceBytes& device);
void print_devices(const Deployment& deployment, const DeviceBytes& fullest, const DeviceBytes& emptiest);

/// The options of the exchange between experts on several devices.
struct ExchangeOptions : DeploymentOptions {
  std::string nodes = "1", node_limit = "0", dispatch = "bf16", combine = "bf16";

  void add_to(CLI::App& verb);
  bool asked() const { return ep != "1"; }
  Exchange exchange() const;
};

/// Throws Error for options that contradict each other or the model.
void require_exchange(const ExchangeOptions& options, const Model& model);
/// Bytes that one token makes its device send and get back in a layer with experts, and in all of them.
Json exchange_json(const ExchangeOptions& options, const Model& model, std::int64_t moe_layers);
void print_exchange(const ExchangeOptions& options, const Model& model, std::int64_t moe_layers);

}  // namespace moe::cli
