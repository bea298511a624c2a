#include <set>

#include "../src/check/tensors.h"
#include "moe/tensors.h"
#include "moe/trace.h"
#include "support.h"

using namespace moe;

TEST_CASE("tensors: every tensor has a name of its own, and axes that have lengths") {
  const Config config = small("mixtral");
  std::set<std::string> names;
  for (const TensorInfo& info : kTensors) {
    CAPTURE(info.name);
    CHECK(names.insert(info.name).second);
    CHECK(tensor_called(info.name) == info.id);
    CHECK(!axes_of(info).empty());
    CHECK(dims_of(info, config).size() == axes_of(info).size());
  }
  CHECK(std::string(name_of(Tensor::grad_experts_down_bias)) == "grad.experts.down_bias");
  CHECK(std::string(name_of(Tensor::dispatch_kept)) == "dispatch.kept");
  CHECK(tensor_called("expert") == std::nullopt);
}

TEST_CASE("tensors: a gradient is of its input's shape, and there where its input is") {
  const std::vector<std::string> all{
      "router.input=own",           "router.expert_scale=true", "experts.latent_size=3",  "combine.norm=rms",
      "experts.bias=after_combine", "experts.latent_norm=rms",  "experts.output_norm=rms"};
  for (const Config& config : {small("mixtral"), small("mixtral", all), small("shazeer2017"), small("dense"),
                               small("gpt_oss", {"shape.top_k=2"}),
                               small("longcat_flash", {"shape.top_k=2", "experts.identity_experts=2"})}) {
    for (const TensorInfo& info : kTensors) {
      if (info.role != Role::Gradient && info.role != Role::ExpertGradient) continue;
      CAPTURE(info.name);
      const TensorInfo& of = info_of(*tensor_called(std::string(info.name).substr(5)));
      CHECK(info.present(config) == of.present(config));
      CHECK(dims_of(info, config, {7, 5}) == dims_of(of, config, {7, 5}));
      CHECK((info.role == Role::ExpertGradient) == (of.role == Role::ExpertWeight));
    }
  }
}

TEST_CASE("tensors: experts without weights have no rows of hidden units, and no matrices") {
  const Config config = small("longcat_flash", {"shape.top_k=2", "experts.identity_experts=2"});
  const auto [T, D, F, E, K] = Letters(config);
  const Index computed = computed_experts(config);
  REQUIRE(computed < E);
  CHECK(dims_of(info_of(Tensor::experts_up), config) == Dims{computed, F, D});
  CHECK(dims_of(info_of(Tensor::router_weight), config) == Dims{E, D});
  CHECK(dims_of(info_of(Tensor::expert_up), config, {9, 4}) == Dims{4, F});
  CHECK(dims_of(info_of(Tensor::expert_out), config, {9, 4}) == Dims{9, D});
}

TEST_CASE("tensors: a trace has every stage of the table, and no other") {
  Trace<double> trace;
  trace.router.noise.clean.resize(1, 1);  // else noisy logits are the logits
  Grads<double> grads;
  ExpertWeightGrads<double> weights;
  std::set<const void*> members;
  for (const TensorInfo& info : kTensors) {
    CAPTURE(info.name);
    const auto seen = [&](const auto& numbers) { CHECK(members.insert(&numbers).second); };
    if (info.role == Role::Stage || info.role == Role::Decision) with_tensor(trace, info.id, seen);
    if (info.role == Role::Gradient) with_tensor(grads, info.id, seen);
    if (info.role == Role::ExpertGradient) with_tensor(weights, info.id, seen);
  }
  CHECK(members.size() > 50);
}

TEST_CASE("tensors: what goes back arrives at the input that it came from") {
  const auto sources = [](const std::vector<std::string>& sets, const char* of) {
    Sources all = sources_of(small("mixtral", sets));
    return std::set<std::string>(all[of].begin(), all[of].end());
  };
  using Set = std::set<std::string>;
  const Set experts{"grad.expert.gate", "grad.expert.up"};
  const std::string own = "router.input=own", latent = "experts.latent_size=3",
                    weighed = "combine.weight_location=input", identity = "experts.identity_experts=2",
                    noise = "noise.kind=gaussian_learned";
  CHECK(sources({}, "grad.x") == Set{"grad.router.logits", "grad.expert.gate", "grad.expert.up"});
  CHECK(sources({own}, "grad.x") == experts);
  CHECK(sources({own}, "grad.router.x") == Set{"grad.router.logits"});
  CHECK(sources({latent}, "grad.x") == Set{"grad.router.logits", "grad.latent.x"});
  CHECK(sources({latent, own}, "grad.x") == Set{"grad.latent.x"});
  CHECK(sources({latent}, "grad.latent.x") == experts);
  CHECK(sources({latent, identity}, "expert.out").contains("latent.x"));
  CHECK(sources({latent, identity}, "grad.latent.x").contains("grad.expert.out"));
  CHECK_FALSE(sources({latent, identity}, "grad.x").contains("grad.expert.out"));
  CHECK(sources({latent, weighed}, "grad.router.topk_weights").contains("latent.x"));
  CHECK(sources({latent, weighed}, "grad.x") == Set{"grad.router.logits", "grad.latent.x"});
  const std::string before = "experts.latent_norm=rms", after = "experts.output_norm=rms";
  CHECK(sources({latent, before}, "latent.normed") == Set{"latent.x"});
  CHECK(sources({latent, before}, "expert.up") == Set{"latent.normed"});
  CHECK(sources({latent, before}, "grad.latent.normed") == experts);
  CHECK(sources({latent, before}, "grad.latent.x") == Set{"grad.latent.normed", "latent.x"});
  CHECK(sources({latent, before}, "grad.latent.norm_weight") == Set{"grad.latent.normed", "latent.x"});
  CHECK(sources({latent, after}, "expert.normed") == Set{"expert.out"});
  CHECK(sources({latent, after}, "combine.weighted").contains("expert.normed"));
  CHECK(sources({latent, after}, "grad.expert.normed").contains("grad.latent.y"));
  CHECK(sources({latent, after}, "grad.expert.out") == Set{"grad.expert.normed", "expert.out"});
  const std::string fixed = "noise.kind=gaussian_fixed",
                    clean = R"(aux=[{"name":"i","kind":"cv_importance","importance_of":"clean_scores"}])",
                    scores = R"(aux=[{"name":"i","kind":"cv_importance","importance_of":"scores"}])";
  CHECK(sources({fixed, clean}, "loss.i") == Set{"router.logits"});
  CHECK(sources({fixed, clean}, "grad.router.logits") == Set{"grad.router.noisy_logits", "router.logits"});
  CHECK(sources({scores}, "loss.i") == Set{"router.scores"});
  CHECK(sources({noise}, "grad.x").contains(kNowhere));
  CHECK(sources({noise, own}, "grad.router.x").contains(kNowhere));
  CHECK_FALSE(sources({noise, own}, "grad.x").contains(kNowhere));
}
