#pragma once

#include "fields.h"
#include "moe/huggingface.h"

/// The models whose layers are known, by model_type: what their config.json calls things, and the mathematics behind.
namespace moe::huggingface {

/// Are the weights of the choices divided by their sum: never, always, or where norm_topk_prob says so?
enum class Sum { Never, Always, AsAsked };
/// What every token sees: nothing; an expert of a width of its own, behind a gate or as it is; so many of the others' width.
enum class SharedExpert { None, Gated, Plain, Several };
/// Whose loss it has: none, the softmax's, or DeepSeek's own.
enum class Loss { None, Softmax, DeepSeek };
/// Who may be chosen: any expert, or those of groups as DeepSeek has them.
enum class Groups { None, DeepSeek };

/// The mathematics of a kind of layer, as far as a table says it.
struct Kind {
  ScoreFunction score;
  bool biased = false;  // in the choice
  Sum sum;
  SharedExpert shared = SharedExpert::None;
  Loss loss = Loss::None;
  Groups groups = Groups::None;
  const char* factor = nullptr;  // the key of routed_scaling_factor
  bool adds_epsilon = false;     // 1e-20 to the sum
};
/// A family of models in which all layers with a router are of one kind: the keys and the mathematics of that kind.
struct Family {
  const char* model_type;
  const char* ffn_size;  // the key of F
  Kind kind;
  const char* block;  // the class of huggingface/transformers that was read, and the commit or release
  void (*amend)(const Fields& json, Config& c) = nullptr;  // what no other family has
  Fused fused = Fused::InTurns;
};

/// Families of models, and the activations by the names that they have.
const std::vector<Family>& families();
const std::vector<std::pair<std::string, Activation>>& activations();

}  // namespace moe::huggingface
