#include "families.h"

// What blocks of recent models add: limits of the hidden layer, a bias of the logits, weights on what goes in, experts without
// weights, and experts that choose tokens.
namespace moe {
namespace {

CaseBuilder limited(const char* id, const char* comment) {
  return CaseBuilder("mixtral", id, comment).flag("Limits");
}

std::vector<GoldenCase> limits() {
  const auto both = [](CaseBuilder builder) {
    return builder.set("experts.clamp_gate_max=0.5").set("experts.clamp_up_abs=0.25");
  };
  // One expert, x is 1 or -1, and the gate and the up of each hidden unit are the weights: at, below and beyond the limits.
  const auto bend = [](const char* id, const char* comment) {
    return CaseBuilder("dense", id, comment)
        .flag("Limits")
        .set("shape.num_tokens=2")
        .set("shape.hidden_size=1")
        .set("shape.ffn_size=6")
        .set("experts.clamp_gate_max=0.5")
        .set("experts.clamp_up_abs=0.25")
        .tensor(Tensor::x, {1, -1})
        .tensor(Tensor::experts_gate, {0.5, 0.25, 0.75, 0.25, -0.25, 4})
        .tensor(Tensor::experts_up, {0.125, 0.25, -0.25, 0.5, -0.5, 0.0625});
  };
  return {
      limited("experts/quick-gelu", "z sigmoid(1.702 z) as the gate.")
          .set("experts.activation=quick_gelu")
          .catches("SiLU, or another GELU"),
      limited("experts/quick-gelu-plain", "The same without a gate, with biases.")
          .set("experts.glu=false")
          .set("experts.bias=per_expert")
          .set("experts.activation=quick_gelu")
          .catches("SiLU where there is no gate"),
      limited("experts/quick-gelu-alpha", "Another alpha.")
          .set("experts.activation=quick_gelu")
          .set("experts.act_alpha=2.5")
          .catches("an alpha that is taken to be 1.702"),
      both(limited("experts/limits",
                   "SiLU of a gate that is limited from above, times an up that is limited on both sides."))
          .catches("a gate that is limited on both sides"),
      limited("experts/limit-of-gate", "A limit of the gate alone.")
          .set("experts.clamp_gate_max=0.25")
          .catches("a limit after the activation"),
      limited("experts/limit-of-up", "A limit of up alone.")
          .set("experts.clamp_up_abs=0.375")
          .catches("a limit from one side only"),
      limited("experts/limits-unreached", "Limits that no number reaches.")
          .set("experts.clamp_gate_max=7")
          .set("experts.clamp_up_abs=7")
          .catches("limits of another size"),
      limited("experts/offset", "A number added to up, without limits.")
          .set("experts.up_offset=1")
          .catches("an offset that is left out, or added to the gate"),
      both(limited("experts/limits-and-offset",
                   "quick GELU, both limits, 1 added to up, and biases: all that gpt-oss has."))
          .set("experts.activation=quick_gelu")
          .set("experts.up_offset=1")
          .set("experts.bias=per_expert")
          .catches("1 added before up is limited"),
      both(limited("experts/limits-of-relu", "ReLU of a limited gate."))
          .set("experts.activation=relu")
          .catches("a limit that replaces the activation"),
      bend("experts/limits-met", "Numbers exactly at their limits, and on both sides of them.")
          .flag("AtLimit")
          .catches("a limit of up on one side only"),
      bend("experts/limits-met-offset",
           "The same with a number added to up, which is no matter to its limit.")
          .flag("AtLimit")
          .set("experts.up_offset=1")
          .catches("a limit of the sum"),
  };
}

std::vector<GoldenCase> limits_of_shared() {
  const auto shared = [](const char* id, const char* comment) {
    return limited(id, comment).flag("SharedExpert").set("shared.mode=add").set("shared.ffn_size=3");
  };
  return {
      shared("shared/limits", "The same limits as the other experts have.")
          .set("experts.clamp_gate_max=0.5")
          .set("experts.clamp_up_abs=0.25")
          .set("shared.clamp_gate_max=0.5")
          .set("shared.clamp_up_abs=0.25")
          .catches("a shared expert without limits"),
      shared("shared/no-limits", "Limits of the other experts only.")
          .set("experts.clamp_gate_max=0.25")
          .set("experts.clamp_up_abs=0.25")
          .catches("a shared expert with the limits of the others"),
      shared("shared/own-limits", "Limits of the shared expert only, behind a gate.")
          .set("shared.mode=sigmoid_gate")
          .set("shared.clamp_gate_max=0.125")
          .set("shared.clamp_up_abs=0.5")
          .catches("limits of the shared expert taken for those of all"),
      shared("shared/offset", "quick GELU and 1 added to up, in the shared expert, too.")
          .set("experts.activation=quick_gelu")
          .set("experts.act_alpha=1.5")
          .set("experts.up_offset=1")
          .catches("a shared expert with SiLU"),
  };
}

std::vector<GoldenCase> logit_biases() {
  const auto with_bias = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("LogitBias").set("router.logit_bias=true");
  };
  const Rows rows{{1, 0.5, 0, -1}, {0, 0, 0.25, 0.25}, {-2, 3, 1, 1}, {0.5, 0.5, 0.5, 0.5}};
  return {
      with_bias("mixtral", "bias/logits", "A bias that changes who is chosen, and by how much.")
          .logits(rows)
          .tensor(Tensor::router_bias, {-0.5, 0.25, 1, -0.25})
          .catches("a bias that is forgotten, or takes part in the choice only"),
      with_bias("mixtral", "bias/logits-seeded", "A small bias, as seeded.")
          .catches("a bias without a gradient"),
      with_bias("mixtral", "bias/logits-tie",
                "Sums that are equal where neither part is: the smaller id first.")
          .flag("Tie")
          .logits({{1, 0.5, 0, -1}, {0, 0.25, 0.5, 0.75}})
          .tensor(Tensor::router_bias, {-1, -0.5, 0, 1})
          .catches("ties that are looked for before the bias is added"),
      with_bias("deepseek_v3", "bias/logits-and-scores", "A bias of the logits and another of the choice.")
          .flag("SelectionBias")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("router.n_group=1")
          .set("shared.mode=none")
          .logits(rows)
          .tensor(Tensor::router_bias, {0.5, -0.25, 0, 0.25})
          .tensor(Tensor::router_selection_bias, {0, 0.25, 0.125, -0.25})
          .catches("one bias taken for the other"),
      with_bias("shazeer2017", "bias/logits-and-noise", "A bias beside noise: it is of the clean logits.")
          .flag("Noise")
          .set("shape.top_k=2")
          .catches("a bias that noise is not added to"),
  };
}

std::vector<GoldenCase> epsilons() {
  const auto added = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("Renormalisation");
  };
  const Rows small{{-9, -8.5, -10, -9.5}, {1, 0.5, -20, -21}, {-20, -21, -22, -19}, {0, 0, 0, 0}};
  return {
      added("mixtral", "epsilon/sigmoid",
            "Sigmoids over their sum and 1e-6, as LFM2 has it; one token has hardly any.")
          .set("router.score_function=sigmoid")
          .set("router.renorm_epsilon=1e-6")
          .logits(small)
          .catches("a sum without epsilon"),
      added("mixtral", "epsilon/softmax", "A softmax over all experts, over the sum of the chosen and 1/8.")
          .set("router.renorm_epsilon=0.125")
          .catches("a softmax of the chosen logits"),
      added("mixtral", "epsilon/one-choice", "One choice whose weight is not 1, so that the router learns.")
          .set("shape.top_k=1")
          .set("router.renorm_epsilon=0.125")
          .catches("a weight of 1 for one choice"),
      added("mixtral", "epsilon/after-drop", "The sum of what was kept, and epsilon where nothing was.")
          .flag("Capacity")
          .set("router.score_function=sigmoid")
          .set("router.renorm_epsilon=0.25")
          .set("router.renorm_stage=after_drop")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .catches("epsilon added before the drop only"),
      added("deepseek_v4", "epsilon/square-roots", "With square roots of softplus, a bias and a factor.")
          .set("shape.top_k=2")
          .set("shared.mode=none")
          .set("router.renorm_epsilon=0.5")
          .catches("the factor applied to the sum, too"),
  };
}

