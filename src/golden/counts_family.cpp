#include "families.h"

// What losses count and divide by, scores that are not of the three usual kinds, and what is given without weights.
namespace moe {
namespace {

CaseBuilder loss(const char* preset, const char* id, const char* comment, const char* aux) {
  return CaseBuilder(preset, id, comment).flag("Loss").set("shape.ffn_size=2").set(aux);
}

std::vector<GoldenCase> shares() {
  return {
      loss(
          "mixtral", "losses/softmax-twice",
          "Probabilities that went through a softmax again, as in some releases of transformers 5.",
          R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","p_source":"softmax_of_scores"}])")
          .catches("a loss of the probabilities"),
      loss(
          "mixtral", "losses/softmax-of-scores", "The softmax of sigmoids: MaxText's loss without its bias.",
          R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","p_source":"softmax_of_scores"}])")
          .set("router.score_function=sigmoid")
          .catches("a softmax of the logits"),
      loss(
          "mixtral", "losses/softmax-of-logits-as-scores",
          "Scores that are the logits: their softmax is the usual one.",
          R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","p_source":"softmax_of_scores"}])")
          .set("router.score_function=identity")
          .set("router.renorm=none")
          .catches("shares of negative logits"),
  };
}

std::vector<GoldenCase> counts() {
  const auto limited = [](CaseBuilder c) {
    return c.flag("Capacity").set("capacity.mode=fixed").set("capacity.fixed=1");
  };
  return {
      limited(
          loss("switch", "losses/dropped-count-first",
               "Tokens without a place count for expert 0: the argmax of an empty mask, in transformers 4.",
               R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_stage":"post_drop_first"}])"))
          .routes({{2}, {2}, {1}, {2}})
          .catches("dropped tokens that count for nobody"),
      limited(
          loss(
              "switch", "losses/divided-by-kept",
              "Divided by kept tokens, scores of all of them too: FastMoE.",
              R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_stage":"post_drop","divisor":"kept"}])"))
          .routes({{2}, {2}, {1}, {2}})
          .catches("a mean over all tokens"),
      loss("switch", "losses/divided-by-none", "Nothing is kept: the loss is 0.",
           R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_stage":"post_drop","divisor":"kept"}])")
          .flag("Capacity")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=0")
          .catches("a loss that is no number"),
      limited(
          loss(
              "mixtral", "losses/divided-by-kept-of-groups", "Kept assignments of each group of tokens.",
              R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","f_stage":"post_drop",)"
              R"("divisor":"kept","scope":"group"}])"))
          .set("shape.num_groups=2")
          .routes({{0, 1}, {0, 2}, {1, 2}, {3, 1}})
          .catches("kept assignments of the batch"),
      limited(
          loss(
              "mixtral", "losses/divided-by-kept-firsts", "Where first choices count, kept ones of those.",
              R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_stage":"post_drop","divisor":"kept"}])"))
          .routes({{0, 1}, {0, 2}, {1, 3}, {0, 3}})
          .catches("all kept assignments as the divisor"),
      loss("mixtral", "losses/earlier-layer",
           "A layer before that used the other experts: together the load is even.",
           R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","earlier_tokens":4}])")
          .routes({{0, 1}, {0, 1}, {1, 0}, {1, 0}})
          .tensor(Tensor::aux_earlier_counts, {0, 0, 4, 4})
          .tensor(Tensor::aux_earlier_scores, {0.25, 0.25, 1.75, 1.75})
          .catches("the mean of the losses of two layers"),
      loss("mixtral", "losses/one-earlier-token", "One token more.",
           R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","earlier_tokens":1}])")
          .tensor(Tensor::aux_earlier_counts, {1, 0, 0, 1})
          .tensor(Tensor::aux_earlier_scores, {0.75, 0.0625, 0.0625, 0.125})
          .catches("an earlier token that is not counted"),
      loss("mixtral", "losses/earlier-batches",
           "More tokens before than now, of sigmoids, K times as many counts.",
           R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","f_divide_by_k":true,)"
           R"("earlier_tokens":12}])")
          .set("router.score_function=sigmoid")
          .tensor(Tensor::aux_earlier_counts, {3, 9, 4, 8})
          .tensor(Tensor::aux_earlier_scores, {2.5, 4, 2.75, 2.75})
          .catches("a loss of this batch alone"),
  };
}

// What is padding does not count, though it is routed; and what was counted before may stand beside shares of this batch alone.
std::vector<GoldenCase> counted_in_part() {
  const auto marked = [](CaseBuilder c, const std::vector<std::int32_t>& mask) {
    return c.flag("Padding").integers(Tensor::aux_token_mask, {static_cast<Index>(mask.size())}, mask);
  };
  return {
      marked(loss("mixtral", "losses/padding", "Two tokens of padding: as by attention_mask in transformers.",
                  R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","masked":true}])")
                 .routes({{0, 1}, {2, 3}, {0, 1}, {2, 3}}),
             {1, 1, 0, 0})
          .catches("padding that counts in the loss"),
      marked(loss("mixtral", "losses/padding-only", "Nothing but padding: the loss is 0.",
                  R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","masked":true},)"
                  R"({"name":"z","kind":"z","coefficient":0.25,"masked":true}])"),
             {0, 0, 0, 0})
          .catches("a loss that is no number"),
      marked(loss("mixtral", "losses/padding-in-groups",
                  "Each sequence has other padding, one has no other tokens.",
                  R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k",)"
                  R"("f_divide_by_k":true,"scope":"group","masked":true}])")
                 .tokens(6)
                 .set("router.score_function=sigmoid")
                 .set("shape.num_groups=3"),
             {1, 1, 1, 0, 0, 0})
          .catches("the padding of the batch in each group"),
      marked(loss("mixtral", "losses/padding-beside", "A z-loss without padding, a balancing loss with it.",
                  R"(aux=[{"name":"z","kind":"z","coefficient":0.5,"masked":true},)"
                  R"({"name":"b","kind":"switch","coefficient":0.25}])")
                 .logits({{2, 1, 0, -1}, {4, 0, 0, 0}, {0, 3, 1, -2}}),
             {1, 0, 1})
          .catches("a mean over all tokens"),
      marked(
          loss(
              "switch", "losses/padding-dropped",
              "Padding takes a place, and neither counts nor is counted as dropped.",
              R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_stage":"post_drop_first","masked":true}])")
              .flag("Capacity")
              .set("capacity.mode=fixed")
              .set("capacity.fixed=1")
              .routes({{2}, {2}, {1}, {1}}),
          {0, 1, 1, 0})
          .catches("dropped padding that counts for expert 0"),
      marked(
          loss("switch", "losses/padding-kept", "Divided by kept tokens that are no padding.",
               R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_stage":"post_drop","divisor":"kept",)"
               R"("masked":true}])")
              .flag("Capacity")
              .set("capacity.mode=fixed")
              .set("capacity.fixed=2")
              .routes({{2}, {2}, {1}, {2}}),
          {1, 0, 1, 1})
          .catches("kept padding as part of the divisor"),
      marked(loss("deepseek_v3", "losses/padding-by-scores",
                  "The best scores count, of tokens that are no padding.",
                  R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k",)"
                  R"("f_from":"retopk_of_aux_scores","masked":true}])")
                 .set("shape.top_k=2")
                 .set("router.n_group=2")
                 .set("router.topk_group=1")
                 .set("shared.ffn_size=2"),
             {1, 0, 1, 1})
          .catches("experts that padding would choose"),
      marked(
          loss("mixtral", "losses/padding-and-earlier-layer", "Padding of two layers: both without it.",
               R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","earlier_tokens":3,)"
               R"("masked":true}])")
              .tensor(Tensor::aux_earlier_counts, {1, 2, 3, 0})
              .tensor(Tensor::aux_earlier_scores, {0.5, 0.75, 1.5, 0.25}),
          {1, 1, 1, 0})
          .catches("padding of this layer alone"),
      loss("mixtral", "losses/running",
           "Counts of all batches so far beside the shares of this one: Megatron's global loss.",
           R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","f_divide_by_k":true,)"
           R"("earlier_tokens":8,"p_of_batch":true}])")
          .tensor(Tensor::aux_earlier_counts, {9, 4, 1, 2})
          .catches("shares over all batches"),
      marked(
          loss(
              "mixtral", "losses/running-padding", "The same, of sigmoids, without padding.",
              R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","f_divide_by_k":true,)"
              R"("earlier_tokens":3,"p_of_batch":true,"masked":true}])")
              .set("router.score_function=sigmoid")
              .tensor(Tensor::aux_earlier_counts, {3, 1, 0, 2}),
          {1, 0, 1, 1})
          .catches("shares over this batch and its padding"),
  };
}

std::vector<GoldenCase> noisy_losses() {
  const Rows z{{2, 1, 0, -1}, {0, 0.5, 1, 1.5}};
  const Rows n{{-1, 0.5, 2, 1}, {1.5, -0.5, 0, -2}};
  const auto noisy = [&](const char* id, const char* comment, const char* aux) {
    return loss("shazeer2017", id, comment, aux)
        .flag("Noise")
        .set("shape.top_k=2")
        .set("noise.kind=gaussian_fixed")
        .set("noise.scale=0.75")
        .logits(z)
        .noise(n);
  };
  return {
      noisy("losses/z-of-clean", "The z-loss of the logits without noise: as in st-moe-pytorch.",
            R"(aux=[{"name":"z","kind":"z","coefficient":0.5,"z_of":"clean"}])")
          .catches("a z-loss of noisy logits"),
      noisy("losses/z-of-both", "One of each.",
            R"(aux=[{"name":"c","kind":"z","coefficient":0.5,"z_of":"clean"},)"
            R"({"name":"n","kind":"z","coefficient":0.25}])")
          .catches("one logarithm for both"),
      noisy("losses/load-against-last", "A logit must exceed the last chosen one, its own, too: as in V-MoE.",
            R"(aux=[{"name":"l","kind":"cv_load","coefficient":0.5,"load_against":"last_chosen"}])")
          .catches("a threshold of its own for every chosen one"),
      noisy("losses/load-against-last-of-all", "All are chosen, and the last of them is still the threshold.",
            R"(aux=[{"name":"l","kind":"cv_load","coefficient":0.5,"load_against":"last_chosen"}])")
          .set("shape.top_k=4")
          .catches("a load of all tokens"),
      noisy("losses/importance-of-clean",
            "The importance of all scores, as they are without noise: as in V-MoE.",
            R"(aux=[{"name":"i","kind":"cv_importance","coefficient":0.5,"importance_of":"clean_scores"}])")
          .catches("an importance of what noisy choices weigh"),
      noisy("losses/importance-of-clean-and-load",
            "V-MoE's two losses, over all scores and against one threshold.",
            R"(aux=[{"name":"i","kind":"cv_importance","coefficient":0.5,"importance_of":"clean_scores"},)"
            R"({"name":"l","kind":"cv_load","coefficient":0.25,"load_against":"last_chosen"}])")
          .set("router.renorm=none")
          .catches("one kind of logits for both"),
  };
}

std::vector<GoldenCase> scores() {
  const auto scored = [](const char* id, const char* comment) {
    return CaseBuilder("mixtral", id, comment).flag("Scores").set("shape.ffn_size=3");
  };
  const char* balance = R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k"}])";
  return {
      scored("router/offset",
             "Sigmoids and an eighth, then their shares: OLMo-core with a number that shows.")
          .set("router.score_function=sigmoid")
          .set("router.score_offset=0.125")
          .set(balance)
          .catches("an offset of the sum only"),
      scored("router/offset-small", "Sigmoids far below the offset: even shares.")
          .set("router.score_function=sigmoid")
          .set("router.score_offset=1e-7")
          .set("aux=[]")
          .logits({{-30, -31, -40, -50}, {-20, -60, -18, -17}})
          .catches("no offset"),
      scored("router/offset-bias", "Under a bias that only chooses, and without renormalisation.")
          .flag("SelectionBias")
          .set("router.score_function=sigmoid")
          .set("router.score_offset=0.25")
          .set("router.renorm=none")
          .set("router.selection_bias=true")
          .set("aux=[]")
          .catches("a bias in the weights"),
      scored("router/logits-as-weights", "Weights that are the logits, negative ones, too.")
          .set("router.score_function=identity")
          .set("router.renorm=none")
          .set("aux=[]")
          .logits({{-1, -2, -3, -4}, {2, 0, -1, 1}, {0, -1, -0.5, -8}})
          .catches("weights that are made positive"),
      scored("router/logits-and-bias",
             "With a bias in the choice, a factor, a balancing loss of their softmax.")
          .flag("SelectionBias")
          .set("router.score_function=identity")
          .set("router.renorm=none")
          .set("router.selection_bias=true")
          .set("router.routed_scaling_factor=0.5")
          .set(
              R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","p_source":"softmax"}])")
          .catches("biased logits as weights"),
      scored("router/logits-tie", "Logits that a bias makes equal.")
          .flag("SelectionBias")
          .set("router.score_function=identity")
          .set("router.renorm=none")
          .set("router.selection_bias=true")
          .set("aux=[]")
          .logits({{1, 0.5, 0, -1}, {0, 0, 1, 0.5}})
          .tensor(Tensor::router_selection_bias, {0, 0.5, 1, 0.75})
          .catches("a tie that is not seen"),
  };
}

std::vector<GoldenCase> rests() {
  const auto rest = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment)
        .flag("Rest")
        .set("shape.ffn_size=3")
        .set("router.renorm=none")
        .set("combine.rest=x");
  };
  return {
      rest("switch", "output/rest", "What a sigmoid leaves of 1 is the share of x: as in BASE layers.")
          .set("router.score_function=sigmoid")
          .set("capacity.mode=none")
          .set("aux=[]")
          .catches("the expert's part alone"),
      rest("mixtral", "output/rest-of-two", "What two scores leave.").catches("x as it is"),
      rest("switch", "output/rest-dropped", "All of x for a token without a place.")
          .flag("Capacity")
          .flag("DroppedToken")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .routes({{1}, {1}, {0}, {1}})
          .catches("0 for a dropped token"),
      rest("mixtral", "output/rest-of-kept", "Of kept choices.")
          .flag("Capacity")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .routes({{0, 1}, {0, 2}, {2, 3}})
          .catches("what dropped choices would have left"),
      rest("mixtral", "output/rest-negative", "Weights of more than 1 take x away.")
          .set("router.routed_scaling_factor=4")
          .flag("Norm")
          .set("combine.norm=rms")
          .catches("a rest of at least 0"),
      rest("llama4", "output/rest-weighed-input", "Weights multiply what goes in, and leave x its share.")
          .flag("WeightOnInput")
          .set("shared.ffn_size=3")
          .catches("a rest of the weighed x"),
  };
}

