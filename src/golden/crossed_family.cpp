#include <map>

#include "families.h"
#include "moe/config_json.h"
#include "moe/validate.h"

// Conventions crossed: every two that go together, with the rest at its simplest, stand in two small cases at least, so that what
// is wrong only where they meet shows somewhere. What stands here stays as it is, since ids are not used again; later conventions get a list of their own.
namespace moe {
namespace {

struct Value {
  const char* words;
  void (*choose)(Config&);
};
using Factor = std::vector<Value>;

Aux balance(Config& c) {
  c.aux = {{.name = "b", .coefficient = 0.5, .f_source = LoadSource::AllK}};
  return c.aux.front();
}

Capacity& places(Config& c, Index C) {
  c.capacity.mode = CapacityMode::Fixed, c.capacity.fixed = C;
  return c.capacity;
}

const Factor kScores{
    {"softmax", [](Config&) {}},
    {"sigmoids", [](Config& c) { c.router.score_function = ScoreFunction::Sigmoid; }},
    {"roots of softplus", [](Config& c) { c.router.score_function = ScoreFunction::SqrtSoftplus; }},
    {"logits as scores", [](Config& c) { c.router.score_function = ScoreFunction::Identity; }},
    {"sigmoids with an offset",
     [](Config& c) { c.router.score_function = ScoreFunction::Sigmoid, c.router.score_offset = 0.125; }}};
const Factor kShares{
    {"weights as scored", [](Config&) {}},
    {"shares of the chosen", [](Config& c) { c.router.renorm = Renorm::Sum; }},
    {"shares of what is kept",
     [](Config& c) { c.router.renorm = Renorm::Sum, c.router.renorm_stage = RenormStage::AfterDrop; }},
    {"a sum and 1/4", [](Config& c) { c.router.renorm = Renorm::Sum, c.router.renorm_epsilon = 0.25; }},
    {"a sum of at least 1",
     [](Config& c) {
       c.router.renorm = Renorm::Sum, c.router.renorm_epsilon = 1;
       c.router.renorm_epsilon_mode = EpsilonMode::Clamp;
     }},
    {"roots of squares", [](Config& c) { c.router.renorm = Renorm::L2; }}};
const Factor kChoices{
    {"the best", [](Config&) {}},
    {"a bias of scores", [](Config& c) { c.router.selection_bias = true; }},
    {"a bias of logits in the choice",
     [](Config& c) { c.router.selection_bias = true, c.router.selection_bias_on = BiasOn::Logits; }},
    {"given experts", [](Config& c) { c.router.choice = Choice::Given; }},
    {"noise that ranks", [](Config& c) { c.noise.kind = NoiseKind::Gumbel; }},
    {"noise that ranks second choices",
     [](Config& c) { c.noise.kind = NoiseKind::Gumbel, c.noise.choices = NoisyChoices::Second; }},
    {"jitter", [](Config& c) { c.noise.kind = NoiseKind::InputJitter; }},
    {"noise of a fixed scale",
     [](Config& c) { c.noise.kind = NoiseKind::GaussianFixed, c.noise.scale = 0.5; }},
    {"noise of a learned scale", [](Config& c) { c.noise.kind = NoiseKind::GaussianLearned; }},
    {"the best groups", [](Config& c) { c.router.n_group = 3, c.router.topk_group = 2; }},
    {"groups by a biased sum",
     [](Config& c) {
       c.router.n_group = 3, c.router.topk_group = 2, c.router.selection_bias = true;
       c.router.group_score = GroupScore::SumTopn;
     }},
    {"closed groups of score 0",
     [](Config& c) {
       c.router.n_group = 2, c.router.selection_bias = true, c.router.closed_groups = ClosedGroups::Zero;
     }},
    {"a sink", [](Config& c) { c.router.sinks = 1; }}};
const Factor kLogits{{"plain logits", [](Config&) {}},
                     {"a bias of the logits", [](Config& c) { c.router.logit_bias = true; }},
                     {"drawn-in logits", [](Config& c) { c.router.logit_softcap = 1.5; }},
                     {"logits times 3", [](Config& c) { c.router.logit_scale = 3; }},
                     {"an input of the router's own", [](Config& c) { c.router.input = RouterInput::Own; }}};
const Factor kPlaces{
    {"no capacity", [](Config&) {}},
    {"one place, token by token", [](Config& c) { places(c, 1); }},
    {"two places, first choices first", [](Config& c) { places(c, 2).order = DropOrder::ChoiceMajor; }},
    {"one place, by the first score", [](Config& c) { places(c, 1).priority = Priority::BprTop1; }},
    {"one place, by weight", [](Config& c) { places(c, 1).priority = Priority::Weight; }},
    {"one place, by lot", [](Config& c) { places(c, 1).priority = Priority::Random; }},
    {"places of each group of tokens", [](Config& c) { places(c, 1).scope = Scope::Group; }},
    {"x for dropped tokens", [](Config& c) { places(c, 1).dropped_output = DroppedOutput::Identity; }},
    {"a factor of 3/4, rounded up", [](Config& c) {
       c.capacity = {.mode = CapacityMode::Factor,
                     .factor = 0.75,
                     .base = CapacityBase::TokensTimesK,
                     .outer_round = Rounding::Ceil};
     }}};
const Factor kWeights{
    {"weights on what comes out", [](Config&) {}},
    {"weights on what goes in", [](Config& c) { c.combine.weight_location = WeightLocation::Input; }},
    {"a factor of each expert", [](Config& c) { c.router.expert_scale = true; }},
    {"a factor of 3/2", [](Config& c) { c.router.routed_scaling_factor = 1.5; }},
    {"the rest to x", [](Config& c) { c.combine.rest = Rest::X; }}};
const Factor kExperts{
    {"SwiGLU", [](Config&) {}},
    {"ReLU", [](Config& c) { c.experts.glu = false, c.experts.activation = Activation::Relu; }},
    {"GEGLU with biases",
     [](Config& c) { c.experts.activation = Activation::GeluTanh, c.experts.bias = ExpertBias::PerExpert; }},
    {"limited quick GELU",
     [](Config& c) {
       c.experts.activation = Activation::QuickGelu, c.experts.clamp_gate_max = 0.25;
       c.experts.clamp_up_abs = 0.25, c.experts.up_offset = 1;
     }},
    {"squared ReLU with biases",
     [](Config& c) {
       c.experts.glu = false, c.experts.activation = Activation::Relu2,
       c.experts.bias = ExpertBias::PerExpert;
     }},
    {"drawn-in gates and ups", [](Config& c) { c.experts.softcap_gate = 0.5, c.experts.softcap_up = 0.5; }},
    {"a bias of the sum",
     [](Config& c) {
       c.experts.bias = ExpertBias::AfterCombine, c.experts.activation = Activation::GeluErf;
     }},
    {"two identity experts", [](Config& c) { c.experts.identity_experts = 2; }},
    {"two zero experts",
     [](Config& c) { c.experts.identity_experts = 2, c.experts.identity_gives = Weightless::Zero; }},
    {"a latent space", [](Config& c) { c.experts.latent_size = 3; }},
    {"norms in a latent space", [](Config& c) {
       c.experts.latent_size = 3, c.experts.latent_norm = Norm::Rms, c.experts.output_norm = Norm::Rms;
     }}};
const Factor kShared{
    {"no shared expert", [](Config&) {}},
    {"a shared expert", [](Config& c) { c.shared = {.mode = SharedMode::Add, .ffn_size = 2}; }},
    {"a gated shared expert", [](Config& c) { c.shared = {.mode = SharedMode::SigmoidGate, .ffn_size = 2}; }},
    {"a mean with a shared expert",
     [](Config& c) { c.shared = {.mode = SharedMode::Average, .ffn_size = 2}; }},
    {"a weighted mean with a shared expert",
     [](Config& c) { c.shared = {.mode = SharedMode::WeightedMean, .ffn_size = 2}; }}};
const Factor kResult{{"y as it is", [](Config&) {}},
                     {"a norm of y", [](Config& c) { c.combine.norm = Norm::Rms; }}};
const Factor kLosses{
    {"no loss", [](Config&) {}},
    {"a balancing loss", [](Config& c) { balance(c); }},
    {"a loss of first choices and a z-loss",
     [](Config& c) {
       balance(c), c.aux.front().f_source = LoadSource::Top1;
       c.aux.push_back({.name = "z", .kind = AuxKind::Z, .coefficient = 0.25});
     }},
    {"a loss of what is kept", [](Config& c) { balance(c), c.aux.front().f_stage = LoadStage::PostDrop; }},
    {"a loss over what is kept",
     [](Config& c) {
       balance(c), c.aux.front().f_stage = LoadStage::PostDrop, c.aux.front().divisor = LoadDivisor::Kept;
     }},
    {"a loss of the logits' softmax",
     [](Config& c) { balance(c), c.aux.front().p_source = PSource::Softmax; }},
    {"a loss of the scores' softmax",
     [](Config& c) { balance(c), c.aux.front().p_source = PSource::SoftmaxOfScores; }},
    {"a loss of the best scores",
     [](Config& c) { balance(c), c.aux.front().f_from = LoadFrom::RetopkOfAuxScores; }},
    {"a loss of each group", [](Config& c) { balance(c), c.aux.front().scope = Scope::Group; }},
    {"a loss of earlier tokens, too", [](Config& c) { balance(c), c.aux.front().earlier_tokens = 6; }},
    {"a loss of importance",
     [](Config& c) { c.aux = {{.name = "i", .kind = AuxKind::CvImportance, .coefficient = 0.5}}; }},
    {"a loss of all scores", [](Config& c) {
       c.aux = {{.name = "i", .kind = AuxKind::CvImportance, .coefficient = 0.5}};
       c.aux.front().importance_of = ImportanceOf::Scores, c.aux.front().variance = Variance::Unbiased;
     }}};
const Factor kSeconds{
    {"all second choices", [](Config&) {}},
    {"second choices by chance", [](Config& c) { c.router.second_policy = SecondPolicy::Random; }},
    {"second choices above a threshold",
     [](Config& c) { c.router.second_policy = SecondPolicy::Threshold, c.router.second_threshold = 0.25; }},
    {"places freed by chance", [](Config& c) {
       c.router.second_policy = SecondPolicy::Random, c.router.second_place = SecondPlace::Freed;
     }}};
const Factor kNumbers{{"two choices", [](Config&) {}},
                      {"one choice", [](Config& c) { c.shape.top_k = 1; }},
                      {"three choices", [](Config& c) { c.shape.top_k = 3; }}};

const std::vector<Factor> kFactors{kNumbers, kScores,  kShares, kChoices, kLogits, kPlaces,
                                   kWeights, kExperts, kShared, kResult,  kLosses, kSeconds};
constexpr int kWanted = 2;  // cases with each pair
constexpr int kDrawn = 24;  // to choose the one from that shows most
const auto kCount = static_cast<Index>(kFactors.size());

using Row = std::vector<Index>;  // of each factor the number of its value

Config config_of(const Row& row) {
  Config c;
  c.shape = {.num_tokens = 6, .hidden_size = 4, .ffn_size = 3, .num_experts = 6, .top_k = 2, .num_groups = 3};
  for (Index f = 0; f < kCount; ++f) at(at(kFactors, f), at(row, f)).choose(c);
  return c;
}
bool goes_together(const Row& row) {
  try {
    validate(config_of(row));
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// How often each pair of values stands in the rows so far.
class Covered {
 public:
  int of(Index f, Index a, Index g, Index b) const {
    const auto found = times_.find({f, a, g, b});
    return found == times_.end() ? 0 : found->second;
  }
  /// How many pairs the row has that are still wanted.
  int gained(const Row& row) const {
    int n = 0;
    for (Index f = 0; f < kCount; ++f)
      for (Index g = f + 1; g < kCount; ++g) n += of(f, at(row, f), g, at(row, g)) < kWanted ? 1 : 0;
    return n;
  }
  void add(const Row& row) {
    for (Index f = 0; f < kCount; ++f)
      for (Index g = f + 1; g < kCount; ++g) ++times_[{f, at(row, f), g, at(row, g)}];
  }

 private:
  std::map<std::array<Index, 4>, int> times_;
};

/// Of kDrawn rows with these two values that go together, that which has most of what is still wanted.
Row best_with(Index f, Index a, Index g, Index b, const Covered& covered, const Stream& stream,
              std::uint64_t& drawn) {
  Row chosen;
  int most = -1;
  for (int n = 0; n < kDrawn; ++n) {
    Row row;
    for (Index h = 0; h < kCount; ++h)
      row.push_back(static_cast<Index>(stream.word(drawn++)) % static_cast<Index>(at(kFactors, h).size()));
    at(row, f) = a, at(row, g) = b;
    for (Index h = 0; h < kCount && !goes_together(row); ++h)  // simpler, until it has a meaning
      if (h != f && h != g) at(row, h) = 0;
    if (const int gain = covered.gained(row); goes_together(row) && gain > most) most = gain, chosen = row;
  }
  return chosen;
}

GoldenCase case_of(const Row& row, const std::string& id, const std::string& catches) {
  GoldenCase c;
  c.id = id;
  for (Index f = 0; f < kCount; ++f)
    if (at(row, f) != 0 || f == 0)
      c.comment += (c.comment.empty() ? "" : ", ") + std::string(at(at(kFactors, f), at(row, f)).words);
  c.comment += '.';
  c.comment.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(c.comment.front())));
  c.catches = catches, c.flags = {"Crossed"};
  c.source = "conventions of several systems, crossed here";
  const Config config = config_of(row);
  c.config = config_to_json(config);
  c.inputs = seeded_inputs(config, kDefaultSeed, fnv1a(id));
  return c;
}

}  // namespace

std::vector<GoldenFile> crossed_family() {
  std::vector<GoldenFile> files;
  Covered covered;
  const Stream stream{kDefaultSeed, 0, fnv1a("crossed")};
  std::uint64_t drawn = 0;
  Index number = 0;
  for (Index f = 0; f < kCount; ++f)
    for (Index g = f + 1; g < kCount; ++g)
      for (Index a = 0; a < static_cast<Index>(at(kFactors, f).size()); ++a)
        for (Index b = 0; b < static_cast<Index>(at(kFactors, g).size()); ++b) {
          Row alone(static_cast<std::size_t>(kCount), 0);
          at(alone, f) = a, at(alone, g) = b;
          if (!goes_together(alone)) continue;
          while (covered.of(f, a, g, b) < kWanted) {
            const Row row = best_with(f, a, g, b, covered, stream, drawn);
            covered.add(row);
            std::string id = std::to_string(1000 + number).substr(1);
            if (number++ % 20 == 0) files.push_back({"crossed/from-" + id + ".json", {}});
            files.back().cases.push_back(case_of(row, "crossed/" + id,
                                                 "what is wrong only where " +
                                                     std::string(at(at(kFactors, f), a).words) + " and " +
                                                     at(at(kFactors, g), b).words + " meet"));
          }
        }
  return files;
}

}  // namespace moe