std::vector<GoldenCase> biases_of_logits() {
  return {
      CaseBuilder("deepseek_v3", "bias/on-logits",
                  "The bias of the choice is added to logits, as Kolibri has it.")
          .flag("SelectionBias")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("router.n_group=1")
          .set("shared.mode=none")
          .set("router.selection_bias_on=logits")
          .logits({{4, 3, 2, 1}, {-4, -3, -2.5, -1}, {0, 0, 0, 0}})
          .tensor(Tensor::router_selection_bias, {-0.5, 0.25, 1, 0})
          .catches("a bias that is added to sigmoids"),
      CaseBuilder("deepseek_v3", "bias/on-logits-tie", "Sums that are equal: the smaller id first.")
          .flag("SelectionBias")
          .flag("Tie")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("router.n_group=1")
          .set("shared.mode=none")
          .set("router.selection_bias_on=logits")
          .logits({{1, 0.75, 0.5, 0.25}, {0.25, 0.5, 0.75, 1}})
          .tensor(Tensor::router_selection_bias, {-0.25, 0, 0.25, 0.5})
          .catches("ties of sigmoids in place of sums"),
  };
}

std::vector<GoldenCase> losses_of_softmax() {
  const auto of = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment)
        .flag("Loss")
        .set("aux.load_balance.p_source=softmax")
        .set("aux.load_balance.coefficient=0.5");
  };
  return {
      of("deepseek_v3", "losses/softmax-of-sigmoids",
         "Scores are sigmoids, and the loss is of the softmax of the logits.")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("router.n_group=1")
          .set("shared.mode=none")
          .logits({{3, 1, 0, -1}, {2, 1.5, 0, -2}, {1, 2, -1, 0.5}, {0.5, 3, 1, 0}})
          .catches("a loss of normalised sigmoids"),
      of("mixtral", "losses/softmax-of-square-roots", "The same with square roots of softplus, by group.")
          .set("router.score_function=sqrtsoftplus")
          .set("shape.num_groups=2")
          .set("aux.load_balance.scope=group")
          .catches("a gradient that goes through the scores"),
  };
}

