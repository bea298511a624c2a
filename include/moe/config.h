#pragma once

#include <array>
#include <string>
#include <vector>

#include "moe/tensor.h"

/// What is computed: few orthogonal choices, each with its formula number in docs/MATH.md. Published systems are
/// assignments of these (src/presets.cpp), never code paths. validate.h says which combinations have a meaning.
namespace moe {

/// The values of an enum of this file as configs spell them, in order.
template <typename Enum>
inline constexpr std::array<const char*, 0> kSpelling{};
/// Its name in configs; of what is no value, "unknown".
template <typename Enum>
constexpr const char* spelling(Enum value) {
  const auto i = static_cast<std::size_t>(value);
  return i < kSpelling<Enum>.size() ? kSpelling<Enum>[i] : "unknown";
}
/// The answer to a question about the values of an enum, one for each, in order: a new value does not compile until it has them all.
template <typename Enum, typename Answer, std::size_t n>
constexpr Answer answer(Enum value, const Answer (&of_each)[n]) {
  static_assert(n == kSpelling<Enum>.size(), "every value needs an answer");
  const auto i = static_cast<std::size_t>(value);
  return i < n ? of_each[i] : Answer{};
}

struct Shape {
  Index num_tokens = 0;   // T
  Index hidden_size = 0;  // D
  Index ffn_size = 0;     // F, of one expert
  Index num_experts = 0;  // E
  Index top_k = 0;        // K
  Index num_groups = 1;   // of T / num_groups tokens each: what capacity.scope and aux.scope group mean
};

/// (R2). None: a dense layer, E = K = 1, without a router.
enum class ScoreFunction { None, Softmax, Sigmoid, SqrtSoftplus, Identity };
template <>
inline constexpr std::array kSpelling<ScoreFunction>{"none", "softmax", "sigmoid", "sqrtsoftplus",
                                                     "identity"};
/// (R3) or (R8), and whether a dropped choice takes part in its sum.
enum class Renorm { None, Sum, L2, Sparsemixer };
template <>
inline constexpr std::array kSpelling<Renorm>{"none", "sum", "l2", "sparsemixer"};
enum class RenormStage { BeforeDrop, AfterDrop };
template <>
inline constexpr std::array kSpelling<RenormStage>{"before_drop", "after_drop"};
/// (R3): is epsilon added to that sum, or the least that it counts for?
enum class EpsilonMode { Add, Clamp };
template <>
inline constexpr std::array kSpelling<EpsilonMode>{"add", "clamp"};

/// (R6): is every second choice taken up, or only where its weight exceeds a random number, or one of the config?
enum class SecondPolicy { All, Random, Threshold };
template <>
inline constexpr std::array kSpelling<SecondPolicy>{"all", "random", "threshold"};

/// (P3): does a second choice that is not taken up hold a place, or leave it to the next?
enum class SecondPlace { Kept, Freed };
template <>
inline constexpr std::array kSpelling<SecondPlace>{"kept", "freed"};

/// (R4): is the selection bias added to scores, or to logits?
enum class BiasOn { Scores, Logits };
template <>
inline constexpr std::array kSpelling<BiasOn>{"scores", "logits"};

/// (R0): is what experts are chosen by x, or an input of its own?
enum class RouterInput { Same, Own };
template <>
inline constexpr std::array kSpelling<RouterInput>{"same", "own"};

/// (R1): are experts chosen by what ranks them, or are their ids an input, as those of a hash of the token are?
enum class Choice { TopK, Given };
template <>
inline constexpr std::array kSpelling<Choice>{"top_k", "given"};

/// (R1): experts of closed groups are no candidates, or candidates of the score 0.
enum class ClosedGroups { Excluded, Zero };
template <>
inline constexpr std::array kSpelling<ClosedGroups>{"excluded", "zero"};

/// (R5): how good a group of experts is.
enum class GroupScore { Max, SumTopn };
template <>
inline constexpr std::array kSpelling<GroupScore>{"max", "sum_topn"};

struct Router {
  ScoreFunction score_function = ScoreFunction::Softmax;
  double score_offset = 0;  // (R2) where that is Sigmoid: is added to every score
  RouterInput input = RouterInput::Same;
  Choice choice = Choice::TopK;
  bool logit_bias = false;      // (R0) is added to the logits, as any linear map has one
  double logit_scale = 1;       // (R0) multiplies them, the bias with them
  double logit_softcap = 0;     // (R7) scores are of logits that come no further from 0; 0: there is no limit
  bool selection_bias = false;  // (R4) is added to the scores where experts are chosen, and only there
  BiasOn selection_bias_on = BiasOn::Scores;  // where there is one
  Index sinks = 0;       // (R1) so many experts, the last ones, are the first choices of every token
  Index n_group = 1;     // G: groups of neighbouring experts, of which the best topk_group are open
  Index topk_group = 1;  // where n_group > 1, as are the next two
  GroupScore group_score = GroupScore::Max;
  Index group_score_n = 2;                              // where group_score is SumTopn
  ClosedGroups closed_groups = ClosedGroups::Excluded;  // where n_group > 1
  Renorm renorm = Renorm::None;
  double sparsemixer_jitter = 0.01;                    // where renorm is Sparsemixer: how near others must be
  RenormStage renorm_stage = RenormStage::BeforeDrop;  // where renorm is Sum or L2
  double renorm_epsilon = 0;                           // where renorm is Sum: what becomes of a small sum
  EpsilonMode renorm_epsilon_mode = EpsilonMode::Add;  // where renorm_epsilon > 0
  double routed_scaling_factor = 1;                    // (R3) multiplies every weight
  bool expert_scale = false;                           // (R3) so does a number of its expert
  SecondPolicy second_policy = SecondPolicy::All;
  double second_threshold = 0.5;  // where second_policy is not All, as is the next
  SecondPlace second_place = SecondPlace::Kept;
};

enum class NoiseKind { None, GaussianLearned, GaussianFixed, Gumbel, InputJitter };
template <>
inline constexpr std::array kSpelling<NoiseKind>{"none", "gaussian_learned", "gaussian_fixed", "gumbel",
                                                 "input_jitter"};
/// (N2): does noise rank all choices, or only those after the first?
enum class NoisyChoices { All, Second };
template <>
inline constexpr std::array kSpelling<NoisyChoices>{"all", "second"};

/// (N1) noise on the logits that experts are ranked and scored by, (N2) only ranked by, or (N3) on what the router sees: an
/// explicit input, never a seed.
struct Noise {
  NoiseKind kind = NoiseKind::None;
  double epsilon = 1e-2;                     // where kind is GaussianLearned: the least standard deviation
  double scale = 1;                          // where kind is GaussianFixed: the standard deviation
  NoisyChoices choices = NoisyChoices::All;  // where kind is Gumbel
};

enum class CapacityMode { None, Factor, Fixed };
template <>
inline constexpr std::array kSpelling<CapacityMode>{"none", "factor", "fixed"};
enum class CapacityBase { Tokens, TokensTimesK };
template <>
inline constexpr std::array kSpelling<CapacityBase>{"tokens", "tokens_times_k"};
enum class Rounding { None, Floor, Ceil, HalfEven };
template <>
inline constexpr std::array kSpelling<Rounding>{"none", "floor", "ceil", "half_even"};
enum class EvalOrder { PerExpertFirst, FactorFirst };
template <>
inline constexpr std::array kSpelling<EvalOrder>{"per_expert_first", "factor_first"};
enum class Arithmetic { Exact, F64, F32 };
template <>
inline constexpr std::array kSpelling<Arithmetic>{"exact", "f64", "f32"};
enum class DropOrder { ChoiceMajor, TokenMajor };
template <>
inline constexpr std::array kSpelling<DropOrder>{"choice_major", "token_major"};
enum class Priority { Fcfs, BprTop1, Weight, Random };
template <>
inline constexpr std::array kSpelling<Priority>{"fcfs", "bpr_top1", "weight", "random"};
enum class Scope { Batch, Group };
template <>
inline constexpr std::array kSpelling<Scope>{"batch", "group"};
enum class DroppedOutput { Zero, Identity, ScaledIdentity };
template <>
inline constexpr std::array kSpelling<DroppedOutput>{"zero", "identity", "scaled_identity"};

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
  DropOrder order = DropOrder::TokenMajor;  // where priority is neither Weight nor Random
  DroppedOutput dropped_output = DroppedOutput::Zero;
};

