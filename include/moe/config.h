#pragma once

#include <string>
#include <vector>

#include "moe/tensor.h"

/// What is computed: few orthogonal choices, each with its formula number in docs/MATH.md. Published systems are
/// assignments of these (src/presets.cpp), never code paths. validate.h says which combinations have a meaning.
namespace moe {

struct Shape {
  Index num_tokens = 0;   // T
  Index hidden_size = 0;  // D
  Index ffn_size = 0;     // F, of one expert
  Index num_experts = 0;  // E
  Index top_k = 0;        // K
  Index num_groups = 1;   // of T / num_groups tokens each: what capacity.scope and aux.scope group mean
};

/// (R2). None: a dense layer, E = K = 1, without a router.
enum class ScoreFunction { None, Softmax, Sigmoid };
/// (R3), and whether a dropped choice takes part in its sum.
enum class Renorm { None, Sum };
enum class RenormStage { BeforeDrop, AfterDrop };

/// (R6): is every second choice taken up, or only where its weight exceeds a random number?
enum class SecondPolicy { All, Random };

/// (R5): how good a group of experts is.
enum class GroupScore { Max, SumTopn };

struct Router {
  ScoreFunction score_function = ScoreFunction::Softmax;
  bool selection_bias = false;  // (R4) is added to the scores where experts are chosen, and only there
  Index n_group = 1;            // G: groups of neighbouring experts, of which the best topk_group are open
  Index topk_group = 1;         // where n_group > 1, as are the next two
  GroupScore group_score = GroupScore::Max;
  Index group_score_n = 2;  // where group_score is SumTopn
  Renorm renorm = Renorm::None;
  RenormStage renorm_stage = RenormStage::BeforeDrop;  // where renorm is Sum
  double routed_scaling_factor = 1;                    // (R3) multiplies every weight
  SecondPolicy second_policy = SecondPolicy::All;
  double second_threshold = 0.5;  // where second_policy is Random
};

enum class NoiseKind { None, GaussianLearned };

/// (N1) noise on the logits that experts are ranked and scored by: an explicit input, never a seed.
struct Noise {
  NoiseKind kind = NoiseKind::None;
  double epsilon = 1e-2;  // where kind is not None: the least standard deviation
};

enum class CapacityMode { None, Factor, Fixed };
enum class CapacityBase { Tokens, TokensTimesK };
enum class Rounding { None, Floor, Ceil, HalfEven };
enum class EvalOrder { PerExpertFirst, FactorFirst };
enum class Arithmetic { Exact, F64, F32 };
enum class DropOrder { ChoiceMajor, TokenMajor };
enum class Priority { Fcfs, BprTop1, Weight };
enum class Scope { Batch, Group };
enum class DroppedOutput { Zero, Identity, ScaledIdentity };

/// How many assignments an expert takes (P1), who comes first (P2), and what is left for a token without any (C3).
struct Capacity {
  CapacityMode mode = CapacityMode::None;
  Index fixed = 0;    // where mode is Fixed
  double factor = 1;  // where mode is Factor, as are the next seven
  CapacityBase base = CapacityBase::Tokens;
  Rounding inner_round = Rounding::None;   // of base / E
  Rounding outer_round = Rounding::Floor;  // of the product
  bool k_outside = false;                  // multiply by K after the rounding
  EvalOrder eval_order = EvalOrder::PerExpertFirst;
  Arithmetic arithmetic = Arithmetic::Exact;
  Index min_capacity = 0;
  Index multiple_of = 1;
  Scope scope = Scope::Batch;  // where mode is not None, as are the next three
  Priority priority = Priority::Fcfs;
  DropOrder order = DropOrder::TokenMajor;  // where priority is not Weight
  DroppedOutput dropped_output = DroppedOutput::Zero;
};

enum class Activation { Relu, GeluErf, GeluTanh, Silu, Identity, Relu2 };  // (A1) to (A6)
enum class ExpertBias { None, PerExpert };

struct Experts {
  bool glu = true;  // (X2) gated: act(gate) up; otherwise act(up)
  Activation activation = Activation::Silu;
  ExpertBias bias = ExpertBias::None;
};

enum class SharedMode { None, Add, SigmoidGate };

/// (H1) an expert that sees every token: as the others are, but without biases.
struct Shared {
  SharedMode mode = SharedMode::None;
  Index ffn_size = 0;  // where mode is not None
};

enum class AuxKind { Switch, Z, CvImportance, CvLoad };
enum class LoadSource { Top1, AllK };
enum class LoadStage { PreDrop, PostDrop };
enum class LoadFrom { Selected, RetopkOfAuxScores };
enum class Multiply { E2Mean, None };

/// An auxiliary loss: (B1), the load-balancing loss of Switch Transformer; (Z1), the router z-loss; (M1) and (M2), the
/// importance and load losses of Shazeer et al.
struct Aux {
  std::string name;
  AuxKind kind = AuxKind::Switch;
  double coefficient = 0;
  LoadSource f_source = LoadSource::Top1;  // where kind is Switch, as are the next five
  bool f_divide_by_k = false;
  LoadFrom f_from = LoadFrom::Selected;    // or the K largest scores, whatever bias and groups say
  LoadStage f_stage = LoadStage::PreDrop;  // where f_from is Selected
  Multiply multiply = Multiply::E2Mean;
  Scope scope = Scope::Batch;
  double epsilon = 1e-10;  // where kind is CvImportance or CvLoad
};

enum class BiasUpdate { None, Sign };

/// (U1) how the selection bias answers to the load.
struct BiasUpdateRule {
  BiasUpdate kind = BiasUpdate::None;
  double gamma = 1e-3;  // where kind is not None, as is the next
  LoadStage count = LoadStage::PreDrop;
};

struct Config {
  Shape shape;
  Router router;
  Noise noise;
  Capacity capacity;
  Experts experts;
  Shared shared;
  std::vector<Aux> aux;
  BiasUpdateRule bias_update;
};

inline bool has_router(const Config& c) { return c.router.score_function != ScoreFunction::None; }
inline bool has_denominator(const Config& c) { return c.router.renorm == Renorm::Sum; }
inline bool has_bias(const Config& c) { return c.experts.bias == ExpertBias::PerExpert; }
inline bool has_shared(const Config& c) { return c.shared.mode != SharedMode::None; }
inline bool has_noise(const Config& c) { return c.noise.kind != NoiseKind::None; }
inline bool has_groups(const Config& c) { return c.router.n_group > 1; }
/// Does a loss count the experts that the scores alone would choose?
inline bool has_retopk(const Config& c) {
  for (const Aux& aux : c.aux)
    if (aux.kind == AuxKind::Switch && aux.f_from == LoadFrom::RetopkOfAuxScores) return true;
  return false;
}

/// Does a loss ask who would be chosen next?
inline bool has_load_loss(const Config& c) {
  for (const Aux& aux : c.aux)
    if (aux.kind == AuxKind::CvLoad) return true;
  return false;
}

/// The dimensions under the letters that all code, comments and messages use.
struct Letters {
  Index T, D, F, E, K;
  explicit Letters(const Config& c)
      : T(c.shape.num_tokens),
        D(c.shape.hidden_size),
        F(c.shape.ffn_size),
        E(c.shape.num_experts),
        K(c.shape.top_k) {}
};

}  // namespace moe