std::vector<GoldenCase> means() {
  const auto mean = [](const char* id, const char* comment, const char* mode) {
    return CaseBuilder("mixtral", id, comment).flag("SharedExpert").set(mode).set("shared.ffn_size=3");
  };
  return {
      mean("shared/average", "The mean of the shared expert and the others' sum.", "shared.mode=average")
          .catches("a shared expert that is added"),
      mean("shared/weighted-mean", "One part of the shared expert, K of the others' sum.",
           "shared.mode=weighted_mean")
          .catches("a mean of equal parts"),
      mean("shared/average-dropped", "With tokens that keep x, which takes the others' place.",
           "shared.mode=average")
          .flag("DroppedToken")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .set("capacity.dropped_output=identity")
          .routes({{0, 1}, {0, 1}, {1, 0}, {2, 3}})
          .catches("x added as a whole"),
      mean("shared/weighted-mean-on-input", "With weights on what goes in.", "shared.mode=weighted_mean")
          .flag("WeightOnInput")
          .set("combine.weight_location=input")
          .catches("a mean of rows that are weighed again"),
  };
}

std::vector<GoldenCase> weights_on_input() {
  const auto inward = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("WeightOnInput").set("combine.weight_location=input");
  };
  return {
      inward("llama4", "input/one-choice", "The sigmoid of the one choice multiplies what goes in.")
          .catches("a weight that multiplies what comes out"),
      inward("mixtral", "input/two-choices", "Two choices, each expert with its own share of x.")
          .catches("x multiplied once a token"),
      inward("mixtral", "input/biases", "With biases, which no weight multiplies.")
          .set("experts.bias=per_expert")
          .catches("biases that are multiplied by the weight"),
      inward("mixtral", "input/dropped", "Choices that are dropped, and tokens without any.")
          .flag("Capacity")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .set("router.renorm_stage=after_drop")
          .catches("weights of dropped choices"),
      inward("switch", "input/scaled-identity", "A token without a place gives x times its weight.")
          .flag("DroppedToken")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .set("capacity.dropped_output=scaled_identity")
          .routes({{0}, {0}, {1}, {0}})
          .catches("x of a dropped token multiplied twice"),
      inward("shazeer2017", "input/losses", "With noise, and losses of the weights themselves.")
          .flag("Loss")
          .set("shape.top_k=2")
          .catches("a gradient of the weights that replaces that of the losses"),
  };
}