/// (C1): does the weight of a choice multiply what its expert gives, or what goes into it?
enum class WeightLocation { Output, Input };
template <>
inline constexpr std::array kSpelling<WeightLocation>{"output", "input"};

/// (C4), (X6), (X7): is something divided by its root mean square?
enum class Norm { None, Rms };
template <>
inline constexpr std::array kSpelling<Norm>{"none", "rms"};

/// (C5): is what the weights of a token leave of 1 nobody's, or the share of x?
enum class Rest { None, X };
template <>
inline constexpr std::array kSpelling<Rest>{"none", "x"};

struct Combine {
  WeightLocation weight_location = WeightLocation::Output;
  Rest rest = Rest::None;
  Norm norm = Norm::None;
  double norm_epsilon = 1e-6;  // where norm is Rms: is added to the mean square
};

enum class Activation { Relu, GeluErf, GeluTanh, Silu, Identity, Relu2, QuickGelu };  // (A1) to (A7)
template <>
inline constexpr std::array kSpelling<Activation>{"relu",     "gelu_erf", "gelu_tanh", "silu",
                                                  "identity", "relu2",    "quick_gelu"};
/// (X1), or (C2): no bias, those of each expert's matrices, or one that is added to the sum over experts.
enum class ExpertBias { None, PerExpert, AfterCombine };
template <>
inline constexpr std::array kSpelling<ExpertBias>{"none", "per_expert", "after_combine"};

