#include "families.h"

// What stands between experts and y, and around them: one bias for all, a norm, a latent space; and limits after the activation.
namespace moe {
namespace {

std::vector<GoldenCase> biases_of_sums() {
  const auto biased = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("OutputBias").set("experts.bias=after_combine");
  };
  return {
      biased("mixtral", "output/bias", "One bias for the sum over experts: as JetMoE has it.")
          .catches("a bias that weights multiply"),
      biased("mixtral", "output/bias-dropped", "A token without any place gives the bias.")
          .flag("DroppedToken")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .routes({{0, 1}, {0, 1}, {1, 0}, {2, 3}})
          .catches("a bias of those only that have a place"),
      biased("mixtral", "output/bias-average", "In a mean with the shared expert it is the others' part.")
          .flag("SharedExpert")
          .set("shared.mode=average")
          .set("shared.ffn_size=3")
          .catches("a bias that is added to the mean"),
      biased("dense", "output/bias-dense", "Of a dense layer.").catches("a bias of the hidden layer"),
  };
}

std::vector<GoldenCase> norms() {
  const auto normed = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("Norm").set("combine.norm=rms");
  };
  return {
      normed("mixtral", "output/norm", "The sum over experts, over its root mean square.")
          .catches("a result without a norm"),
      normed("mixtral", "output/norm-shared", "The shared expert takes part in it: as in A.X-K1.")
          .flag("SharedExpert")
          .set("shared.mode=add")
          .set("shared.ffn_size=3")
          .catches("a norm before the shared expert is added"),
      normed("mixtral", "output/norm-epsilon", "An epsilon that shows.")
          .set("combine.norm_epsilon=0.125")
          .catches("an epsilon that is added to the root"),
      normed("switch", "output/norm-of-nothing", "A token without any place has the norm of 0, which is 0.")
          .flag("DroppedToken")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .set("capacity.dropped_output=zero")
          .routes({{0}, {0}, {1}, {0}})
          .catches("0 / 0"),
      normed("mixtral", "output/norm-and-bias", "A bias after the combine is part of what is normed.")
          .set("experts.bias=after_combine")
          .catches("a bias that is added to the norm"),
      normed("mixtral", "output/norm-average",
             "Of a mean with the shared expert, behind weights on the input.")
          .flag("WeightOnInput")
          .set("shared.mode=weighted_mean")
          .set("shared.ffn_size=3")
          .set("combine.weight_location=input")
          .catches("a mean of norms"),
      normed("dense", "output/norm-dense", "Of a dense layer.").catches("a norm of its input"),
  };
}

std::vector<GoldenCase> latent() {
  const auto inside = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("Latent").set("experts.latent_size=3");
  };
  return {
      inside("mixtral", "latent/plain", "Experts work on a linear map of x, which is narrower.")
          .catches("experts that see x"),
      inside("mixtral", "latent/wider", "A latent space that is wider than x, and biases in it.")
          .set("experts.latent_size=6")
          .set("experts.bias=per_expert")
          .catches("biases of the model's width"),
      inside("deepseek_v3", "latent/shared",
             "The router and the shared expert see x itself: as in Nemotron-H.")
          .flag("SharedExpert")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("experts.glu=false")
          .set("experts.activation=relu2")
          .set("router.n_group=1")
          .set("router.renorm_epsilon=1e-20")
          .catches("a shared expert in the latent space"),
      inside("mixtral", "latent/dropped",
             "A space of one number, and a token without any place, which gives 0.")
          .flag("DroppedToken")
          .set("experts.latent_size=1")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .routes({{0, 1}, {0, 1}, {1, 0}, {2, 3}})
          .catches("the token itself"),
      inside("mixtral", "latent/weighed-input", "Weights multiply the latent x.")
          .flag("WeightOnInput")
          .set("combine.weight_location=input")
          .catches("weights that multiply x before the map"),
      inside("longcat_flash", "latent/identity", "Experts without weights give what they get, in that space.")
          .flag("IdentityExperts")
          .set("shape.top_k=2")
          .set("experts.identity_experts=2")
          .routes({{0, 2}, {2, 3}, {1, 0}, {3, 1}})
          .catches("x added beside the map"),
      inside("mixtral", "latent/bias-and-norm", "A bias and a norm come after the map back.")
          .flag("Norm")
          .set("experts.bias=after_combine")
          .set("combine.norm=rms")
          .catches("a norm of what is mapped"),
  };
}

std::vector<GoldenCase> limits_after_activation() {
  const auto after = [](const char* id, const char* comment) {
    return CaseBuilder("mixtral", id, comment).flag("Limits").set("experts.clamp_act_max=0.125");
  };
  return {
      after("experts/limit-of-act", "A limit of what the activation gives.")
          .catches("a limit of the gate before it"),
      after("experts/limit-of-act-and-up", "And of up, as in Step-3.7.")
          .set("experts.clamp_up_abs=0.25")
          .catches("a limit of the product"),
      after("experts/limits-of-both", "Before the activation, and after it.")
          .set("experts.clamp_gate_max=0.5")
          .catches("one limit for both"),
      after("experts/limit-of-act-unreached", "A limit that no number reaches.")
          .set("experts.clamp_act_max=16")
          .catches("a limit of another size"),
      after("experts/limit-of-act-of-shared", "Another limit for the shared expert.")
          .flag("SharedExpert")
          .set("shared.mode=add")
          .set("shared.ffn_size=3")
          .set("shared.clamp_act_max=0.0625")
          .set("shared.clamp_up_abs=0.5")
          .catches("the others' limit in the shared expert"),
  };
}

}  // namespace

std::vector<GoldenFile> output_family() {
  return {{"output/biases.json", biases_of_sums()},
          {"output/norms.json", norms()},
          {"latent/spaces.json", latent()},
          {"experts/limits-of-act.json", limits_after_activation()}};
}

}  // namespace moe
