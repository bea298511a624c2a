#include "blocks.h"
#include "moe/layer/conventions.h"
#include "moe/sizing_layer.h"

namespace moe {
namespace {

Mixture mixture_of(const Config& c) {
  Mixture x;
  x.num_experts = computed_experts(c), x.zero_experts = c.experts.identity_experts, x.top_k = c.shape.top_k,
  x.ffn_size = c.shape.ffn_size;
  x.glu = c.experts.glu;
  x.bias = has_bias(c);
  if (has_shared(c)) x.shared_size = c.shared.ffn_size;
  x.shared_gate = gates_shared(c);
  x.router_bias = c.router.selection_bias || c.router.logit_bias;
  x.latent_size = c.experts.latent_size;
  x.router_matrices = !has_router(c) ? 0 : learns_noise(c) ? 2 : 1;
  return x;
}

}  // namespace

Model model_of(const Config& c) {
  Model m;
  m.hidden_size = c.shape.hidden_size;
  m.norms = 0;
  const Mixture x = mixture_of(c);
  m.layers = {{.dense = !has_router(c), .moe = has_router(c)}};
  m.moe = x;
  const Whole D = m.hidden_size;
  m.extra.rest = (biases_sum(c) ? D : Whole(0)) + (norms_output(c) ? D : Whole(0)) +
                 (c.router.expert_scale ? Whole(c.shape.num_experts) : Whole(0)) +
                 Whole(norms_latent(c) + norms_experts(c)) * c.experts.latent_size;
  m.dense_size = x.ffn_size, m.dense_glu = x.glu, m.dense_bias = x.bias;
  return m;
}

std::int64_t layer_multiply_adds(const Config& c, std::int64_t N, std::int64_t without_row,
                                 std::int64_t unchanged) {
  const Mixture x = mixture_of(c);
  const Whole T = c.shape.num_tokens, D = c.shape.hidden_size;
  // A gate, or the two parts of a mean.
  const Whole scaled = x.shared_gate ? D : averages_shared(c) ? D + D : Whole(0);
  const Whole every_token = count_router(x, D).matmul + count_shared(x, D).matmul + scaled +
                            (has_latent(c) ? count_latent(x, D).matmul : Whole(0));
  const Whole identity = scales_x(c.capacity.dropped_output) ? without_row * D : 0;
  // Each row is scaled by its weight, and <y, dy> is one more product for each token.
  return (T * (every_token + D) + (N - unchanged) * count_expert(x, D).matmul + N * expert_width(c) +
          identity)
      .value();
}

}  // namespace moe