std::vector<GoldenCase> identity_experts() {
  const auto with_identity = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("IdentityExperts").set("experts.identity_experts=2");
  };
  return {
      with_identity("longcat_flash", "identity/mixed", "Choices of both kinds.")
          .set("shape.top_k=2")
          .routes({{0, 2}, {2, 3}, {1, 0}, {3, 1}})
          .catches("experts without weights that give nothing"),
      with_identity("longcat_flash", "identity/all", "Every choice is an expert without weights.")
          .set("shape.top_k=2")
          .routes({{2, 3}, {3, 2}, {2, 3}})
          .catches("a layer that fails without rows"),
      with_identity("longcat_flash", "identity/none", "No choice is one.")
          .set("shape.top_k=2")
          .routes({{0, 1}, {1, 0}})
          .catches("experts counted from the wrong end"),
      with_identity("mixtral", "identity/biases", "With biases, a shared expert and a loss over all experts.")
          .set("experts.bias=per_expert")
          .set("shared.mode=add")
          .set("shared.ffn_size=3")
          .routes({{0, 2}, {2, 3}, {1, 0}, {3, 1}})
          .catches("a loss that counts experts with weights only"),
      with_identity("mixtral", "identity/dropped", "They have places, too.")
          .flag("Capacity")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .routes({{2, 0}, {2, 3}, {3, 2}, {0, 1}})
          .catches("experts without weights that never overflow"),
      with_identity("mixtral", "identity/weighed-input", "Weights on what goes in.")
          .flag("WeightOnInput")
          .set("combine.weight_location=input")
          .routes({{0, 2}, {2, 3}, {1, 0}, {3, 1}})
          .catches("x that is not weighed, or twice"),
  };
}

std::vector<GoldenCase> expert_choice() {
  const auto chooses = [](const char* id, const char* comment) {
    return CaseBuilder("expert_choice", id, comment).flag("ExpertChoice").set("shape.top_k=4");
  };
  const Rows rows{{1, 0, 2, -1}, {0.5, 0.25, -1, 3}, {2, 1, 0, 0}, {-1, 3, 0.5, 1}};
  return {
      chooses("expert-choice/plain", "Every expert takes the two tokens that score highest for it.")
          .logits(rows)
          .catches("tokens that choose experts"),
      chooses("expert-choice/unchosen", "A token that no expert takes, and one that all take.")
          .logits({{5, 5.5, 6, 5.25}, {0, 0, 0, 0}, {4, 0, 3, 0}, {0, 4, 0, 3}})
          .catches("tokens that always get an expert"),
      chooses("expert-choice/tie", "Tokens that score the same for an expert: the earlier first.")
          .flag("Tie")
          .logits({{1, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}})
          .catches("the later token"),
      chooses("expert-choice/uneven", "Five tokens for four experts: floor(2.5) places each.")
          .logits({{1, 0, 2, -1}, {0.5, 0.25, -1, 3}, {2, 1, 0, 0}, {-1, 3, 0.5, 1}, {1.5, 0.5, 1, 0.5}})
          .catches("a place more for half a token"),
  };
}

}  // namespace

std::vector<GoldenFile> blocks_family() {
  return {{"experts/limits.json", limits()},
          {"shared/limits.json", limits_of_shared()},
          {"shared/means.json", means()},
          {"bias/logits.json", logit_biases()},
          {"bias/on-logits.json", biases_of_logits()},
          {"epsilon/sums.json", epsilons()},
          {"losses/softmax.json", losses_of_softmax()},
          {"input/weights.json", weights_on_input()},
          {"identity/experts.json", identity_experts()},
          {"expert-choice/tokens.json", expert_choice()}};
}

}  // namespace moe
