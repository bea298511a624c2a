#include <moe/inputs.h>
#include <moe/layer/layer.h>
#include <moe/validate.h>

#include <cstdio>

// Four tokens through eight experts, forward and backward.
int main() {
  moe::Config config;
  config.shape = {.num_tokens = 4, .hidden_size = 8, .ffn_size = 16, .num_experts = 8, .top_k = 2};
  config.router.renorm = moe::Renorm::Sum;
  moe::validate(config);
  const moe::Inputs inputs = moe::seeded_inputs(config);
  const auto params = moe::params_of<double>(config, inputs);
  const auto trace = moe::layer_forward(config, params, moe::decide(config, params));
  const auto grads = moe::layer_backward(config, params, trace, [](moe::Index, auto&&) {});
  std::printf("expert %d weighs %.3f for token 0; |dx| starts with %.3g\n", trace.router.expert(0, 0),
              trace.router.weights(0, 0), grads.x(0, 0));
  return trace.y.rows() == 4 && grads.x.cols() == 8 ? 0 : 1;
}
