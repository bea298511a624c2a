#include "families.h"

// Randomness as an explicit input: a second choice that may not be taken up, and noise on the logits.
namespace moe {
namespace {

/// GShard with four experts for all tokens alike, and no capacity.
CaseBuilder second(const char* id, const char* comment) {
  return CaseBuilder("gshard", id, comment)
      .flag("SecondPolicy")
      .set("shape.ffn_size=2")
      .set("shape.num_groups=1")
      .set("capacity.mode=none")
      .set("aux.load_balance.coefficient=0.5");
}

std::vector<GoldenCase> second_choices() {
  const std::vector<std::vector<Index>> routes{{0, 1}, {1, 2}, {2, 3}, {3, 0}};
  return {
      second("second/taken-and-not", "The second weighs 0.27: taken up below 0.54, and not above.")
          .catches("the second choice always, or never, taken up")
          .draw(1)
          .routes(routes)
          .tensor(Tensor::noise_second_policy, {0, 0.5, 0.5625, 0.75}),
      second("second/queue", "A choice that is not taken up keeps its place in the queue of its expert.")
          .catches("a choice that is not taken up leaving its place to the next")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .set("capacity.order=choice_major")
          .draw(1)
          .routes({{0, 3}, {1, 3}, {2, 3}})
          .tensor(Tensor::noise_second_policy, {0.875, 0, 0.25}),
      second("second/equal", "Equal logits, and 2 w = U = 1: not above, so not taken up.")
          .catches("a comparison that lets equality pass")
          .draw(1)
          .logits({{1, 1, 0, 0}, {0, 2, -1, 2}})
          .tensor(Tensor::noise_second_policy, {1, 0.984375}),
      second("second/raw", "Weights that are not renormalised.")
          .catches("the weight renormalised where the other is meant")
          .set("router.renorm=none")
          .routes(routes)
          .tensor(Tensor::noise_second_policy, {0.25, 0.5, 0.375, 0.625}),
      second("second/threshold", "Taken up above a fifth of U.")
          .catches("a threshold that is always one half")
          .set("router.second_threshold=0.2")
          .draw(1)
          .logits({{1, 0, -8, -9}, {2, 0, -8, -9}, {-9, 0, 1.5, -8}, {-9, -8, 0, 1.75}})
          .tensor(Tensor::noise_second_policy, {0.5, 0.75, 0.875, 0.9375}),
      second("second/sigmoid", "The share of a sigmoid.")
          .catches("the share of a softmax where that of a sigmoid is meant")
          .set("router.score_function=sigmoid")
          .routes(routes)
          .tensor(Tensor::noise_second_policy, {0.5, 0.75, 0.8125, 0.875}),
  };
}

CaseBuilder noisy(const char* id, const char* comment) {
  return CaseBuilder("shazeer2017", id, comment)
      .flag("Noise")
      .set("shape.ffn_size=2")
      .set("shape.top_k=2")
      .set("aux.importance.coefficient=0.5")
      .set("aux.load.coefficient=0.25");
}

std::vector<GoldenCase> noises() {
  const Rows z{{2, 1, 0, -1}, {0, 0.5, 1, 1.5}};
  return {
      noisy("noise/flips-choice", "Noise makes the worst expert the best.")
          .catches("experts chosen by the clean logits")
          .logits(z)
          .noise({{1, 0, -1, 2}, {0.5, 0.5, -2, -1}}, {{-2, -1.5, 0, 1.96875}, {1.5, -1, 1.75, -1.25}}),
      noisy("noise/zero", "No noise on some logits: they are the clean ones, exactly.")
          .catches("a scale that is added instead of multiplied")
          .logits({{2, 1, 0, -1}, {0, 0.5, 1, 1.5}, {0, 0, -1, -2}})
          .noise({{1, 0, -1, 2}, {0.5, 0.5, -2, -1}, {0, 1, 0, 0}},
                 {{0, 0, 0, 0}, {0, 1, 0, -0.5}, {1, 1, 0, 0}}),
      noisy("noise/large-raw", "Scales that exp overflows on the way to, and the least scale there is.")
          .catches("log(1 + exp(r)) by its formula")
          .logits(z)
          .noise({{1000, -1000, 20, -20}, {-800, 750, -90, 90}},
                 {{0.0625, 1, 0.5, -1}, {1.5, -0.03125, 1, 0.25}}),
      noisy("noise/tie", "Equal logits, equal noise and equal scales tie.")
          .catches("noisy logits that are equal in truth ranked by their rounding errors")
          .logits({{1, 1, 1, -5}, {0, 3, 3, 3}})
          .noise({{0.5, 0.5, 0.5, 0}, {1, -1, -1, -1}}, {{0.5, 0.5, 0.5, 0}, {0.25, 0.75, 0.75, 0.75}}),
      noisy("noise/opposite-raw", "Equal in truth: z + n softplus(r) = (z + n r) + n softplus(-r).")
          .catches("noisy logits that are equal in truth ranked by their rounding errors")
          .set("noise.epsilon=0.25")
          .draw(1)
          .logits({{1, 1.375, 0, -4}})
          .noise({{0.75, -0.75, 0.25, 0}}, {{0.5, 0.5, 0.25, 0}}),
      noisy("noise/threshold-tie", "The next two that were not chosen tie: the load loss has two slopes.")
          .catches("a derivative that is claimed where there are two")
          .logits({{3, 2, 1, 1}, {1, 4, 1, 3}})
          .noise({{0, 0, 0, 0}, {0, 0, 0, 0}}, {{0.5, 0.5, 0.5, 0.5}, {0.25, 0.25, 0.25, 0.25}}),
      noisy("noise/all-chosen", "K = E: the load is T for every expert, and has no gradient.")
          .catches("a threshold where nobody is left out")
          .set("aux.load.epsilon=0.5")
          .set("shape.top_k=4"),
      noisy("noise/one-choice", "K = 1: the threshold of the chosen is the second, of all others the first.")
          .catches("one threshold for all experts")
          .set("shape.top_k=1"),
      noisy("noise/sigmoid", "Sigmoid scores of noisy logits, not renormalised.")
          .catches("scores of the clean logits")
          .set("router.score_function=sigmoid")
          .set("router.renorm=none"),
      noisy("noise/dropped", "Choices that are dropped weigh in the importance all the same.")
          .catches("importance of kept choices only")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1"),
      noisy("noise/other-losses", "Balance and z-loss of the noisy logits.")
          .catches("losses of the clean logits")
          .set(R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5},)"
               R"({"name":"z","kind":"z","coefficient":0.25}])"),
      noisy("noise/no-tokens", "T = 0: nothing to spread, so both losses are 0.")
          .catches("0 / 0 where there is no token")
          .tokens(0),
      noisy("noise/wide-epsilon", "Epsilons that can be seen.")
          .catches("an epsilon left out of the mean, the variance or the quotient")
          .set("noise.epsilon=0.5")
          .set("aux.importance.epsilon=0.25")
          .set("aux.load.epsilon=0.125"),
  };
}

}  // namespace

std::vector<GoldenFile> noise_family() {
  return {{"second/policy.json", second_choices()}, {"noise/logits.json", noises()}};
}

}  // namespace moe
