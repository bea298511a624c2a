#pragma once

#include <cstdlib>
#include <string>

#include "moe/array.h"
#include "moe/layer/expert.h"
#include "moe/layer/route.h"
#include "moe/layer/shared.h"
#include "moe/tensors.h"

namespace moe {

template <typename Num>
struct Losses {
  Num task = Num(0);     // <y, dy>
  std::vector<Num> aux;  // one per Config::aux, before its coefficient
  Num total = Num(0);    // task + sum of coefficient times loss
};

/// Every named tensor of a forward pass.
template <typename Num>
struct Trace {
  Matrix<Num> x;  // (T, D), as the layer widened it
  Routing<Num> router;
  Plan dispatch;
  Matrix<Num> latent_x;       // (T, L) what experts work on, where that is not x
  Matrix<Num> latent_normed;  // (T, L) ... where it has a norm
  Matrix<Num>
      in;  // (N, D) what goes into experts, where weights multiply it; L for D where experts work on that
  Matrix<Num> gate, up, hidden;  // (N, F) all experts with weights, by row
  Matrix<Num> out, weighted;     // (N, D) all experts
  Matrix<Num> normed;            // (N, L) what they give where that has a norm
  Matrix<Num> latent_y;          // (T, L) their sum, where they work on latent_x
  Matrix<Num> sum;               // (T, D) what y is the norm of
  SharedTrace<Num> shared;       // its y (T, D)
  Matrix<Num> y;                 // (T, D)
  Losses<Num> loss;
};

/// Every named gradient of losses.total, but those of the experts' weights, which are handed out one expert at a time.
template <typename Num>
struct Grads {
  Matrix<Num> x, router_x;                   // (T, D)
  Matrix<Num> router_weight, router_bias;    // (E, D), (1, E)
  Matrix<Num> selection_bias;                // (1, E) zeros: the choice passes no gradient
  Matrix<Num> expert_scale;                  // (1, E)
  Matrix<Num> noise_weight;                  // (E, D)
  Matrix<Num> logits, noisy_logits, scores;  // (T, E)
  Matrix<Num> topk_weights;                  // (T, K)
  Matrix<Num> sum, bias, norm_weight;        // (T, D), (1, D), (1, D)
  Matrix<Num> latent_x, latent_y;            // (T, L)
  Matrix<Num> latent_normed;                 // (T, L)
  Matrix<Num> latent_down, latent_up;        // (L, D), (D, L)
  Matrix<Num> latent_norm, output_norm;      // (1, L)
  Matrix<Num> in, out, normed;               // (N, D)
  Matrix<Num> gate, up, hidden;              // (N, F)
  ExpertWeightGrads<Num> shared;
  Matrix<Num> shared_gate;  // (1, D)
};

/// visit(numbers) with the tensor `id` of a trace: a Matrix of Num or of integers, or a vector of integers.
template <typename Num, typename Visit>
void with_tensor(const Trace<Num>& a, Tensor id, Visit visit) {
  const bool noise = a.router.noise.clean.size() > 0;
  switch (id) {
    case Tensor::router_logits:
      return visit(noise ? a.router.noise.clean : a.router.logits);
    case Tensor::router_noisy_logits:
      return visit(noise ? a.router.logits : a.router.noise.ranked);
    case Tensor::router_scores:
      return visit(a.router.scores);
    case Tensor::router_logsumexp:
      return visit(a.router.logsumexp);
    case Tensor::router_group_scores:
      return visit(a.router.group_scores);
    case Tensor::router_denominator:
      return visit(a.router.denominator);
    case Tensor::router_topk_ids:
      return visit(a.router.expert);
    case Tensor::router_topk_weights:
      return visit(a.router.weights);
    case Tensor::dispatch_counts:
      return visit(a.dispatch.counts);
    case Tensor::dispatch_offsets:
      return visit(a.dispatch.offsets);
    case Tensor::dispatch_order:
      return visit(a.dispatch.order);
    case Tensor::dispatch_kept:
      return visit(a.dispatch.kept);
    case Tensor::latent_x:
      return visit(a.latent_x);
    case Tensor::latent_normed:
      return visit(a.latent_normed);
    case Tensor::expert_in:
      return visit(a.in);
    case Tensor::expert_gate:
      return visit(a.gate);
    case Tensor::expert_up:
      return visit(a.up);
    case Tensor::expert_hidden:
      return visit(a.hidden);
    case Tensor::expert_out:
      return visit(a.out);
    case Tensor::expert_normed:
      return visit(a.normed);
    case Tensor::combine_weighted:
      return visit(a.weighted);
    case Tensor::latent_y:
      return visit(a.latent_y);
    case Tensor::combine_sum:
      return visit(a.sum);
    case Tensor::y:
      return visit(a.y);
    case Tensor::router_next_selection_bias:
      return visit(a.router.next_bias);
    default:
      std::abort();  // no stage of a trace
  }
}
/// Likewise with a gradient, and with one of the weights of one expert.
template <typename Num, typename Visit>
void with_tensor(const Grads<Num>& g, Tensor id, Visit visit) {
  switch (id) {
    case Tensor::grad_x:
      return visit(g.x);
    case Tensor::grad_router_x:
      return visit(g.router_x);
    case Tensor::grad_router_weight:
      return visit(g.router_weight);
    case Tensor::grad_router_bias:
      return visit(g.router_bias);
    case Tensor::grad_router_noise_weight:
      return visit(g.noise_weight);
    case Tensor::grad_router_selection_bias:
      return visit(g.selection_bias);
    case Tensor::grad_router_expert_scale:
      return visit(g.expert_scale);
    case Tensor::grad_router_logits:
      return visit(g.logits);
    case Tensor::grad_router_noisy_logits:
      return visit(g.noisy_logits);
    case Tensor::grad_router_scores:
      return visit(g.scores);
    case Tensor::grad_router_topk_weights:
      return visit(g.topk_weights);
    case Tensor::grad_combine_sum:
      return visit(g.sum);
    case Tensor::grad_combine_bias:
      return visit(g.bias);
    case Tensor::grad_combine_norm_weight:
      return visit(g.norm_weight);
    case Tensor::grad_latent_y:
      return visit(g.latent_y);
    case Tensor::grad_latent_x:
      return visit(g.latent_x);
    case Tensor::grad_latent_normed:
      return visit(g.latent_normed);
    case Tensor::grad_latent_norm_weight:
      return visit(g.latent_norm);
    case Tensor::grad_latent_output_norm_weight:
      return visit(g.output_norm);
    case Tensor::grad_expert_normed:
      return visit(g.normed);
    case Tensor::grad_latent_up:
      return visit(g.latent_up);
    case Tensor::grad_latent_down:
      return visit(g.latent_down);
    case Tensor::grad_expert_in:
      return visit(g.in);
    case Tensor::grad_expert_gate:
      return visit(g.gate);
    case Tensor::grad_expert_up:
      return visit(g.up);
    case Tensor::grad_expert_hidden:
      return visit(g.hidden);
    case Tensor::grad_expert_out:
      return visit(g.out);
    case Tensor::grad_shared_gate:
      return visit(g.shared.gate);
    case Tensor::grad_shared_up:
      return visit(g.shared.up);
    case Tensor::grad_shared_down:
      return visit(g.shared.down);
    case Tensor::grad_shared_gate_weight:
      return visit(g.shared_gate);
    default:
      std::abort();  // no gradient
  }
}
template <typename Num, typename Visit>
void with_tensor(const ExpertWeightGrads<Num>& g, Tensor id, Visit visit) {
  switch (id) {
    case Tensor::grad_experts_gate:
      return visit(g.gate);
    case Tensor::grad_experts_up:
      return visit(g.up);
    case Tensor::grad_experts_down:
      return visit(g.down);
    case Tensor::grad_experts_gate_bias:
      return visit(g.gate_bias);
    case Tensor::grad_experts_up_bias:
      return visit(g.up_bias);
    case Tensor::grad_experts_down_bias:
      return visit(g.down_bias);
    default:
      std::abort();  // no gradient of an expert's weights
  }
}

inline RowCounts rows_of(const Config& config, const Plan& plan) {
  return {plan.N(), plan.rows_before(computed_experts(config))};
}

/// The one list, in the order of every file: visit(name, dims of the tensor, first, elements, count) for every tensor that
/// `config` has, where the `count` elements are those from flat index `first` on. Reals are Num; discrete results are
/// int32, int64 or uint8.
template <typename Num, typename Visit>
void each_tensor(const Config& config, const Trace<Num>& a, Visit visit) {
  const RowCounts rows = rows_of(config, a.dispatch);
  each_info(config, {Role::Stage, Role::Decision}, [&](const TensorInfo& info) {
    const Dims dims = dims_of(info, config, rows);
    with_tensor(a, info.id, [&](const auto& numbers) {
      visit(std::string(info.name), dims, Index{0}, numbers.data(), product(dims));
    });
  });
  const auto loss = [&](const std::string& name, const Num& value) {
    visit("loss." + name, Dims{}, Index{0}, &value, Index{1});
  };
  loss("task", a.loss.task);
  for (std::size_t i = 0; i < config.aux.size(); ++i) loss(config.aux[i].name, a.loss.aux[i]);
  loss("total", a.loss.total);
}
template <typename Num, typename Visit>
void each_tensor(const Config& config, const Plan& plan, const Grads<Num>& g, Visit visit) {
  const RowCounts rows = rows_of(config, plan);
  each_info(config, {Role::Gradient}, [&](const TensorInfo& info) {
    const Dims dims = dims_of(info, config, rows);
    with_tensor(g, info.id, [&](const Matrix<Num>& m) {
      visit(std::string(info.name), dims, Index{0}, m.data(), product(dims));
    });
  });
}
/// The gradients of the weights of expert e.
template <typename Num, typename Visit>
void each_block(const Config& config, Index e, const ExpertWeightGrads<Num>& g, Visit visit) {
  each_info(config, {Role::ExpertGradient}, [&](const TensorInfo& info) {
    with_tensor(g, info.id, [&](const Matrix<Num>& m) {
      if (m.size() > 0)  // a wrong layer may have none
        visit(std::string(info.name), dims_of(info, config), e * m.size(), m.data(), m.size());
    });
  });
}

}  // namespace moe
