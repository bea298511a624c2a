#include "moe/presets.h"

namespace moe {
namespace {

Preset dense() {
  Config c;
  c.shape = {16, 32, 64, 1, 1};
  c.router = {ScoreFunction::None};
  c.experts = {true, Activation::Silu, ExpertBias::None};
  return {"dense", "the feed-forward block that a mixture replaces: one expert, no router (SwiGLU)",
          "Shazeer, GLU Variants Improve Transformer, arXiv 2002.05202, eq. 6; ungated with experts.glu = "
          "false, eq. 1",
          c};
}

Preset switch_transformer() {
  Config c;
  c.shape = {16, 32, 64, 8, 1};
  c.router = {ScoreFunction::Softmax, Renorm::None};
  c.capacity.mode = CapacityMode::Factor;
  c.capacity.factor = 1.25;
  c.capacity.base = CapacityBase::Tokens;
  c.capacity.outer_round = Rounding::Floor;
  c.capacity.min_capacity = 1;
  c.experts = {false, Activation::Relu, ExpertBias::None};
  c.aux = {{"load_balance", AuxKind::Switch, 1e-2, LoadSource::Top1, false, LoadStage::PreDrop},
           {"z", AuxKind::Z, 1e-3}};
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
  c.router = {ScoreFunction::Softmax, Renorm::Sum, RenormStage::BeforeDrop};
  c.experts = {true, Activation::Silu, ExpertBias::None};
  c.aux = {{"load_balance", AuxKind::Switch, 0.02, LoadSource::AllK, false, LoadStage::PreDrop}};
  return {"mixtral",
          "Mixtral: softmax, the two best experts renormalised, SwiGLU, no capacity, load-balancing loss",
          "Jiang et al., arXiv 2401.04088, sec. 2.1; loss of huggingface/transformers "
          "load_balancing_loss_func at commit 008f5c8c29be for one layer: all choices counted, not divided "
          "by K, coefficient 0.02 as released in config.json",
          c};
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all{dense(), switch_transformer(), mixtral()};
  return all;
}

const Preset* find_preset(const std::string& name) {
  for (const Preset& preset : presets())
    if (preset.name == name) return &preset;
  return nullptr;
}

std::string preset_names() {
  std::string names;
  for (const Preset& preset : presets()) names += (names.empty() ? "" : ", ") + preset.name;
  return names;
}

}  // namespace moe
