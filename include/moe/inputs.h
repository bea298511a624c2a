#pragma once

#include <map>

#include "moe/array.h"
#include "moe/params.h"
#include "moe/tensors.h"

namespace moe {

/// The exact numbers that enter a layer, by name. What stands behind Params.
using Inputs = std::map<Tensor, Array>;

/// An input that a config has: its shape, its number in the seeded streams, and the power of two of its seeded values.
struct InputInfo {
  Tensor id;
  Dims dims;
  std::uint32_t stream;
  int shift;
};

///   (S1)  shift = 6 for x, dy and Gaussian noise, 10 for biases, 8 for uniform noise,
///         6 + (floor(log2 fan_in) + 1) div 2 for weights, whose fan_in is their last axis
inline int shift_of(const TensorInfo& info, const Dims& dims) {
  switch (info.seeded) {
    case Seeded::Bias:
      return 10;
    case Seeded::Uniform:
      return 8;
    case Seeded::Weight:
      return 6 + static_cast<int>(std::bit_width(static_cast<std::uint64_t>(dims.back()))) / 2;
    case Seeded::Activation:
    case Seeded::No:
    case Seeded::Ids:
    case Seeded::Flags:
      return 6;
  }
  return 6;
}

/// The inputs of a layer in the order of every file.
inline std::vector<InputInfo> inputs_of(const Config& config) {
  std::vector<InputInfo> list;
  for (const TensorInfo& info : kTensors) {
    if (!is_input(info) || !info.present(config)) continue;
    Dims dims = dims_of(info, config);
    const int shift = shift_of(info, dims);
    list.push_back({info.id, std::move(dims), info.stream, shift});
  }
  return list;
}

/// Numbers in [0, 1) for noise.second_policy.
///   (S2)  u_i = (word_i >> 24) 2^-8, the bits of (S1) without a sign
inline Array uniform_noise(const Stream& stream, const Dims& dims) {
  std::vector<double> u;
  for (Index i = 0; i < product(dims); ++i)
    u.push_back(std::ldexp(static_cast<double>(stream.word(static_cast<std::uint64_t>(i)) >> 24), -8));
  return array_of(dims, u.data());
}

/// Experts for router.given_ids, as a table of hashes gives them: without regard to x.   -> (T, K)
///   (S3)  e_tk = that with the number word_tK+k mod (E - k) among the experts that t has not got yet, in their order
inline Array drawn_ids(const Stream& stream, const Dims& dims, Index E) {
  std::vector<std::int32_t> ids;
  for (Index t = 0; t < dims[0]; ++t) {
    std::vector<Index> taken;  // in their order
    for (Index k = 0; k < dims[1]; ++k) {
      Index id = static_cast<Index>(stream.word(static_cast<std::uint64_t>(t * dims[1] + k))) % (E - k);
      auto place = taken.begin();
      for (; place != taken.end() && *place <= id; ++place) ++id;
      taken.insert(place, id);
      ids.push_back(static_cast<std::int32_t>(id));
    }
  }
  return array_of(dims, ids.data());
}

/// Which tokens count, for aux.token_mask: three of four.   -> (T)
///   (S4)  m_t = 1 unless both upper bits of word_t are 1
inline Array drawn_flags(const Stream& stream, const Dims& dims) {
  std::vector<std::int32_t> flags;
  for (Index t = 0; t < product(dims); ++t)
    flags.push_back(stream.word(static_cast<std::uint64_t>(t)) >> 30 == 3 ? 0 : 1);
  return array_of(dims, flags.data());
}

/// Seeded inputs: recipes, so that they cost nothing until a row is read, but for uniform noise, ids and flags.
inline Inputs seeded_inputs(const Config& config, std::uint64_t seed = kDefaultSeed,
                            std::uint32_t case_number = 0) {
  Inputs inputs;
  for (const InputInfo& i : inputs_of(config)) {
    const Stream stream{seed, i.stream, case_number};
    if (info_of(i.id).seeded == Seeded::Uniform)
      inputs[i.id] = uniform_noise(stream, i.dims);
    else if (info_of(i.id).seeded == Seeded::Ids)
      inputs[i.id] = drawn_ids(stream, i.dims, config.shape.num_experts);
    else if (info_of(i.id).seeded == Seeded::Flags)
      inputs[i.id] = drawn_flags(stream, i.dims);
    else
      inputs[i.id] = Array{Format::BF16, i.dims, {}, Recipe{stream, i.shift}};
  }
  return inputs;
}

/// Params that read `inputs` (which must outlive them) and make every number with make(Tensor, flat index, double);
/// tick(), if it is there, is called for every row or column that is read, and loop runs what is done with them: where
/// that is more than one thread, they call make and tick.
template <typename Num, typename Make>
Params<Num> params_of(const Config& config, const Inputs& inputs, Make make,
                      const std::function<void()>& tick = {}, Loop loop = in_one_piece) {
  const auto view = [&](Tensor id, Index first_row, Index rows, Index cols) -> Weight<Num> {
    const auto found = inputs.find(id);
    if (found == inputs.end()) return {};
    const Array* a = &found->second;
    return {rows, cols,
            [=](Index i, Num* to) {
              const Index first = (first_row + i) * cols;
              std::vector<double> values = buffer<double>(cols);
              a->reals(first, values);
              for (Index j = 0; j < cols; ++j) to[j] = make(id, first + j, at(values, j));
              if (tick) tick();
            },
            [=](Index j, Num* to) {
              for (Index i = 0; i < rows; ++i) {
                const Index flat = (first_row + i) * cols + j;
                to[i] = make(id, flat, a->real(flat));
              }
              if (tick) tick();
            },
            loop};
  };
  const auto [T, D, F, E, K] = Letters(config);
  const Index Fs = config.shared.ffn_size;
  Params<Num> p;
  p.x = view(Tensor::x, 0, T, D);
  p.dy = view(Tensor::dy, 0, T, D);
  p.router = view(Tensor::router_weight, 0, E, D);
  p.router_bias = view(Tensor::router_bias, 0, 1, E);
  p.noise_weight = view(Tensor::router_noise_weight, 0, E, D);
  p.noise =
      view(learns_noise(config) ? Tensor::noise_gaussian_learned : Tensor::noise_gaussian_fixed, 0, T, E);
  p.second_policy = view(Tensor::noise_second_policy, 0, 1, T);
  p.gumbel = view(Tensor::noise_gumbel, 0, T, E);
  p.priority = view(Tensor::noise_priority, 0, T, E);
  p.jitter = view(Tensor::noise_input_jitter, 0, T, D);
  p.given_ids = view(Tensor::router_given_ids, 0, T, K);
  p.earlier_counts = view(Tensor::aux_earlier_counts, 0, 1, E);
  p.earlier_scores = view(Tensor::aux_earlier_scores, 0, 1, E);
  p.token_mask = view(Tensor::aux_token_mask, 0, 1, T);
  p.selection_bias = view(Tensor::router_selection_bias, 0, 1, E);
  p.router_x = view(Tensor::router_x, 0, T, D);
  p.expert_scale = view(Tensor::router_expert_scale, 0, 1, E);
  p.latent_down = view(Tensor::latent_down, 0, config.experts.latent_size, D);
  p.latent_up = view(Tensor::latent_up, 0, D, config.experts.latent_size);
  p.latent_norm = view(Tensor::latent_norm_weight, 0, 1, config.experts.latent_size);
  p.output_norm = view(Tensor::latent_output_norm_weight, 0, 1, config.experts.latent_size);
  p.combine_bias = view(Tensor::combine_bias, 0, 1, D);
  p.norm_weight = view(Tensor::combine_norm_weight, 0, 1, D);
  p.shared = {view(Tensor::shared_gate, 0, Fs, D), view(Tensor::shared_up, 0, Fs, D),
              view(Tensor::shared_down, 0, D, Fs)};
  p.shared_gate = view(Tensor::shared_gate_weight, 0, 1, D);
  const Index W = expert_width(config);
  for (Index e = 0; e < computed_experts(config); ++e)
    p.expert.push_back({view(Tensor::experts_gate, e * F, F, W), view(Tensor::experts_up, e * F, F, W),
                        view(Tensor::experts_down, e * W, W, F), view(Tensor::experts_gate_bias, e, 1, F),
                        view(Tensor::experts_up_bias, e, 1, F), view(Tensor::experts_down_bias, e, 1, W)});
  return p;
}

/// Params that are just the inputs.
template <typename Num>
Params<Num> params_of(const Config& config, const Inputs& inputs, const std::function<void()>& tick = {},
                      Loop loop = in_one_piece) {
  const auto make = [](Tensor, Index, double value) {
    if constexpr (std::is_floating_point_v<Num>)
      return static_cast<Num>(value);
    else
      return value;  // becomes Num in its place, not in one of its own first
  };
  return params_of<Num>(config, inputs, make, tick, loop);
}

}  // namespace moe
