#include "families.h"

// What else decides than logits: experts that are an input, noise that only ranks, a router that sees other numbers, places by lot.
namespace moe {
namespace {

std::vector<GoldenCase> given_experts() {
  const auto given = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment)
        .flag("GivenExperts")
        .set("router.choice=given")
        .set("shape.top_k=2");
  };
  return {
      given("mixtral", "given/ids", "Experts by a table; the logits only weigh.")
          .given({{3, 0}, {1, 2}, {0, 1}, {2, 3}})
          .catches("experts chosen by the logits"),
      given("mixtral", "given/worst",
            "The experts of the least scores, whose shares add up to 1 all the same.")
          .logits({{8, 7, -6, -8}, {-9, 9, -7, 6}, {0, 12, -12, 1}})
          .given({{2, 3}, {0, 2}, {2, 0}})
          .catches("weights of the best experts"),
      given("mixtral", "given/order", "Slots in the order of the table, where a loss counts the first.")
          .set(R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"top1"}])")
          .logits({{2, 1, 0, -1}, {0, 3, 1, -2}, {1, 0, 2, 3}})
          .given({{1, 0}, {2, 1}, {3, 2}})
          .catches("slots in the order of the weights"),
      given("switch", "given/weight-of-one",
            "One expert with the weight 1, and places by position: as in Lingvo.")
          .flag("Capacity")
          .set("shape.top_k=1")
          .set("router.renorm=sum")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .given({{2}, {2}, {0}, {2}})
          .catches("the score as the weight"),
      given("mixtral", "given/sqrtsoftplus",
            "The first layers of DeepSeek-V4: roots of softplus over their sum.")
          .set("router.score_function=sqrtsoftplus")
          .set("router.renorm_epsilon=1e-20")
          .set("router.routed_scaling_factor=1.5")
          .given({{0, 3}, {3, 1}, {1, 2}, {2, 0}})
          .catches("a softmax of the given logits"),
      given("mixtral", "given/scores-as-they-are", "Scores that are not renormalised: others' logits count.")
          .set("router.renorm=none")
          .given({{1, 0}, {1, 3}, {2, 0}, {3, 2}})
          .catches("shares of the given"),
      given("mixtral", "given/largest-index", "Ids beyond what a byte holds.")
          .set("shape.num_experts=260")
          .set("shape.ffn_size=1")
          .set("shape.hidden_size=2")
          .tokens(2)
          .given({{259, 0}, {256, 255}})
          .catches("ids of eight bits"),
      given("mixtral", "given/priority-by-weight", "Places by the weights of given experts.")
          .flag("Capacity")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .set("capacity.priority=weight")
          .logits({{1, 0, 0, -1}, {3, 0, 1, 0}, {2, 2, 0, 1}})
          .given({{0, 1}, {1, 0}, {3, 0}})
          .catches("places by position"),
  };
}

CaseBuilder ranked(const char* preset, const char* id, const char* comment) {
  return CaseBuilder(preset, id, comment).flag("Noise").set("noise.kind=gumbel").set("shape.ffn_size=3");
}

