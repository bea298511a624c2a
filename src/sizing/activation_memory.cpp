#include "moe/activation_memory.h"

#include <algorithm>

#include "moe/error.h"

namespace moe {
namespace {

std::int64_t over(std::int64_t n, std::int64_t parts) { return (n + parts - 1) / parts; }

/// One layer, computed again as `recompute` says.
ActivationBytes bytes_of_layer(const Model& model, const TrainingSetting& s, Recompute recompute) {
  const Mixture& x = *model.moe;
  const Deployment& d = s.devices;
  const double D = static_cast<double>(model.hidden_size), E = static_cast<double>(x.num_experts),
               K = static_cast<double>(x.top_k), F = static_cast<double>(x.ffn_size),
               Fs = static_cast<double>(x.shared_size), b = s.bytes, etp = static_cast<double>(d.etp),
               latent = static_cast<double>(x.latent_size), width = x.latent_size > 0 ? latent : D;
  ActivationBytes a;
  a.tokens = over(over(s.batch, d.dp) * over(s.context, d.cp), d.tp);
  const double t = static_cast<double>(a.tokens);
  a.rows = s.load_factor * K * t * etp;
  a.input = t * D * b;
  if (recompute != Recompute::Full) {
    const double hidden = (x.glu ? 3 : 2) - (recompute == Recompute::Selective ? 1 : 0);
    a.router = t * (4 * E + 8 * K);
    a.shared = t * (hidden * Fs + (x.shared_gate ? D : 0)) * b;
    a.routed = a.rows * (2 * width + hidden * F / etp) * b + (x.latent_size > 0 ? 2 * t * latent * b : 0);
  }
  a.layer = a.input + a.router + a.shared + a.routed;
  return a;
}

}  // namespace

ActivationBytes activation_bytes(const Model& model, const TrainingSetting& s) {
  if (count(model).moe_layers == 0) throw Error("MODEL", "MODEL = " + model.name + " must have experts");
  require(s.load_factor >= 1 && s.load_factor <= static_cast<double>(model.moe->num_experts), "--load-factor",
          s.load_factor, "must lie in [1, experts = ", model.moe->num_experts, ']');
  constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;
  require(1 <= s.batch && s.batch <= INT32_MAX, "--batch", s.batch, "must lie in [1, ", INT32_MAX, ']');
  require(0 <= s.context && s.context <= kMostTokens, "--ctx", s.context, "must lie in [0, ", kMostTokens,
          ']');
  require(s.context == 0 || s.batch <= INT64_MAX / s.context, "--batch", s.batch,
          "times --ctx must stay below 2^63 tokens");
  ActivationBytes a = bytes_of_layer(model, s, s.recompute);
  for (const DeviceCount& device : deploy(model, s.devices))
    a.layers = std::max(a.layers, count(device.part).moe_layers);
  a.all = static_cast<double>(a.layers) * a.layer;
  if (s.recompute == Recompute::Full) a.all += bytes_of_layer(model, s, Recompute::None).layer - a.input;
  return a;
}

}  // namespace moe
