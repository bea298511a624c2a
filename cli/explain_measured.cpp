#include <cmath>

#include "explain.h"
#include "moe/evaluate.h"
#include "moe/presets.h"

// Stories of layers that are run here.
namespace moe::cli {
namespace {

/// Of the hidden units of a dense block: how many are exactly 0, and how many below a tenth of their token's largest.
struct Small {
  Index zero = 0, below = 0, all = 0;
};

Small small_units(bool glu, Activation activation) {
  Config config = find_preset("dense")->config;
  config.shape.num_tokens = 256;
  config.experts.glu = glu, config.experts.activation = activation;
  Small small;
  for (const auto& [name, hidden] : evaluate<double>(config, seeded_inputs(config), nullptr, false)) {
    if (name != "expert.hidden") continue;
    const Index F = config.shape.ffn_size;
    for (Index first = 0; first < hidden.size(); first += F) {
      double largest = 0;
      for (Index f = 0; f < F; ++f) largest = std::max(largest, std::abs(hidden.real(first + f)));
      for (Index f = 0; f < F; ++f) {
        const double h = std::abs(hidden.real(first + f));
        small.zero += h == 0 ? 1 : 0, small.below += h < largest / 10 ? 1 : 0, ++small.all;
      }
    }
  }
  return small;
}

}  // namespace

Story small_activations() {
  Story story{
      "Are most hidden units of a dense block small?",
      {},
      "That is of 256 seeded tokens and weights that nobody trained, so it follows from the activation "
      "alone: a ReLU leaves half of the units at exactly 0, which can be skipped without changing the "
      "result; of smooth ones more are small, and only those whose input is 0 can be skipped. What "
      "training adds is not shown here."};
  const auto add = [&](const char* what, const char* symbols, Index part, Index all) {
    story.steps.push_back({what, symbols, digits(part) + " of " + digits(all),
                           static_cast<double>(part) / static_cast<double>(all), Kind::Measured});
  };
  const Small relu = small_units(false, Activation::Relu), gelu = small_units(false, Activation::GeluErf),
              swiglu = small_units(true, Activation::Silu);
  for (const auto& [what, small] :
       {std::pair("ReLU", relu), std::pair("GELU", gelu), std::pair("SwiGLU", swiglu)})
    add(what, "exactly 0, of all", small.zero, small.all);
  for (const auto& [what, small] : {std::pair("GELU, small", gelu), std::pair("SwiGLU, small", swiglu)})
    add(what, "below a tenth of the largest", small.below, small.all);
  return story;
}

}  // namespace moe::cli