std::vector<GoldenCase> ranking_noise() {
  const Rows z{{2, 1, 0, -1}, {0, 0.5, 1, 1.5}, {-1, 3, 2, 0}};
  const std::vector<double> g{-6, -4, 0, 8, 4, -2, 1, -3, 0, -8, -1, 2};
  return {
      ranked("mixtral", "noise/gumbel", "Noise chooses, and the logits without it weigh.")
          .logits(z)
          .tensor(Tensor::noise_gumbel, g)
          .catches("weights of noisy logits"),
      ranked("switch", "noise/gumbel-first",
             "One choice, weighed by the softmax without noise: DeepSpeed's RSample.")
          .set("shape.top_k=1")
          .logits(z)
          .tensor(Tensor::noise_gumbel, g)
          .catches("the largest score as the weight"),
      ranked("mixtral", "noise/gumbel-second",
             "The first choice without noise, the second with it: DeepSpeed and fairscale.")
          .set("noise.choices=second")
          .logits(z)
          .tensor(Tensor::noise_gumbel, g)
          .catches("noise that ranks the first choice, too"),
      ranked("mixtral", "noise/gumbel-second-of-three", "All choices after the first.")
          .set("noise.choices=second")
          .set("shape.top_k=3")
          .logits(z)
          .tensor(Tensor::noise_gumbel, g)
          .catches("noise for the second choice alone"),
      ranked("mixtral", "noise/gumbel-tie", "Noisy logits that are one number: the smaller index.")
          .logits({{1, 0.5, 0, -1}, {0, 0, 2, 0}})
          .tensor(Tensor::noise_gumbel, {0, 0.5, 1, 2, 1, 1, 0, 2})
          .catches("a tie by the logits without noise"),
      ranked("mixtral", "noise/gumbel-first-ties",
             "A tie of the first choice, and noise that would break it.")
          .set("noise.choices=second")
          .logits({{1, 1, 0, 0}, {0, 2, 2, 1}})
          .tensor(Tensor::noise_gumbel, {0, 4, 3, 0, 1, 0, 5, 6})
          .catches("a tie that noise breaks"),
      ranked("gshard", "noise/gumbel-policy",
             "A second choice by noise, taken up by its weight without it: NLLB's sampling.")
          .flag("SecondPolicy")
          .set("noise.choices=second")
          .set("shape.num_groups=1")
          .set("capacity.mode=none")
          .logits(z)
          .tensor(Tensor::noise_gumbel, {0, -3, 1, -2, 0, 0, -4, 1, 1, 1, 0, 3})
          .tensor(Tensor::noise_second_policy, {0.125, 0.75, 0.25})
          .catches("a noisy weight compared"),
      ranked("mixtral", "noise/gumbel-capacity", "Places for those that noise chose.")
          .flag("Capacity")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .logits(z)
          .tensor(Tensor::noise_gumbel, {0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 4, 0})
          .catches("places for those that the logits would choose"),
      ranked("mixtral", "noise/gumbel-losses",
             "Losses of the logits without noise, that count whom noise chose.")
          .flag("Loss")
          .set(R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k"},)"
               R"({"name":"z","kind":"z","coefficient":0.25}])")
          .logits(z)
          .tensor(Tensor::noise_gumbel, g)
          .catches("losses of noisy logits"),
  };
}

std::vector<GoldenCase> jitter() {
  const auto jittered = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment)
        .flag("Noise")
        .set("noise.kind=input_jitter")
        .set("shape.ffn_size=3");
  };
  return {
      jittered("mixtral", "noise/input-jitter", "The router sees x with jitter; experts do not.")
          .catches("experts that see the jitter"),
      jittered("switch", "noise/input-jitter-near-one", "Jitter of two percent turns a choice around.")
          .set("shape.top_k=1")
          .logits({{1, 1.0078125, 0, 0}, {2, 0, 2.015625, 0}, {0, 0, 0, 1}})
          .tensor(Tensor::noise_input_jitter, {1.0078125, 1, 1, 1, 1, 0.9921875, 1, 1, 1, 1, 1, 1})
          .catches("jitter that is added"),
      jittered("gemma4", "noise/input-jitter-own", "Of the router's own input.")
          .set("shape.top_k=2")
          .catches("jitter of x"),
      jittered("mixtral", "noise/input-jitter-bias", "The bias of the logits has none.")
          .flag("LogitBias")
          .set("router.logit_bias=true")
          .set("router.logit_scale=2")
          .catches("jitter of the logits"),
      jittered("qwen2_moe", "noise/input-jitter-shared", "Nor does the shared expert see it, nor its gate.")
          .flag("SharedExpert")
          .set("shape.top_k=2")
          .set("shared.ffn_size=3")
          .catches("a shared expert that sees the jitter"),
  };
}