/// (X4): does an expert without weights give what it gets, or 0?
enum class Weightless { Identity, Zero };
template <>
inline constexpr std::array kSpelling<Weightless>{"identity", "zero"};

struct Experts {
  bool glu = true;  // (X2) gated: act(gate) up; otherwise act(up)
  Activation activation = Activation::Silu;
  ExpertBias bias = ExpertBias::None;
  double act_alpha = 1.702;   // where activation is QuickGelu
  double clamp_gate_max = 0;  // (X2) where glu, as are the next three: no gate is larger; 0: no limit
  double clamp_act_max = 0;   // nothing that the activation gives is larger; 0: no limit
  double clamp_up_abs = 0;    // no up is further from 0; 0: no limit
  double up_offset = 0;
  double softcap_gate = 0;     // act(g) is of c tanh(g / c) where g is a factor; 0: of g
  double softcap_up = 0;       // ups are drawn together by it; 0: they are not
  Index identity_experts = 0;  // (X4) so many, the last ones, have no weights and give what they get
  Weightless identity_gives = Weightless::Identity;  // where there are such
  Index latent_size = 0;              // (X5) of what experts work on, a linear map of x; 0: they work on x
  Norm latent_norm = Norm::None;      // (X6) of that map, where there is one
  double latent_norm_epsilon = 1e-6;  // where latent_norm is Rms
  Norm output_norm = Norm::None;      // (X7) of what each expert gives there
  double output_norm_epsilon = 1e-6;  // where output_norm is Rms
};

enum class SharedMode { None, Add, SigmoidGate, Average, WeightedMean };
template <>
inline constexpr std::array kSpelling<SharedMode>{"none", "add", "sigmoid_gate", "average", "weighted_mean"};

/// (H1) an expert that sees every token: as the others are, but without biases.
struct Shared {
  SharedMode mode = SharedMode::None;
  Index ffn_size = 0;         // where mode is not None, as are the next three
  double clamp_gate_max = 0;  // its own limits, where glu
  double clamp_up_abs = 0;
  double clamp_act_max = 0;
};

