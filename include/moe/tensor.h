#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace moe {

using Index = Eigen::Index;
static_assert(sizeof(Index) == 8, "sizes and offsets are 64-bit");
__extension__ typedef __int128 Int128;  // where a product of sizes, or a sum of products, leaves 64 bits

/// The lengths of a tensor's axes, slowest first; empty for a single number.
using Dims = std::vector<Index>;

/// Row-major so that row t of a (T, D) matrix is token t, contiguous, as in NumPy, PyTorch and CUDA kernels.
template <typename Num>
using Matrix = Eigen::Matrix<Num, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using IdMatrix = Matrix<std::int32_t>;

/// A matrix of zeros, whatever Num's default is.
template <typename Num>
Matrix<Num> zeros(Index rows, Index cols) {
  return Matrix<Num>::Constant(rows, cols, Num(0));
}

/// The first element of row i; the row's other elements follow it.
template <typename Num>
const Num* row(const Matrix<Num>& m, Index i) {
  return m.data() + i * m.cols();
}
template <typename Num>
Num* row(Matrix<Num>& m, Index i) {
  return m.data() + i * m.cols();
}

/// A vector of n zeros, and its elements by the signed Index that everything else counts with.
template <typename Num>
std::vector<Num> buffer(Index n) {
  return std::vector<Num>(static_cast<std::size_t>(n));
}
template <typename Num>
const Num& at(const std::vector<Num>& v, Index i) {
  return v[static_cast<std::size_t>(i)];
}
template <typename Num>
Num& at(std::vector<Num>& v, Index i) {
  return v[static_cast<std::size_t>(i)];
}

/// Rows [first, first + n) of m as a matrix of their own, and the reverse.
template <typename Num>
Matrix<Num> rows_of(const Matrix<Num>& m, Index first, Index n) {
  return m.middleRows(first, n);
}
template <typename Num>
void place_rows(Matrix<Num>&& rows, Index first, Matrix<Num>& m) {
  std::move(rows.data(), rows.data() + rows.size(), row(m, first));
}

/// Every tensor with a name: the inputs, what an implementation may hold in memory, and the gradients. What is known of
/// each is in the table of tensors.h.
enum class Tensor {
  // clang-format off
  x, dy, router_x, router_weight, router_bias, router_noise_weight, router_selection_bias, router_expert_scale,
  latent_down, latent_up, latent_norm_weight, latent_output_norm_weight,
  experts_gate, experts_up, experts_down, experts_gate_bias, experts_up_bias, experts_down_bias,
  combine_bias, combine_norm_weight,
  shared_gate, shared_up, shared_down, shared_gate_weight,
  noise_gaussian_learned, noise_gaussian_fixed, noise_second_policy, noise_gumbel, noise_input_jitter, noise_priority,
  router_given_ids, aux_earlier_counts, aux_earlier_scores, aux_token_mask,
  router_logits, router_noise_raw, router_noisy_logits, router_scores, router_logsumexp, router_group_scores,
  router_denominator, router_topk_ids, router_topk_weights,
  dispatch_counts, dispatch_offsets, dispatch_order, dispatch_kept,
  latent_x, latent_normed, expert_in, expert_gate, expert_up, expert_hidden, expert_out, expert_normed,
  combine_weighted, latent_y, latent_out,
  combine_sum, y,
  router_next_selection_bias, loss_task, loss_aux, loss_total,
  shared_stage_gate, shared_stage_up, shared_stage_hidden, shared_stage_out, shared_stage_gate_logit,
  shared_stage_weighted,
  grad_x, grad_router_x, grad_router_weight, grad_router_bias, grad_router_noise_weight, grad_router_selection_bias,
  grad_router_expert_scale,
  grad_router_logits, grad_router_noise_raw, grad_router_noisy_logits, grad_router_scores, grad_router_topk_weights,
  grad_combine_sum, grad_combine_bias, grad_combine_norm_weight, grad_latent_y, grad_latent_x, grad_latent_normed,
  grad_latent_up, grad_latent_down, grad_latent_norm_weight, grad_latent_output_norm_weight,
  grad_expert_in, grad_expert_gate, grad_expert_up, grad_expert_hidden, grad_expert_out, grad_expert_normed,
  grad_experts_gate, grad_experts_up, grad_experts_down,
  grad_experts_gate_bias, grad_experts_up_bias, grad_experts_down_bias,
  grad_shared_stage_gate, grad_shared_stage_up, grad_shared_stage_hidden, grad_shared_stage_out,
  grad_shared_stage_gate_logit,
  grad_shared_gate, grad_shared_up, grad_shared_down, grad_shared_gate_weight,
  count
  // clang-format on
};

}  // namespace moe