std::vector<GoldenCase> places_by_lot() {
  const auto lots = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment)
        .flag("Capacity")
        .set("shape.ffn_size=3")
        .set("capacity.mode=fixed")
        .set("capacity.fixed=1")
        .set("capacity.priority=random")
        .draw(1);
  };
  return {
      lots("switch", "capacity/random",
           "Places by a random number for each token and expert: DeepSpeed's top 1.")
          .set("shape.top_k=1")
          .routes({{0}, {0}, {0}, {1}})
          .tensor(Tensor::noise_priority, {0.25, 0, 0, 0, 0.75, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0})
          .catches("places by position"),
      lots("switch", "capacity/random-tie", "Equal numbers: the token that comes first.")
          .set("shape.top_k=1")
          .routes({{2}, {2}, {1}})
          .tensor(Tensor::noise_priority, {1, 0, 0.5, 0, 0, 1, 0.5, 0, 0, 0, 0, 1})
          .catches("the last of equal numbers"),
      lots("mixtral", "capacity/random-of-two", "Every choice has a number of its own.")
          .routes({{0, 1}, {1, 0}, {0, 2}})
          .tensor(Tensor::noise_priority, {0.5, 0.25, 0, 0, 0.75, 0.125, 0, 0, 0.25, 0, 1, 1})
          .catches("one number for a token"),
      lots("mixtral", "capacity/random-of-groups", "In each group of tokens.")
          .set("shape.num_groups=2")
          .set("capacity.scope=group")
          .routes({{0, 1}, {0, 2}, {0, 1}, {0, 2}})
          .tensor(Tensor::noise_priority, {0.25, 1, 0, 0, 0.5, 0, 1, 0, 0.875, 1, 0, 0, 0.75, 0, 1, 0})
          .catches("numbers that are compared across groups"),
      lots("shazeer2017", "capacity/random-with-noise", "Beside noise on the logits.")
          .flag("Noise")
          .set("shape.top_k=2")
          .set("aux=[]")
          .tensor(Tensor::noise_priority,
                  {0.5, 0, 0.75, 0, 0.25, 1, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 0, 0, 1})
          .catches("places by noisy logits"),
  };
}

std::vector<GoldenCase> thresholds() {
  const auto above = [](const char* id, const char* comment) {
    return CaseBuilder("gshard", id, comment)
        .flag("SecondPolicy")
        .set("shape.ffn_size=2")
        .set("shape.num_groups=1")
        .set("capacity.mode=none")
        .set("router.second_policy=threshold")
        .set("router.second_threshold=0.25");
  };
  return {
      above("second/above-threshold", "Second choices of enough weight are taken up: as in Mesh TensorFlow.")
          .logits({{1, 0, -8, -9}, {2, 0, -8, -9}, {-9, 0, 1.5, -8}, {0, 0.5, -4, -3}})
          .catches("all second choices taken up"),
      above("second/threshold-met", "A weight that is the threshold is not above it.")
          .set("router.second_threshold=0.5")
          .logits({{1, 1, 0, 0}, {0, 2, -1, 2}})
          .catches("a comparison that lets equality pass"),
      above("second/threshold-raw", "Scores that are not renormalised.")
          .set("router.renorm=none")
          .logits({{1, 0.5, 0, 0}, {2, 1, -2, -2}, {0, 0, 1, 1.5}})
          .catches("the renormalised weight compared"),
      above("second/threshold-freed", "One that is too light leaves its place to the next.")
          .set("router.second_place=freed")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .logits({{3, -9, -8, 1}, {-9, 1, -8, 0.5}, {-9, -8, 2, 1.5}})
          .catches("a place that nobody uses"),
  };
}

}  // namespace

std::vector<GoldenFile> draws_family() {
  return {{"given/experts.json", given_experts()},
          {"noise/gumbel.json", ranking_noise()},
          {"noise/jitter.json", jitter()},
          {"capacity/random.json", places_by_lot()},
          {"second/thresholds.json", thresholds()}};
}

}  // namespace moe
