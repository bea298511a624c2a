#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "moe/layer/conventions.h"

/// The table of tensors: what is known of each stands here once. Which inputs a layer has and what is drawn for them,
/// what a trace holds and in which order, what a program in a narrow format keeps in it, are all loops over it.
namespace moe {

/// What a tensor is to a layer.
enum class Role {
  Batch,           // an input that comes with the tokens: x, and what has no gradient
  Weight,          // an input that stays
  ExpertWeight,    // likewise, of each expert that has weights
  Stage,           // a result of the forward pass, real
  Decision,        // likewise, integers
  Gradient,        // a result of the backward pass
  ExpertGradient,  // likewise, handed out one expert at a time
  Inside,  // a place where numbers are kept, in no file: so are losses, which have names of their own there
};

/// In a program of a narrow format, from which rung of its ladder on this is kept in that format.
enum class KeptAs { Wide, AsActivation, AsRouter, AsLoss };
/// Is it several operators of an eager program away from what it is made of? Each of them rounds.
enum class Steps { One, Several };

/// How seeded values are scaled, by (S1) and (S2), or drawn, by (S3) and (S4).
enum class Seeded { No, Activation, Weight, Bias, Uniform, Ids, Flags };

struct TensorInfo {
  Tensor id;
  const char* name;  // in every file and message
  const char* axes;
  Role role;
  bool (*present)(const Config&);  // does a layer of this config have it?
  KeptAs kept_as = KeptAs::Wide;
  Steps steps = Steps::One;
  Seeded seeded = Seeded::No;
  std::uint32_t stream = 0;  // of seeded values
};

namespace present {
inline bool always(const Config&) { return true; }
inline bool gated(const Config& c) { return c.experts.glu; }
inline bool logit_bias(const Config& c) { return c.router.logit_bias; }
inline bool selection_bias(const Config& c) { return c.router.selection_bias; }
inline bool expert_scale(const Config& c) { return c.router.expert_scale; }
inline bool second_policy(const Config& c) { return draws_second(c.router); }
inline bool gate_bias(const Config& c) { return c.experts.glu && has_bias(c); }
inline bool shared_gate(const Config& c) { return c.experts.glu && has_shared(c); }
inline bool router(const Config& c) { return has_router(c); }
inline bool shared(const Config& c) { return has_shared(c); }
}  // namespace present

namespace table {
using enum Role;
using enum KeptAs;
constexpr auto Several = Steps::Several, One = Steps::One;
using T = Tensor;

constexpr TensorInfo batch(Tensor id, const char* name, const char* axes, bool (*present)(const Config&),
                           Seeded seeded, std::uint32_t stream) {
  return {id, name, axes, Batch, present, Wide, One, seeded, stream};
}
constexpr TensorInfo weight(Tensor id, const char* name, const char* axes, bool (*present)(const Config&),
                            Seeded seeded, std::uint32_t stream) {
  return {id, name, axes, Weight, present, Wide, One, seeded, stream};
}
constexpr TensorInfo expert_weight(Tensor id, const char* name, const char* axes,
                                   bool (*present)(const Config&), Seeded seeded, std::uint32_t stream) {
  return {id, name, axes, ExpertWeight, present, Wide, One, seeded, stream};
}

// clang-format off
inline constexpr std::array<TensorInfo, static_cast<std::size_t>(Tensor::count)> kRows{{
    batch(T::x, "x", "token,model", present::always, Seeded::Activation, 1),
    batch(T::dy, "dy", "token,model", present::always, Seeded::Activation, 6),
    batch(T::router_x, "router.x", "token,model", has_router_input, Seeded::Activation, 34),
    weight(T::router_weight, "router.weight", "expert,model", present::router, Seeded::Weight, 2),
    weight(T::router_bias, "router.bias", "expert", present::logit_bias, Seeded::Bias, 8),
    weight(T::router_noise_weight, "router.noise_weight", "expert,model", learns_noise, Seeded::Weight, 7),
    weight(T::router_selection_bias, "router.selection_bias", "expert", present::selection_bias, Seeded::Bias, 9),
    weight(T::router_expert_scale, "router.expert_scale", "expert", present::expert_scale, Seeded::Activation, 17),
    weight(T::latent_down, "latent.down", "latent,model", has_latent, Seeded::Weight, 18),
    weight(T::latent_up, "latent.up", "model,latent", has_latent, Seeded::Weight, 19),
    weight(T::latent_norm_weight, "latent.norm_weight", "latent", norms_latent, Seeded::Activation, 22),
    weight(T::latent_output_norm_weight, "latent.output_norm_weight", "latent", norms_experts, Seeded::Activation, 23),
    expert_weight(T::experts_gate, "experts.gate", "expert,ffn,model", present::gated, Seeded::Weight, 3),
    expert_weight(T::experts_up, "experts.up", "expert,ffn,model", present::always, Seeded::Weight, 4),
    expert_weight(T::experts_down, "experts.down", "expert,model,ffn", present::always, Seeded::Weight, 5),
    expert_weight(T::experts_gate_bias, "experts.gate_bias", "expert,ffn", present::gate_bias, Seeded::Bias, 10),
    expert_weight(T::experts_up_bias, "experts.up_bias", "expert,ffn", has_bias, Seeded::Bias, 11),
    expert_weight(T::experts_down_bias, "experts.down_bias", "expert,model", has_bias, Seeded::Bias, 12),
    weight(T::combine_bias, "combine.bias", "model", biases_sum, Seeded::Bias, 20),
    weight(T::combine_norm_weight, "combine.norm_weight", "model", norms_output, Seeded::Activation, 21),
    weight(T::shared_gate, "shared.gate", "shared_ffn,model", present::shared_gate, Seeded::Weight, 13),
    weight(T::shared_up, "shared.up", "shared_ffn,model", present::shared, Seeded::Weight, 14),
    weight(T::shared_down, "shared.down", "model,shared_ffn", present::shared, Seeded::Weight, 15),
    weight(T::shared_gate_weight, "shared.gate_weight", "one,model", gates_shared, Seeded::Weight, 16),
    batch(T::noise_gaussian_learned, "noise.gaussian_learned", "token,expert", learns_noise, Seeded::Activation, 32),
    batch(T::noise_gaussian_fixed, "noise.gaussian_fixed", "token,expert", fixes_noise, Seeded::Activation, 35),
    batch(T::noise_second_policy, "noise.second_policy", "token", present::second_policy, Seeded::Uniform, 33),
    batch(T::noise_gumbel, "noise.gumbel", "token,expert", has_gumbel, Seeded::Activation, 36),
    batch(T::noise_input_jitter, "noise.input_jitter", "token,model", has_jitter, Seeded::Activation, 37),
    batch(T::noise_priority, "noise.priority", "token,expert", draws_priority, Seeded::Uniform, 38),
    batch(T::router_given_ids, "router.given_ids", "token,slot", is_given, Seeded::Ids, 39),
    batch(T::aux_earlier_counts, "aux.earlier_counts", "expert", counts_earlier, Seeded::Uniform, 40),
    batch(T::aux_earlier_scores, "aux.earlier_scores", "expert", scores_earlier, Seeded::Uniform, 41),
    batch(T::aux_token_mask, "aux.token_mask", "token", has_mask, Seeded::Flags, 42),
    {T::router_logits, "router.logits", "token,expert", Stage, present::router, AsRouter},
    {T::router_noise_raw, "router.noise_raw", "token,expert", Inside, learns_noise, AsRouter},
    {T::router_noisy_logits, "router.noisy_logits", "token,expert", Stage, has_noisy_logits, AsRouter},
    {T::router_scores, "router.scores", "token,expert", Stage, present::router, AsRouter},
    {T::router_logsumexp, "router.logsumexp", "token", Stage, present::router},
    {T::router_group_scores, "router.group_scores", "token,expert_group", Stage, has_groups},
    {T::router_denominator, "router.denominator", "token", Stage, has_denominator},
    {T::router_topk_ids, "router.topk_ids", "token,slot", Decision, present::router},
    {T::router_topk_weights, "router.topk_weights", "token,slot", Stage, present::router, AsRouter},
    {T::dispatch_counts, "dispatch.counts", "expert", Decision, present::always},
    {T::dispatch_offsets, "dispatch.offsets", "expert+1", Decision, present::always},
    {T::dispatch_order, "dispatch.order", "row", Decision, present::always},
    {T::dispatch_kept, "dispatch.kept", "token,slot", Decision, present::always},
    {T::latent_x, "latent.x", "token,latent", Stage, has_latent, AsActivation},
    {T::latent_normed, "latent.normed", "token,latent", Stage, norms_latent, AsActivation, Several},
    {T::expert_in, "expert.in", "row,model", Stage, weighs_input, AsActivation},
    {T::expert_gate, "expert.gate", "row,ffn", Stage, present::gated, AsActivation},
    {T::expert_up, "expert.up", "row,ffn", Stage, present::always, AsActivation},
    {T::expert_hidden, "expert.hidden", "row,ffn", Stage, present::always, AsActivation, Several},
    {T::expert_out, "expert.out", "row,model", Stage, present::always, AsActivation},
    {T::expert_normed, "expert.normed", "row,model", Stage, norms_experts, AsActivation, Several},
    {T::combine_weighted, "combine.weighted", "row,model", Stage, present::always, AsActivation},
    {T::latent_y, "latent.y", "token,latent", Stage, has_latent, AsActivation, Several},
    {T::latent_out, "latent.out", "token,model", Inside, has_latent, AsActivation},
    {T::combine_sum, "combine.sum", "token,model", Stage, norms_output, AsActivation, Several},
    {T::y, "y", "token,model", Stage, present::always, AsActivation, Several},
    {T::router_next_selection_bias, "router.next_selection_bias", "expert", Stage, updates_bias},
    {T::loss_task, "losses.task", "one", Inside, present::always, AsLoss, Several},
    {T::loss_aux, "losses.aux", "one", Inside, present::always, AsLoss, Several},  // each of them
    {T::loss_total, "losses.total", "one", Inside, present::always, AsLoss, Several},
    {T::shared_stage_gate, "shared_stage.gate", "token,shared_ffn", Inside, present::shared_gate, AsActivation},
    {T::shared_stage_up, "shared_stage.up", "token,shared_ffn", Inside, present::shared, AsActivation},
    {T::shared_stage_hidden, "shared_stage.hidden", "token,shared_ffn", Inside, present::shared, AsActivation, Several},
    {T::shared_stage_out, "shared_stage.out", "token,model", Inside, present::shared, AsActivation},
    {T::shared_stage_gate_logit, "shared_stage.gate_logit", "token,one", Inside, gates_shared, AsActivation},
    {T::shared_stage_weighted, "shared_stage.weighted", "token,model", Inside, gates_shared, AsActivation, Several},
    {T::grad_x, "grad.x", "token,model", Gradient, present::always, AsActivation, Several},
    {T::grad_router_x, "grad.router.x", "token,model", Gradient, has_router_input, AsActivation, Several},
    {T::grad_router_weight, "grad.router.weight", "expert,model", Gradient, present::router, AsActivation},
    {T::grad_router_bias, "grad.router.bias", "expert", Gradient, present::logit_bias, AsActivation},
    {T::grad_router_noise_weight, "grad.router.noise_weight", "expert,model", Gradient, learns_noise, AsActivation},
    {T::grad_router_selection_bias, "grad.router.selection_bias", "expert", Gradient, present::selection_bias},
    {T::grad_router_expert_scale, "grad.router.expert_scale", "expert", Gradient, present::expert_scale, AsActivation},
    {T::grad_router_logits, "grad.router.logits", "token,expert", Gradient, present::router, AsRouter},
    {T::grad_router_noise_raw, "grad.router.noise_raw", "token,expert", Inside, learns_noise, AsRouter},
    {T::grad_router_noisy_logits, "grad.router.noisy_logits", "token,expert", Gradient, has_noise, AsRouter},
    {T::grad_router_scores, "grad.router.scores", "token,expert", Gradient, present::router, AsRouter},
    {T::grad_router_topk_weights, "grad.router.topk_weights", "token,slot",
     Gradient, present::router, AsRouter, Several},
    {T::grad_combine_sum, "grad.combine.sum", "token,model", Gradient, norms_output, AsActivation, Several},
    {T::grad_combine_bias, "grad.combine.bias", "model", Gradient, biases_sum, AsActivation},
    {T::grad_combine_norm_weight, "grad.combine.norm_weight", "model", Gradient, norms_output, AsActivation, Several},
    {T::grad_latent_y, "grad.latent.y", "token,latent", Gradient, has_latent, AsActivation},
    {T::grad_latent_x, "grad.latent.x", "token,latent", Gradient, has_latent, AsActivation, Several},
    {T::grad_latent_normed, "grad.latent.normed", "token,latent", Gradient, norms_latent, AsActivation, Several},
    {T::grad_latent_up, "grad.latent.up", "model,latent", Gradient, has_latent, AsActivation},
    {T::grad_latent_down, "grad.latent.down", "latent,model", Gradient, has_latent, AsActivation},
    {T::grad_latent_norm_weight, "grad.latent.norm_weight", "latent", Gradient, norms_latent, AsActivation, Several},
    {T::grad_latent_output_norm_weight, "grad.latent.output_norm_weight", "latent",
     Gradient, norms_experts, AsActivation, Several},
    {T::grad_expert_in, "grad.expert.in", "row,model", Gradient, weighs_input, AsActivation, Several},
    {T::grad_expert_gate, "grad.expert.gate", "row,ffn", Gradient, present::gated, AsActivation, Several},
    {T::grad_expert_up, "grad.expert.up", "row,ffn", Gradient, present::always, AsActivation, Several},
    {T::grad_expert_hidden, "grad.expert.hidden", "row,ffn", Gradient, present::always, AsActivation},
    {T::grad_expert_out, "grad.expert.out", "row,model", Gradient, present::always, AsActivation, Several},
    {T::grad_expert_normed, "grad.expert.normed", "row,model", Gradient, norms_experts, AsActivation, Several},
    {T::grad_experts_gate, "grad.experts.gate", "expert,ffn,model", ExpertGradient, present::gated, AsActivation},
    {T::grad_experts_up, "grad.experts.up", "expert,ffn,model", ExpertGradient, present::always, AsActivation},
    {T::grad_experts_down, "grad.experts.down", "expert,model,ffn", ExpertGradient, present::always, AsActivation},
    {T::grad_experts_gate_bias, "grad.experts.gate_bias", "expert,ffn",
     ExpertGradient, present::gate_bias, AsActivation},
    {T::grad_experts_up_bias, "grad.experts.up_bias", "expert,ffn", ExpertGradient, has_bias, AsActivation},
    {T::grad_experts_down_bias, "grad.experts.down_bias", "expert,model", ExpertGradient, has_bias, AsActivation},
    {T::grad_shared_stage_gate, "grad.shared_stage.gate", "token,shared_ffn",
     Inside, present::shared_gate, AsActivation, Several},
    {T::grad_shared_stage_up, "grad.shared_stage.up", "token,shared_ffn",
     Inside, present::shared, AsActivation, Several},
    {T::grad_shared_stage_hidden, "grad.shared_stage.hidden", "token,shared_ffn",
     Inside, present::shared, AsActivation},
    {T::grad_shared_stage_out, "grad.shared_stage.out", "token,model", Inside, present::shared, AsActivation, Several},
    {T::grad_shared_stage_gate_logit, "grad.shared_stage.gate_logit", "token,one",
     Inside, gates_shared, AsActivation, Several},
    {T::grad_shared_gate, "grad.shared.gate", "shared_ffn,model", Gradient, present::shared_gate, AsActivation},
    {T::grad_shared_up, "grad.shared.up", "shared_ffn,model", Gradient, present::shared, AsActivation},
    {T::grad_shared_down, "grad.shared.down", "model,shared_ffn", Gradient, present::shared, AsActivation},
    {T::grad_shared_gate_weight, "grad.shared.gate_weight", "one,model", Gradient, gates_shared, AsActivation},
}};
// clang-format on

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (kRows[i].id != static_cast<Tensor>(i)) return false;
  return true;
}
static_assert(in_order(), "the rows are in the order of the enum");
}  // namespace table

