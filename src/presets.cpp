#include "moe/presets.h"

#include "moe/nearest.h"
#include "presets_of_models.h"

namespace moe {
namespace {

Preset dense() {
  Config c;
  c.shape = {16, 32, 64, 1, 1};
  c.router.score_function = ScoreFunction::None;
  c.experts = {true, Activation::Silu, ExpertBias::None};
  return {"dense", "the feed-forward block that a mixture replaces: one expert, no router (SwiGLU)",
          "Shazeer, GLU Variants Improve Transformer, arXiv 2002.05202, eq. 6; ungated with experts.glu = "
          "false, eq. 1",
          c};
}

Preset switch_transformer() {
  Config c;
  c.shape = {16, 32, 64, 8, 1};
  c.router.score_function = ScoreFunction::Softmax;
  c.capacity.mode = CapacityMode::Factor;
  c.capacity.factor = 1.25;
  c.capacity.base = CapacityBase::Tokens;
  c.capacity.outer_round = Rounding::Floor;
  c.capacity.min_capacity = 1;
  c.experts = {false, Activation::Relu, ExpertBias::None};
  c.aux = {{.name = "load_balance", .coefficient = 1e-2},
           {.name = "z", .kind = AuxKind::Z, .coefficient = 1e-3}};
  return {"switch",
          "Switch Transformer: the one best expert, capacity with overflow, load-balancing loss and z-loss",
          "Fedus, Zoph and Shazeer, arXiv 2101.03961: eq. 1 to 6, alpha = 0.01 (sec. 2.2), capacity factor "
          "1.25 of its sec. 2.2; z-loss of Zoph et al., arXiv 2202.08906, eq. 5 with 0.001. Left open and "
          "chosen here: C rounds down, is at least 1, and goes to earlier tokens first; a dropped token "
          "outputs 0 (its residual is outside the layer); no jitter",
          c};
}

Preset mixtral() {
  Config c;
  c.shape = {16, 32, 64, 8, 2};
  c.router.renorm = Renorm::Sum;
  c.experts = {true, Activation::Silu, ExpertBias::None};
  c.aux = {{.name = "load_balance", .coefficient = 0.02, .f_source = LoadSource::AllK}};
  return {"mixtral",
          "Mixtral: softmax, the two best experts renormalised, SwiGLU, no capacity, load-balancing loss",
          "Jiang et al., arXiv 2401.04088, sec. 2.1; loss of huggingface/transformers "
          "load_balancing_loss_func at commit 008f5c8c29be for one layer: all choices counted, not divided "
          "by K, coefficient 0.02 as released in config.json",
          c};
}

Preset shazeer2017() {
  Config c;
  c.shape = {16, 32, 64, 8, 4};
  c.router.renorm = Renorm::Sum;
  c.noise.kind = NoiseKind::GaussianLearned;
  c.experts = {false, Activation::Relu, ExpertBias::None};
  c.aux = {{.name = "importance", .kind = AuxKind::CvImportance, .coefficient = 0.1},
           {.name = "load", .kind = AuxKind::CvLoad, .coefficient = 0.1}};
  return {"shazeer2017",
          "Sparsely-gated mixture: noisy top-K, softmax over the chosen, importance and load losses",
          "Shazeer et al., arXiv 1701.06538: eq. 3 to 5, losses of sec. 4 and appendix A, both with 0.1 "
          "(appendix C.1: w_importance = w_load = 0.1, K = 4). Left open and chosen here as in "
          "tensorflow/tensor2tensor, expert_utils.py at bafdc1b67730: at least 0.01 of noise, population "
          "variance, 1e-10 in both of its quotients; thresholds of the load pass gradients. Noise is an "
          "explicit tensor; no capacity, no hierarchy",
          c};
}

Preset gshard() {
  Config c;
  c.shape = {16, 32, 64, 8, 2};
  c.shape.num_groups = 2;
  c.router.renorm = Renorm::Sum;
  c.router.second_policy = SecondPolicy::Random;
  c.router.second_threshold = 0.5;
  c.capacity.mode = CapacityMode::Factor;
  c.capacity.factor = 1;
  c.capacity.base = CapacityBase::TokensTimesK;
  c.capacity.outer_round = Rounding::Ceil;
  c.capacity.scope = Scope::Group;
  c.capacity.order = DropOrder::ChoiceMajor;
  c.experts = {false, Activation::Relu, ExpertBias::None};
  c.aux = {{.name = "load_balance",
            .coefficient = 1e-2,
            .f_source = LoadSource::Top1,
            .multiply = Multiply::None,
            .scope = Scope::Group}};
  return {
      "gshard",
      "GShard: the two best renormalised, the second at random, capacity per group, first choices first",
      "Lepikhin et al., arXiv 2006.16668, algorithm 1: g1 and g2 over their sum (lines 6, 16), the second "
      "if 2 g2 > rnd (line 19), c of e2 counts on whether or not it is kept (line 22), loss the mean over "
      "experts of f times m with first choices counted before drops (line 13). Left open and chosen here: "
      "C = ceil(2 S / E) per group of S tokens (sec. 2.2: 2 N / (G E)), two groups, the "
      "loss of a batch is the mean of its groups', coefficient 0.01, rnd is the tensor "
      "noise.second_policy, a dropped token outputs 0 (its residual is outside the layer)",
      c};
}

Preset deepseek_v3() {
  Config c;
  c.shape = {16, 32, 64, 256, 8};
  c.router = {.score_function = ScoreFunction::Sigmoid,
              .selection_bias = true,
              .n_group = 8,
              .topk_group = 4,
              .group_score = GroupScore::SumTopn,
              .group_score_n = 2,
              .renorm = Renorm::Sum,
              .renorm_stage = RenormStage::BeforeDrop,
              .routed_scaling_factor = 2.5};
  c.experts = {true, Activation::Silu, ExpertBias::None};
  c.shared = {SharedMode::Add, 64};
  c.aux = {{.name = "load_balance",
            .kind = AuxKind::Switch,
            .coefficient = 1e-4,
            .f_source = LoadSource::AllK,
            .f_divide_by_k = true,
            .f_from = LoadFrom::RetopkOfAuxScores,
            .scope = Scope::Group}};
  c.bias_update = {BiasUpdate::Sign, 1e-3, LoadStage::PreDrop};
  return {
      "deepseek_v3",
      "DeepSeek-V3: sigmoid, bias in the choice only, the best 4 of 8 groups, one shared expert",
      "DeepSeek-AI, arXiv 2412.19437: eq. 12 to 16, bias and its update by 0.001 (sec. 2.1.2, 4.2), groups "
      "(sec. 2.1.2, 4.2: 8 nodes, 4 of them, by the sum of the 2 largest), sequence-wise loss eq. 17 to 20 "
      "with "
      "0.0001; factor 2.5 and groups as released in config.json. Left open and chosen here: scores that rank "
      "groups include the bias, experts of other groups are out of the question (-inf), no epsilon in the "
      "renormalisation, f of eq. 18 counts the K largest scores as it is written (without bias and groups), "
      "one "
      "sequence is one group of tokens (shape.num_groups), the sign of 0 is 0",
      c};
}

Preset expert_choice() {
  Config c;
  c.shape = {16, 32, 64, 8, 8};
  c.capacity.mode = CapacityMode::Factor;
  c.capacity.factor = 2;
  c.capacity.priority = Priority::Weight;
  c.experts = {false, Activation::Relu, ExpertBias::None};
  return {
      "expert_choice",
      "Expert choice: every expert takes the tokens that score highest for it, by the softmax over experts",
      "Zhou et al., arXiv 2202.09368, sec. 3.2: S = softmax(X W), G and I of the largest S^T for each "
      "expert, "
      "k = n c / e with c = 2. It is stated by what there is: all experts of a token are its choices "
      "(top_k = num_experts), and places go to the largest weights. Left open and chosen here: k rounds "
      "down, of equal weights the earlier token first, ReLU without a gate, no loss",
      c};
}

Preset gpt_oss() {
  Config c;
  c.shape = {16, 32, 64, 128, 4};
  c.router.logit_bias = true;
  c.router.renorm = Renorm::Sum;
  c.experts = {.activation = Activation::QuickGelu,
               .bias = ExpertBias::PerExpert,
               .clamp_gate_max = 7,
               .clamp_up_abs = 7,
               .up_offset = 1};
  return {
      "gpt_oss",
      "gpt-oss: a bias in the router, softmax over the 4 chosen, limited quick GELU times up + 1, biases",
      "openai/gpt-oss, gpt_oss/torch/model.py at 7b583341fe16: MLPBlock, swiglu with alpha 1.702 and limit "
      "7; "
      "128 experts as gpt-oss-120b. It has no loss. There gate and up are interleaved rows of one matrix; "
      "here they are apart",
      c};
}

Preset llama4() {
  Config c;
  c.shape = {16, 32, 64, 16, 1};
  c.router.score_function = ScoreFunction::Sigmoid;
  c.combine.weight_location = WeightLocation::Input;
  c.shared = {SharedMode::Add, 64};
  return {"llama4",
          "Llama 4: the one best logit, whose sigmoid multiplies what goes into the expert; a shared expert",
          "huggingface/transformers, Llama4TextMoe at commit 000c33fdfde1; 16 experts as Llama 4 Scout. It "
          "has no "
          "loss",
          c};
}

Preset longcat_flash() {
  Config c;
  c.shape = {16, 32, 64, 768, 12};
  c.router.selection_bias = true;
  c.router.routed_scaling_factor = 6;
  c.experts.identity_experts = 256;
  return {
      "longcat_flash",
      "LongCat-Flash: softmax over 512 experts and 256 that give what they get, bias in the choice, factor 6",
      "huggingface/transformers, LongcatFlashMoE and LongcatFlashTopkRouter, and its default config; "
      "Meituan, "
      "arXiv 2509.01322, sec. 2.1. Only the block: its dense path and shortcut are outside the layer; the "
      "bias is updated otherwise there, so here it is not",
      c};
}

Preset deepseek_v4() {
  Config c;
  c.shape = {16, 32, 64, 256, 6};
  c.router = {.score_function = ScoreFunction::SqrtSoftplus,
              .selection_bias = true,
              .renorm = Renorm::Sum,
              .routed_scaling_factor = 1.5};
  c.experts = {.clamp_gate_max = 10, .clamp_up_abs = 10};
  c.shared = {SharedMode::Add, 64, 10, 10};
  return {"deepseek_v4",
          "DeepSeek-V4: square roots of softplus, bias in the choice only, limited SwiGLU, one shared expert",
          "huggingface/transformers, DeepseekV4TopKRouter and its default config. There 1e-20 is added to "
          "the sum of "
          "the weights; the first layers choose by a table of token ids instead; no loss is stated here",
          c};
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = [] {
    std::vector<Preset> list{dense(),         shazeer2017(),   gshard(),      switch_transformer(),
                             expert_choice(), mixtral(),       deepseek_v3(), deepseek_v4(),
                             llama4(),        longcat_flash(), gpt_oss()};
    for (Preset& preset : presets_of_models()) list.push_back(std::move(preset));
    return list;
  }();
  return all;
}

const Preset* find_preset(const std::string& name) {
  for (const Preset& preset : presets())
    if (preset.name == name) return &preset;
  return nullptr;
}

std::vector<std::string> names_of_presets() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  return names;
}

std::string preset_names() { return enumerated(names_of_presets()); }

}  // namespace moe
