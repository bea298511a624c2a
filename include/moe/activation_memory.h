#pragma once

#include "moe/deployment.h"

/// What training keeps of the forward pass of a layer with experts, until its backward pass.
namespace moe {

/// A step of training: its tokens, how full the experts of a device are, and what is computed again.
struct TrainingSetting {
  std::int64_t batch = 1, context = 4096;
  double load_factor = 1;  // rows of the device's experts, over those of equally full ones
  double bytes = 2;        // of a number; the router's are fp32
  Recompute recompute = Recompute::None;
  Deployment devices{};
};

/// Bytes that one device keeps of one layer's block of experts, and what they are of.
///   (K12)  t = ceil(ceil(batch / dp) ceil(context / cp) / tp) tokens,   r = load K t etp rows of experts;   D' the experts' width, D or
///          the latent one, b bytes a number, g = 3 with a gate and 2 without
///          input t D b;   router t (4 E + 8 K);   shared t g Fs b (and t D b where a gate scales it);   routed r (2 D' + g F / etp) b, and 2 t D' b where it is latent
///          recompute selective: g - 1 for g, without rows' hidden numbers;   full: the input alone
/// The rows keep what went in, gate and up, what went into down, and what came out, which the gradients of weights on outputs need;
/// the router scores in fp32, weights and indices of the chosen. Source: what the backward passes of include/moe/layer read;
/// Korthikanti et al., arXiv 2205.05198, for sequences that tp devices split. Throws Error for a model without experts, as deploy
/// does, and for a load factor below 1.
struct ActivationBytes {
  std::int64_t tokens = 0;
  double rows = 0;
  double input = 0, router = 0, shared = 0, routed = 0;
  double layer = 0;  // the sum
  std::int64_t layers = 0;
  double all = 0;  // of the layers of the fullest stage; with full recompute one layer is there in full, too
};
ActivationBytes activation_bytes(const Model& model, const TrainingSetting& setting);

}  // namespace moe