inline constexpr auto& kTensors = table::kRows;
inline const TensorInfo& info_of(Tensor id) { return kTensors[static_cast<std::size_t>(id)]; }
inline const char* name_of(Tensor id) { return info_of(id).name; }
inline std::optional<Tensor> tensor_called(std::string_view name) {
  for (const TensorInfo& info : kTensors)
    if (name == info.name) return info.id;
  return std::nullopt;
}

inline bool is_weight(const TensorInfo& info) {
  return info.role == Role::Weight || info.role == Role::ExpertWeight;
}
inline bool is_of_batch(Tensor id) { return info_of(id).role == Role::Batch; }
inline bool is_input(const TensorInfo& info) { return is_of_batch(info.id) || is_weight(info); }
/// Are its numbers whole?
inline bool is_whole(Tensor input) {
  const Seeded seeded = info_of(input).seeded;
  return seeded == Seeded::Ids || seeded == Seeded::Flags;
}
/// Has an input a gradient? What only weighs the result, and noise, have none.
inline bool has_gradient(Tensor input) {
  return input == Tensor::x || input == Tensor::router_x || is_weight(info_of(input));
}

/// The names of a tensor's axes.
inline std::vector<std::string> axes_of(const TensorInfo& info) {
  std::vector<std::string> axes;
  for (std::string_view rest = info.axes; !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    axes.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return axes;
}

/// How many rows experts work on, and how many of them those that have weights: (P3).
struct RowCounts {
  Index all = 0, computed = 0;
};
/// The lengths of a tensor's axes in a layer.
inline Dims dims_of(const TensorInfo& info, const Config& config, const RowCounts& rows = {}) {
  const auto [T, D, F, E, K] = Letters(config);
  const bool of_weights = info.role == Role::ExpertWeight || info.role == Role::ExpertGradient;
  const bool of_experts = of_weights || std::string_view(info.axes).starts_with("row,");
  const std::pair<std::string_view, Index> lengths[] = {
      {"token", T},
      {"model", of_experts ? expert_width(config) : D},
      {"latent", config.experts.latent_size},
      {"ffn", F},
      {"expert", of_weights ? computed_experts(config) : E},
      {"expert+1", E + 1},
      {"expert_group", config.router.n_group},
      {"slot", K},
      {"row", std::string_view(info.axes) == "row,ffn" ? rows.computed : rows.all},
      {"one", 1},
      {"shared_ffn", config.shared.ffn_size}};
  Dims dims;
  for (const std::string& axis : axes_of(info))
    for (const auto& [name, length] : lengths)
      if (axis == name) dims.push_back(length);
  return dims;
}

/// visit(row of the table) for every tensor of these roles that a layer has, in the order of every file.
template <typename Visit>
void each_info(const Config& config, std::initializer_list<Role> roles, Visit visit) {
  for (const TensorInfo& info : kTensors)
    if (std::find(roles.begin(), roles.end(), info.role) != roles.end() && info.present(config)) visit(info);
}

}  // namespace moe
