#pragma once

#include <optional>
#include <string>
#include <vector>

#include "moe/sizing.h"

/// What memory lets a machine do: a batch has to read each expert that it uses once, however few of its tokens use it.
namespace moe {

/// A machine by its two limits: FLOP/s of dense matrix products in bf16, without sparsity, and bytes/s of its memory.
struct Machine {
  std::string name;
  double peak = 0, bandwidth = 0;
  std::string source;   // of every number
  double memory = 0;    // bytes of one device; 0: not known
  double peak_fp8 = 0;  // FLOP/s; 0: not known

  double ridge() const { return peak / bandwidth; }  // FLOPs for each byte, where both limits meet
};
/// The machines of src/sizing/machines.json.
const std::vector<Machine>& machines();
/// The machine that a JSON file describes by the fields of machines.json: name, peak, bandwidth, memory (null where it is not known),
/// source, and peak_fp8 if it has any. Throws Error naming the file and the field for what is missing, unknown or of a wrong type.
Machine machine_in_file(const std::string& path);
/// The machine of that name, in any case of letters, or in that file if it has a / or ends in .json; throws Error listing all names.
Machine machine_called(const std::string& name);

/// How many such devices hold that many bytes, if the memory of one is known.
///   (O8b)  max(1, ceil(bytes / memory))
std::optional<std::int64_t> devices_for(const Machine& machine, double bytes);

/// FLOPs of the experts for each byte of their weights that a batch of T tokens reads, at b bytes a weight.
///   (O7)  AI(T) = 2 K T / (U(T) b),   U by (O1)
/// A dense block is E = K = 1: 2 T / b.
double expert_intensity(double T, double E, double K, double b);

/// The batch from which on the experts are limited by arithmetic and no more by memory, if it uses all of them.
///   (O8)  T* = ridge b E / (2 K)
/// Without experts it is ridge b / 2. Source: Austin et al., How to Scale Your Model (jax-ml/scaling-book), on inference.
double crossover_batch(const Machine& machine, double E, double K, double b);

/// How a step of decoding is stored and how long the sequences are.
struct DecodeSetting {
  double batch = 1;
  std::int64_t context = 4096;
  double weight_bytes = 2, expert_bytes = 2, cache_bytes = 2;  // of a number
};

/// The bytes and FLOPs of one step of decoding, one new token for each sequence of the batch, and what limits it.
///   (O9)  tokens/s <= B / max((w + M U(B) e + B s c) / bandwidth, B F(s) / peak)
/// w are the bytes of all that every token is multiplied with or scaled by, e those of one expert, M layers with experts, c the
/// bytes that are cached for a token, s the context, F forward FLOPs. Activations and states of constant size are left out.
struct DecodeBound {
  double other_bytes = 0, expert_bytes = 0, cache_bytes = 0, flops = 0;
  double tokens_per_second = 0;
  bool memory_bound = false;
};
DecodeBound decode_bound(const Model& model, const Machine& machine, const DecodeSetting& setting);

}  // namespace moe
