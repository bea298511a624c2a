#include "moe/check.h"
#include "moe/config_json.h"
#include "moe/load.h"
#include "moe/presets.h"

namespace moe {
namespace {

/// Draws that depend on the number of the case and on nothing else.
class Dice {
 public:
  Dice(std::uint64_t seed, std::uint32_t case_number) : stream_{seed, fnv1a("random layers"), case_number} {}
  /// A whole number in [0, n).
  Index below(Index n) { return static_cast<Index>(stream_.word(next_++) % static_cast<std::uint32_t>(n)); }
  template <std::size_t n>
  std::string one_of(const std::array<const char*, n>& list) {
    return list[static_cast<std::size_t>(below(static_cast<Index>(n)))];
  }
  /// Any value of a convention.
  template <typename Enum>
  std::string any() {
    return one_of(kSpelling<Enum>);
  }

 private:
  Stream stream_;
  std::uint64_t next_ = 0;
};

/// Field assignments as of --set; some do not go together, and are drawn again.
std::vector<std::string> drawn_sets(Dice& dice, const std::string& preset) {
  const auto whole = [](Index n) { return std::to_string(n); };
  std::vector<std::string> sets{"shape.hidden_size=" + whole(1 + dice.below(40)),
                                "shape.ffn_size=" + whole(1 + dice.below(40))};
  if (preset == "dense") return sets;
  const Index E = preset == "deepseek_v3" ? 8 * (1 + dice.below(4)) : 2 + dice.below(14);
  sets.push_back("shape.num_experts=" + whole(E));
  if (preset == "deepseek_v3") {
    sets.push_back("router.n_group=4"), sets.push_back("router.topk_group=" + whole(1 + dice.below(4)));
    sets.push_back("shape.top_k=" + whole(1 + dice.below(E / 4))),
        sets.push_back("shared.ffn_size=" + whole(1 + dice.below(20)));
  } else if (preset != "gshard") {
    sets.push_back("shape.top_k=" + whole(1 + dice.below(std::min<Index>(E, 6))));
  }
  if (dice.below(2) == 0) sets.push_back("experts.activation=" + dice.any<Activation>());
  if (dice.below(3) == 0)
    sets.push_back(std::string("experts.glu=") + (dice.below(2) == 0 ? "true" : "false"));
  if (dice.below(3) == 0) sets.push_back("experts.bias=" + dice.any<ExpertBias>());
  if (dice.below(3) == 0) sets.push_back("router.renorm=" + dice.any<Renorm>());
  if (dice.below(4) == 0)
    sets.push_back("router.score_function=" + dice.any<ScoreFunction>());  // none is refused, and drawn again
  const auto now_and_then = [&](std::string set) {
    if (dice.below(8) == 0) sets.push_back(std::move(set));
  };
  now_and_then("router.logit_softcap=" + whole(1 + dice.below(4)));
  now_and_then("router.expert_scale=true");
  now_and_then("router.input=" + dice.any<RouterInput>());
  now_and_then("router.closed_groups=" + dice.any<ClosedGroups>());  // refused without groups
  now_and_then("combine.norm=" + dice.any<Norm>());
  now_and_then("combine.weight_location=" + dice.any<WeightLocation>());
  now_and_then("experts.latent_size=" + whole(1 + dice.below(40)));
  now_and_then("router.second_place=" + dice.any<SecondPlace>());  // refused but where chance decides
  now_and_then("noise.kind=" + dice.any<NoiseKind>());
  now_and_then("noise.choices=" + dice.any<NoisyChoices>());  // refused but for gumbel
  now_and_then("router.choice=" + dice.any<Choice>());
  now_and_then("router.second_policy=" + dice.any<SecondPolicy>());  // refused but for two choices
  now_and_then("router.score_offset=0.125");                         // refused but for sigmoid
  now_and_then("combine.rest=" + dice.any<Rest>());
  now_and_then("aux.0.masked=true");  // refused but for two kinds of losses
  now_and_then("capacity.priority=" + dice.any<Priority>());
  now_and_then("router.sinks=1");  // refused where all choices are sinks, or a loss counts the first one
  now_and_then("router.logit_scale=0.5");
  now_and_then("router.renorm_epsilon=0.25");
  now_and_then("router.renorm_epsilon_mode=" + dice.any<EpsilonMode>());
  now_and_then("experts.latent_norm=" + dice.any<Norm>());  // refused without a latent space
  now_and_then("experts.output_norm=" + dice.any<Norm>());
  now_and_then("experts.softcap_gate=2");  // refused but for SiLU
  now_and_then("experts.softcap_up=3");
  now_and_then("experts.clamp_act_max=0.125");  // refused without a gate
  now_and_then("experts.clamp_gate_max=0.5");
  now_and_then("experts.clamp_up_abs=0.25");
  if (dice.below(3) == 0) {
    sets.push_back("capacity.mode=fixed"), sets.push_back("capacity.fixed=" + whole(1 + dice.below(6)));
    sets.push_back("capacity.order=" + dice.any<DropOrder>());
  }
  return sets;
}

/// Inputs from the stream of the case, as numbers: whoever reads them must not have to draw.
Inputs drawn_inputs(const Config& config, std::uint64_t seed, const std::string& id) {
  Inputs inputs = seeded_inputs(config, seed, fnv1a(id));
  for (auto& [tensor, a] : inputs)
    if (a.size() <= (Index{1} << 26)) a = materialized(std::move(a));
  return inputs;
}

}  // namespace

CheckCase fresh_case(const CheckCase& c, std::uint64_t seed) {
  CheckCase fresh;
  fresh.golden = c.golden;
  if (c.golden.invalid) return fresh;
  fresh.config = c.config;
  fresh.golden.inputs = drawn_inputs(c.config, seed, c.golden.id);
  return fresh;
}

CheckCase random_case(Index i, std::uint64_t seed) {
  Dice dice(seed, static_cast<std::uint32_t>(i));
  for (;;) {
    const std::string preset =
        dice.one_of(std::array{"dense", "shazeer2017", "gshard", "switch", "mixtral", "deepseek_v3"});
    const Index groups = preset == "gshard" ? 2 : 1;
    try {
      const std::vector<std::string> sets = drawn_sets(dice, preset);
      CheckCase c;
      c.config = load_config(preset, sets, groups * (1 + dice.below(24))).config;
      c.golden.id = "random/" + std::to_string(i);
      c.golden.config = config_to_json(c.config);
      c.golden.inputs = drawn_inputs(c.config, seed, c.golden.id);
      return c;
    } catch (const Error&) {
      // These choices exclude each other.
    }
  }
}

}  // namespace moe
