#include "families.h"

// Norms in a latent space, before the experts and after them; and experts whose halves are drawn together.
namespace moe {
namespace {

std::vector<GoldenCase> latent_norms() {
  const auto inside = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("LatentNorm").set("experts.latent_size=3");
  };
  return {
      inside("mixtral", "latent/norm-before", "What experts work on is divided by its root mean square.")
          .set("experts.latent_norm=rms")
          .catches("a norm of x"),
      inside("mixtral", "latent/norm-after", "What each expert gives is, after its factors.")
          .set("experts.output_norm=rms")
          .catches("factors after the norm"),
      inside("deepseek_v3", "latent/norms", "Both, with epsilons of their own: as in Muse Spark.")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("shared.mode=none")
          .set("router.n_group=1")
          .set("router.logit_scale=0.5")
          .set("router.renorm_epsilon=1e-15")
          .set("experts.latent_norm=rms")
          .set("experts.output_norm=rms")
          .set("experts.latent_norm_epsilon=0.125")
          .set("experts.output_norm_epsilon=0.0625")
          .catches("one epsilon for both"),
      inside("mixtral", "latent/norm-weighed-input", "Weights multiply what was normed.")
          .flag("WeightOnInput")
          .set("combine.weight_location=input")
          .set("experts.latent_norm=rms")
          .set("experts.output_norm=rms")
          .catches("a norm that takes the weights off again"),
      inside("mixtral", "latent/norm-dropped", "Rows that no expert has are no part of any norm.")
          .flag("DroppedToken")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .set("experts.output_norm=rms")
          .routes({{0, 1}, {0, 1}, {1, 0}, {2, 3}})
          .catches("a norm of the sum over experts"),
      inside("longcat_flash", "latent/norm-identity", "Experts without weights give what was normed.")
          .flag("IdentityExperts")
          .set("shape.top_k=2")
          .set("experts.identity_experts=2")
          .set("experts.latent_norm=rms")
          .routes({{0, 2}, {2, 3}, {1, 0}, {3, 1}})
          .catches("the map before its norm"),
      inside("mixtral", "latent/norm-shared", "The shared expert and the result have none, or another.")
          .flag("SharedExpert")
          .set("shared.mode=add")
          .set("shared.ffn_size=3")
          .set("combine.norm=rms")
          .set("experts.latent_norm=rms")
          .set("experts.output_norm=rms")
          .catches("a norm of what the shared expert sees"),
  };
}

std::vector<GoldenCase> softcaps_of_halves() {
  const auto capped = [](const char* id, const char* comment) {
    return CaseBuilder("mixtral", id, comment).flag("Softcap");
  };
  return {
      capped("experts/softcap-gate", "The factor of SiLU is drawn together, and not what its sigmoid is of.")
          .set("experts.softcap_gate=0.5")
          .catches("the SiLU of a gate that is drawn together"),
      capped("experts/softcap-up", "Ups are drawn together.")
          .set("experts.softcap_up=0.25")
          .catches("ups that are cut off"),
      capped("experts/softcaps", "Both, each by its own limit, with biases: as in Inkling 2.")
          .set("experts.softcap_gate=0.5")
          .set("experts.softcap_up=0.75")
          .set("experts.bias=per_expert")
          .catches("one limit for both"),
      capped("experts/softcap-up-and-limit", "Gates are cut off, ups drawn together and shifted.")
          .set("experts.clamp_gate_max=0.5")
          .set("experts.softcap_up=0.5")
          .set("experts.up_offset=1")
          .catches("an offset that is drawn together with them"),
      capped("experts/softcap-of-shared", "The shared expert's halves are drawn together likewise.")
          .flag("SharedExpert")
          .set("shared.mode=add")
          .set("shared.ffn_size=3")
          .set("experts.softcap_gate=0.5")
          .set("experts.softcap_up=0.25")
          .catches("a shared expert without them"),
  };
}

}  // namespace

std::vector<GoldenFile> norms_family() {
  return {{"latent/norms.json", latent_norms()}, {"experts/softcaps.json", softcaps_of_halves()}};
}

}  // namespace moe