std::vector<GoldenCase> zeros_given() {
  const auto zero = [](const char* id, const char* comment) {
    return CaseBuilder("longcat_flash", id, comment)
        .flag("IdentityExperts")
        .set("shape.top_k=2")
        .set("experts.identity_experts=2")
        .set("experts.identity_gives=zero");
  };
  return {
      zero("identity/zero", "Experts without weights that give 0, and take a share: zero experts.")
          .routes({{0, 2}, {2, 3}, {1, 0}, {3, 1}})
          .catches("x from experts without weights"),
      zero("identity/zero-renormalised", "Their shares are lost where weights sum to 1.")
          .set("router.renorm=sum")
          .set("router.selection_bias=false")
          .routes({{0, 3}, {1, 2}, {3, 2}, {0, 1}})
          .catches("shares of the others alone"),
      zero("identity/zero-weighed-input", "Where weights multiply what goes in.")
          .flag("WeightOnInput")
          .set("combine.weight_location=input")
          .routes({{0, 2}, {2, 1}, {3, 0}, {1, 0}})
          .catches("the weighed x"),
      zero("identity/zero-latent", "In a latent space.")
          .flag("Latent")
          .set("experts.latent_size=3")
          .routes({{0, 2}, {2, 3}, {1, 0}, {3, 1}})
          .catches("the latent x"),
  };
}

}  // namespace

std::vector<GoldenFile> counts_family() {
  return {{"losses/shares.json", shares()},           {"losses/counts.json", counts()},
          {"losses/padding.json", counted_in_part()}, {"losses/noisy.json", noisy_losses()},
          {"router/scores.json", scores()},           {"output/rests.json", rests()},
          {"identity/zeros.json", zeros_given()}};
}

}  // namespace moe
