#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "moe/diagnose.h"
#include "moe/evaluate.h"
#include "moe/file.h"
#include "moe/presets.h"
#include "support.h"

using namespace moe;

namespace {

/// A case of the corpus on which somebody who takes the other way of a gotcha gives other numbers, and what that is.
struct Separating {
  int gotcha;
  std::string id, hypothesis;
};
const Separating kSeparating[]{
    {1, "presets/mixtral", "router.renorm = \"none\""},
    {2, "identity/zero-renormalised", "route: 1e-6 added to the sum of scores"},
    {3, "shapes/top1-renormalised", "route: weights shared across the tokens instead of the choices"},
    {4, "groups/negative-scores", "router.closed_groups = \"zero\""},
    {5, "softcap/groups", "router.group_score = \"max\""},
    {6, "bias/on-logits", "route: the selection bias in the weights"},
    {7, "bias/logits-and-noise", "noise: the load of probabilities against noisy logits"},
    {8, "noise/gumbel", "noise.choices = \"second\""},
    {9, "second/taken-and-not", "router.second_policy = \"all\""},
    {10, "ties/one-ulp-of-bf16", "choose: by scores in bf16"},
    {11, "losses/dropped-count-first", "aux.b.f_stage = \"post_drop\""},
    {12, "shared/average-dropped", "aux.load_balance.f_stage = \"post_drop\""},
    {13, "shared/factor", "router.routed_scaling_factor = 1.0"},
    {15, "renorm/l2", "router.renorm = \"none\""},
    {16, "bias/logits", "router.logit_bias = false"},
    {17, "noise/input-jitter", "noise: experts see the jitter, too"},
    {18, "input/one-choice", "combine.weight_location = \"output\""},
    {19, "input/biases", "expert: what experts give for 0 added where they are not chosen"},
    {22, "capacity/k-inside", "capacity.base = \"tokens\""},
    {23, "capacity/ceil", "capacity.inner_round = \"floor\""},
    {24, "capacity/decimal-floor", "capacity.arithmetic = \"f32\""},
    {25, "capacity/half-even-of-factor", "capacity.outer_round = \"ceil\""},
    {26, "capacity/choice-major", "capacity.order = \"token_major\""},
    {27, "sinks/capacity", "capacity.priority = \"weight\""},
    {28, "capacity/random", "capacity.priority = \"fcfs\""},
    {29, "sinks/capacity", "router.renorm_stage = \"after_drop\""},
    {30, "capacity/ceil", "capacity.dropped_output = \"identity\""},
    {31, "sinks/capacity", "capacity.mode = \"none\""},
    {32, "losses/divided-by-kept-of-groups", "capacity.scope = \"group\""},
    {33, "capacity/ceil", "capacity.min_capacity = 4"},
    {35, "softcap/losses", "aux.load_balance.f_divide_by_k = true"},
    {36, "softcap/losses", "aux.load_balance.f_source = \"top1\""},
    {37, "losses/earlier-layer", "aux.b.earlier_tokens = 0"},
    {38, "noise/gumbel-losses", "losses: of scores that went through softmax twice"},
    {39, "losses/softmax-twice", "aux.b.p_source = \"normalised_score\""},
    {40, "softcap/losses", "aux.load_balance.multiply = \"none\""},
    {41, "losses/divided-by-kept", "aux.b.divisor = \"tokens\""},
    {42, "losses/importance-unbiased", "aux.i.variance = \"population\""},
    {43, "noise/gumbel-losses", "aux.b.f_from = \"retopk_of_aux_scores\""},
    {44, "given/weight-of-one",
     "losses: the z-loss multiplied by the coefficient of the balancing loss, too"},
    {45, "losses/per-group", "aux.balance.scope = \"batch\""},
    {46, "bias/update-after-drop", "bias_update.count = \"pre_drop\""},
    {47, "presets/mixtral", "expert: gate and up exchanged"},
    {48, "shapes/one-expert", "expert: gate, up and down read in the order of their transposes"},
    {49, "experts/gelu-erf", "experts.activation = \"gelu_tanh\""},
    {50, "experts/limit-of-act", "experts.clamp_act_max = 0.0"},
    {51, "shared/average", "shared.mode = \"none\""},
    {52, "identity/biases", "experts.bias = \"none\""},
    {55, "identity/zero", "experts.identity_gives = \"identity\""},
    {57, "worked/layer", "combine: rows added in bf16"},
    {58, "worked/layer", "route: weights in bf16"},
    {60, "capacity/ceil", "capacity.mode = \"none\""},
    {61, "losses/earlier-batches", "aux.b.p_of_batch = true"},
    {62, "softcap/losses", "aux.load_balance.p_source = \"normalised_score\""},
    {63, "softcap/softmax", "router.logit_softcap = 0.0"},
    {64, "scale/renormalised", "router.expert_scale = false"},
    {65, "output/norm", "combine.norm = \"none\""},
    {66, "sinks/softmax", "router.sinks = 0"},
    {67, "experts/softcap-gate", "experts.softcap_gate = 0.0"},
    {68, "router/logit-scale", "router.logit_scale = 1.0"},
    {69, "latent/norm-before", "experts.latent_norm = \"none\""},
    {70, "losses/importance-unbiased", "aux.i.importance_of = \"scores\""},
    {71, "noise/fixed", "noise.scale = 0.09375"},
    {72, "given/ids", "router.choice = \"top_k\""},
    {73, "router/offset", "router.score_offset = 0.0"},
    {74, "output/rest", "combine.rest = \"none\""},
    {75, "losses/z-of-clean", "aux.z.z_of = \"scored\""},
    {76, "losses/load-against-last", "aux.l.load_against = \"rival\""},
    {77, "losses/padding", "aux.b.masked = false"},
    {78, "sparsemixer/two", "router.renorm = \"sum\""},
};

CheckCase case_of_corpus(const std::string& id) {
  const std::string folder = std::string(MOE_ROOT) + "/golden/" + id.substr(0, id.find('/'));
  for (const auto& file : std::filesystem::directory_iterator(folder))
    if (file.path().extension() == ".json")
      for (CheckCase& c : read_check_cases(file.path().string()))
        if (c.golden.id == id) return std::move(c);
  throw Error(id, id + " is no case");
}

Answer in_f32(const Arrays& arrays) {
  Answer answer;
  for (const auto& [name, a] : arrays)
    answer.tensors.emplace_back(name, is_real(a.format) ? converted(a, Format::F32, name) : a);
  return answer;
}

std::set<int> written_down() {
  std::set<int> numbers;
  std::istringstream lines(read_text(MOE_ROOT "/docs/GOTCHAS.md"));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("| G-")) numbers.insert(std::stoi(line.substr(4)));
  return numbers;
}

}  // namespace

