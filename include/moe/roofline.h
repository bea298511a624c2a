#pragma once

#include <optional>
#include <string>
#include <vector>

#include "moe/deployment.h"

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

/// A step of decoding: its sequences, how numbers are stored, which devices share it, and what is left in the memory of the host.
struct DecodeSetting {
  double batch = 1;  // sequences of all devices together
  std::int64_t context = 4096;
  std::array<double, kComponents> weight_bytes = {2, 2, 2, 2, 2, 2, 2, 2};  // of a number of each component
  double cache_bytes = 2;                                                   // of a number
  Deployment devices{};
  std::int64_t offloaded = 0;  // routed experts of each layer that are in the memory of the host
  double link = 0;             // bytes/s from there to one device
};

enum class Limit { Memory, Arithmetic, Link };
const char* name_of(Limit limit);

/// The bytes and FLOPs of one step of decoding on the slowest device, one new token for each sequence, and what limits it.
///   (O9)   tokens/s <= B / max((w + M U(B) e + B s c) / bandwidth, B F(s) / peak, l / link)
///   (O9c)  on many devices: w, e, c and F(s) of the part of one, by (K10);  U(B / copies of an expert) / ep;  B / (dp cp) sequences;
///          B / dp of them for the cache, of which a device has s / cp;  routed experts B F / (tp dp cp);  the slowest stage decides
/// w are the bytes of all that every token is multiplied with or scaled by, e those of one expert, M layers with experts, c the
/// bytes that are cached for a token, s the context, F forward FLOPs, l by (O12). A pipeline is full: as many batches are under way
/// as it has stages. What devices send each other, activations and states of constant size are left out. Throws Error as deploy does,
/// for a batch that is not in [1, 2^53], and where experts are in the host's memory and the link is not known.
struct DecodeBound {
  double other_bytes = 0, expert_bytes = 0, cache_bytes = 0, link_bytes = 0, flops = 0;
  double tokens_per_second = 0;
  Limit limit = Limit::Memory;
};
DecodeBound decode_bound(const Model& model, const Machine& machine, const DecodeSetting& setting);

/// The bytes of weights and cache of the fullest device.
double decode_memory(const Model& model, const DecodeSetting& setting);

/// The number of routed experts of each layer that take at least so many bytes in all layers.
///   (O11)  n = ceil(bytes / (M e))
/// Throws Error for a model without experts, and where all of them are less.
std::int64_t experts_in(double bytes, const Model& model, double expert_bytes);

/// What is in the memory of the host, and what one step of decoding on one device brings from there, if choices are uniform.
///   (O12)  host = M n e;   l = M (n / E) U(B) e
struct Offload {
  double host_bytes = 0, step_bytes = 0;
};
Offload offload_of(const Model& model, const DecodeSetting& setting);

}  // namespace moe
