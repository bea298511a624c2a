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
};

/// (R2). None: a dense layer, E = K = 1, without a router.
enum class ScoreFunction { None, Softmax, Sigmoid };
/// (R3), and whether a dropped choice takes part in its sum.
enum class Renorm { None, Sum };
enum class RenormStage { BeforeDrop, AfterDrop };

struct Router {
  ScoreFunction score_function = ScoreFunction::Softmax;
  Renorm renorm = Renorm::None;
  RenormStage renorm_stage = RenormStage::BeforeDrop;  // where renorm is Sum
};

enum class CapacityMode { None, Factor, Fixed };
enum class CapacityBase { Tokens, TokensTimesK };
enum class Rounding { None, Floor, Ceil, HalfEven };
enum class EvalOrder { PerExpertFirst, FactorFirst };
enum class Arithmetic { Exact, F64, F32 };
enum class DropOrder { ChoiceMajor, TokenMajor };
enum class Priority { Fcfs, BprTop1, Weight };
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
  Priority priority = Priority::Fcfs;       // where mode is not None, as are the next two
  DropOrder order = DropOrder::TokenMajor;  // where priority is not Weight
  DroppedOutput dropped_output = DroppedOutput::Zero;
};

enum class Activation { Relu, GeluErf, GeluTanh, Silu };  // (A1) to (A4)
enum class ExpertBias { None, PerExpert };

struct Experts {
  bool glu = true;  // (X2) gated: act(gate) up; otherwise act(up)
  Activation activation = Activation::Silu;
  ExpertBias bias = ExpertBias::None;
};

enum class AuxKind { Switch, Z };
enum class LoadSource { Top1, AllK };
enum class LoadStage { PreDrop, PostDrop };

/// An auxiliary loss: (B1), the load-balancing loss of Switch Transformer, or (Z1), the router z-loss.
struct Aux {
  std::string name;
  AuxKind kind = AuxKind::Switch;
  double coefficient = 0;
  LoadSource f_source = LoadSource::Top1;  // where kind is Switch, as are the next two
  bool f_divide_by_k = false;
  LoadStage f_stage = LoadStage::PreDrop;
};

struct Config {
  Shape shape;
  Router router;
  Capacity capacity;
  Experts experts;
  std::vector<Aux> aux;
};

inline bool has_router(const Config& c) { return c.router.score_function != ScoreFunction::None; }
inline bool has_denominator(const Config& c) { return c.router.renorm == Renorm::Sum; }
inline bool has_bias(const Config& c) { return c.experts.bias == ExpertBias::PerExpert; }

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