TEST_CASE("gotchas: diagnose names each that is written down on a case that separates it") {
  std::set<int> named;
  for (const auto& [gotcha, id, hypothesis] : kSeparating) {
    CAPTURE(gotcha);
    CAPTURE(id);
    CAPTURE(hypothesis);
    const CheckCase c = case_of_corpus(id);
    const std::vector<Hypothesis> all = hypotheses(c.config);
    const auto wrong = std::find_if(all.begin(), all.end(),
                                    [&name = hypothesis](const Hypothesis& h) { return h.name == name; });
    REQUIRE(wrong != all.end());
    CHECK(wrong->gotcha == gotcha);
    const std::vector<Diagnosis> list =
        diagnose(c, in_f32(evaluate_with(wrong->bug, c.config, c.golden.inputs)), {});
    REQUIRE(!list.empty());
    CHECK(list.front().explains);
    CHECK(list.front().gotcha == gotcha);
    const std::vector<std::string>& alike = list.front().alike;
    CHECK((list.front().name == hypothesis ||
           std::find(alike.begin(), alike.end(), hypothesis) != alike.end()));
    named.insert(gotcha);
  }
  CHECK(named == written_down());
}

TEST_CASE("gotchas: none is named where all is right, for any preset") {
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    CheckCase c;
    c.golden.id = "test/" + preset.name;
    c.config = preset.config;
    c.golden.inputs = seeded_inputs(c.config, 5);
    CHECK(diagnose(c, in_f32(evaluate<double>(c.config, c.golden.inputs, nullptr, true)), {}).empty());
  }
}
