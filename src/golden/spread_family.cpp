#include "families.h"

// Noise of a fixed scale, second choices that leave their place to others, and other ways to say how evenly experts are used.
namespace moe {
namespace {

std::vector<GoldenCase> fixed_noise() {
  const auto fixed = [](const char* id, const char* comment) {
    return CaseBuilder("shazeer2017", id, comment)
        .flag("Noise")
        .set("shape.ffn_size=2")
        .set("shape.top_k=2")
        .set("aux.importance.coefficient=0.5")
        .set("aux.load.coefficient=0.25")
        .set("noise.kind=gaussian_fixed")
        .set("noise.scale=0.375");
  };
  const Rows z{{2, 1, 0, -1}, {0, 0.5, 1, 1.5}};
  return {
      fixed("noise/fixed", "Noise of a fixed scale turns the choice around: as in V-MoE and Tutel.")
          .logits(z)
          .noise({{-6, -4, 0, 8}, {4, -2, 1, -3}})
          .catches("noise as it is drawn"),
      fixed("noise/fixed-tie", "Noisy logits that are one number tie, whatever they are made of.")
          .set("noise.scale=0.5")
          .set("aux=[]")
          .logits({{1, 0.5, 0, -1}, {0, 0, 0, 1}})
          .noise({{0, 1, 2, -2}, {2, 2, 2, 0}})
          .catches("a tie by the clean logits"),
      fixed("noise/fixed-sigmoid", "Sigmoids of noisy logits, not renormalised, with a balance loss.")
          .set("router.score_function=sigmoid")
          .set("router.renorm=none")
          .set(R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k"}])")
          .logits(z)
          .noise({{1, -1, 0.5, 2}, {0, 3, -2, 1}})
          .catches("scores of the clean logits"),
      fixed("noise/fixed-own-input", "The router has an input of its own, and no map of noise.")
          .set("router.input=own")
          .catches("a map of noise that gets a gradient"),
  };
}

std::vector<GoldenCase> freed_places() {
  const auto freed = [](const char* id, const char* comment) {
    return CaseBuilder("gshard", id, comment)
        .flag("SecondPolicy")
        .set("shape.num_groups=1")
        .set("router.second_place=freed")
        .set("capacity.mode=fixed")
        .set("capacity.fixed=1")
        .draw(1);
  };
  return {
      freed("second/freed", "A choice that is not taken up leaves its place to the next.")
          .routes({{0, 3}, {1, 3}, {2, 3}})
          .tensor(Tensor::noise_second_policy, {0.875, 0, 0.25})
          .catches("a place that nobody uses"),
      freed("second/freed-token-major", "The same where all choices of a token ask before the next.")
          .set("capacity.order=token_major")
          .routes({{0, 1}, {1, 0}, {1, 2}})
          .tensor(Tensor::noise_second_policy, {0.875, 0.9375, 0})
          .catches("a first choice behind one that is not taken up"),
      freed("second/freed-of-groups", "Places of each group of tokens.")
          .set("shape.num_groups=2")
          .set("capacity.scope=group")
          .routes({{0, 3}, {1, 3}, {0, 3}, {1, 3}})
          .tensor(Tensor::noise_second_policy, {0.875, 0, 0, 0.875})
          .catches("places that one group leaves to another"),
  };
}

std::vector<GoldenCase> variations() {
  const auto of = [](const char* preset, const char* id, const char* comment, const char* aux) {
    return CaseBuilder(preset, id, comment).flag("Loss").set(aux);
  };
  return {
      of("mixtral", "losses/importance-unbiased", "The variance over E - 1.",
         R"(aux=[{"name":"i","kind":"cv_importance","coefficient":0.5,"variance":"unbiased"}])")
          .catches("a variance over E"),
      of("mixtral", "losses/importance-of-scores",
         "An expert counts by all scores for it: as in V-MoE without noise.",
         R"(aux=[{"name":"i","kind":"cv_importance","coefficient":0.5,"importance_of":"scores"}])")
          .catches("an importance of weights"),
      of("mixtral", "losses/importance-of-sigmoids", "Of sigmoids, unbiased, with an epsilon that shows.",
         R"(aux=[{"name":"i","kind":"cv_importance","coefficient":0.5,"importance_of":"scores",)"
         R"("variance":"unbiased","epsilon":0.25}])")
          .set("router.score_function=sigmoid")
          .catches("scores that are normalised first"),
      of("mixtral", "losses/importance-of-both", "One of weights and one of scores.",
         R"(aux=[{"name":"s","kind":"cv_importance","coefficient":0.5,"importance_of":"scores"},)"
         R"({"name":"w","kind":"cv_importance","coefficient":0.25}])")
          .set("router.renorm=none")
          .catches("one importance for both"),
      of("shazeer2017", "losses/load-unbiased", "The load's variance over E - 1.",
         R"(aux=[{"name":"l","kind":"cv_load","coefficient":0.5,"variance":"unbiased"}])")
          .flag("Noise")
          .set("shape.top_k=2")
          .catches("a variance of the load over E"),
  };
}

}  // namespace

std::vector<GoldenFile> spread_family() {
  return {{"noise/fixed.json", fixed_noise()},
          {"second/freed.json", freed_places()},
          {"losses/variations.json", variations()}};
}

}  // namespace moe