enum class AuxKind { Switch, Z, CvImportance, CvLoad };
template <>
inline constexpr std::array kSpelling<AuxKind>{"switch", "z", "cv_importance", "cv_load"};
enum class LoadSource { Top1, AllK };
template <>
inline constexpr std::array kSpelling<LoadSource>{"top1", "all_k"};
enum class LoadStage { PreDrop, PostDrop, PostDropFirst };
template <>
inline constexpr std::array kSpelling<LoadStage>{"pre_drop", "post_drop", "post_drop_first"};
/// (B1): are counts and scores divided by the number of tokens, or of kept assignments?
enum class LoadDivisor { Tokens, Kept };
template <>
inline constexpr std::array kSpelling<LoadDivisor>{"tokens", "kept"};
enum class LoadFrom { Selected, RetopkOfAuxScores };
template <>
inline constexpr std::array kSpelling<LoadFrom>{"selected", "retopk_of_aux_scores"};
/// (M1): is the variance over E, or over E - 1?
enum class Variance { Population, Unbiased };
template <>
inline constexpr std::array kSpelling<Variance>{"population", "unbiased"};
/// (M2): is the importance of an expert what its choices weigh, or the sum of all scores for it, or of those without noise?
enum class ImportanceOf { Weights, Scores, CleanScores };
template <>
inline constexpr std::array kSpelling<ImportanceOf>{"weights", "scores", "clean_scores"};
/// (B1): the share of an expert is of the scores, or the softmax of the logits whatever the scores are, or of the scores.
enum class PSource { NormalisedScore, Softmax, SoftmaxOfScores };
template <>
inline constexpr std::array kSpelling<PSource>{"normalised_score", "softmax", "softmax_of_scores"};
/// (Z1): is it of the logits that are scored, or of those without noise?
enum class ZOf { Scored, Clean };
template <>
inline constexpr std::array kSpelling<ZOf>{"scored", "clean"};
/// (M3): what a logit has to exceed: the best of the others, or the last that was chosen.
enum class LoadAgainst { Rival, LastChosen };
template <>
inline constexpr std::array kSpelling<LoadAgainst>{"rival", "last_chosen"};
enum class Multiply { E2Mean, None };
template <>
inline constexpr std::array kSpelling<Multiply>{"E2_mean", "none"};

/// An auxiliary loss: (B1), the load-balancing loss of Switch Transformer; (Z1), the router z-loss; (M1) and (M2), the
/// importance and load losses of Shazeer et al.
struct Aux {
  std::string name;
  AuxKind kind = AuxKind::Switch;
  double coefficient = 0;
  LoadSource f_source = LoadSource::Top1;  // where kind is Switch, as are the next eight
  bool f_divide_by_k = false;
  LoadFrom f_from = LoadFrom::Selected;         // or the K largest scores, whatever bias and groups say
  LoadStage f_stage = LoadStage::PreDrop;       // where f_from is Selected
  LoadDivisor divisor = LoadDivisor::Tokens;    // where that is PostDrop
  PSource p_source = PSource::NormalisedScore;  // Softmax: where scores are none
  Multiply multiply = Multiply::E2Mean;
  Scope scope = Scope::Batch;
  Index earlier_tokens = 0;  // so many count, too, of other layers or batches, by what they add up to
  bool p_of_batch = false;   // where there are such: P_e is of this batch alone
  bool masked = false;       // where kind is Switch or Z: only tokens that aux.token_mask marks count
  ZOf z_of = ZOf::Scored;    // where kind is Z
  double epsilon = 1e-10;    // where kind is CvImportance or CvLoad, as is the next
  Variance variance = Variance::Population;
  ImportanceOf importance_of = ImportanceOf::Weights;  // where kind is CvImportance
  LoadAgainst load_against = LoadAgainst::Rival;       // where kind is CvLoad
};

enum class BiasUpdate { None, Sign, SignCentred };
template <>
inline constexpr std::array kSpelling<BiasUpdate>{"none", "sign", "sign_centred"};

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
  Combine combine;
  Experts experts;
  Shared shared;
  std::vector<Aux> aux;
  BiasUpdateRule bias_update;
};

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
