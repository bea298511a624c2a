#include "moe/trace.h"
#include "support.h"

using namespace moe;

namespace {

/// The names and shapes that a config's run has.
std::string list(const Config& config, bool backward) {
  std::string text;
  for (const auto& [name, a] : evaluate<double>(config, seeded_inputs(config), nullptr, backward)) {
    text += name + '(';
    for (const Index size : a.dims) text += std::to_string(size) + ' ';
    text += ") ";
  }
  return text;
}

}  // namespace

TEST_CASE("trace: the forward tensors of a mixture, in order, with their shapes") {
  CHECK(list(small("mixtral"), false) ==
        "router.logits(5 4 ) router.scores(5 4 ) router.logsumexp(5 ) router.denominator(5 ) "
        "router.topk_ids(5 2 ) "
        "router.topk_weights(5 2 ) dispatch.counts(4 ) dispatch.offsets(5 ) dispatch.order(10 ) "
        "dispatch.kept(5 2 ) "
        "expert.gate(10 7 ) expert.up(10 7 ) expert.hidden(10 7 ) expert.out(10 6 ) combine.weighted(10 6 ) "
        "y(5 6 ) "
        "loss.task() loss.load_balance() loss.total() ");
}

TEST_CASE("trace: noise has logits, weights and gradients of its own, next to the clean ones") {
  const std::string noisy = list(small("shazeer2017"), true);
  CHECK(noisy.starts_with("router.logits(5 4 ) router.noisy_logits(5 4 ) router.scores(5 4 ) "));
  CHECK(noisy.find("grad.router.weight(4 6 ) grad.router.noise_weight(4 6 ) grad.router.logits(5 4 ) "
                   "grad.router.noisy_logits(5 4 ) ") != std::string::npos);
}

TEST_CASE("trace: a dense layer has no router, and biases have gradients") {
  const std::string dense = list(small("dense", {"experts.glu=false", "experts.bias=per_expert"}), true);
  CHECK(dense.find("router") == std::string::npos);
  CHECK(dense.find("expert.gate") == std::string::npos);
  CHECK(dense.find("grad.experts.up_bias(1 7 ) grad.experts.down_bias(1 6 )") != std::string::npos);
  CHECK(dense.find("grad.x(5 6 ) grad.expert.up(5 7 ) grad.expert.hidden(5 7 ) grad.expert.out(5 6 )") !=
        std::string::npos);
}
