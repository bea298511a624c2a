#include "backward.h"

using namespace moe;

namespace {

/// A preset with E experts (a dense layer has one) at a size at which every gradient can be changed in turn.
Config preset_config(const Preset& preset, Index E) {
  std::vector<std::string> sets{"shape.num_tokens=8", "shape.hidden_size=6", "shape.ffn_size=7"};
  if (has_router(preset.config)) sets.push_back("shape.num_experts=" + std::to_string(E));
  if (preset.config.experts.identity_experts > 0)
    sets.push_back("experts.identity_experts=" + std::to_string(E / 3));
  if (ranks_assignments(preset.config.capacity)) sets.emplace_back("capacity.min_capacity=1");
  return load_config(preset.name, sets).config;
}

struct Element {
  std::string tensor;
  Index index;
};

/// `count` elements, in turn from each tensor that a direction reaches.
std::vector<Element> drawn_elements(const Backward& layer, std::uint64_t count) {
  std::vector<std::pair<std::string, Index>> tensors;
  const Router& router = layer.config.router;
  const bool past_scores = router.renorm == Renorm::Sparsemixer ||
                           (router.renorm == Renorm::Sum && router.score_function == ScoreFunction::Softmax);
  layer.each([&](const std::string& name, const Dims& dims, Index first, const Ball*, Index) {
    if (first == 0 && product(dims) > 0 && !(past_scores && name == "grad.router.scores"))
      tensors.emplace_back(name, product(dims));
  });
  const Stream stream{kDefaultSeed, fnv1a("elements"), 0};
  std::vector<Element> drawn;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto& [name, size] = tensors[i % tensors.size()];
    drawn.push_back({name, static_cast<Index>(stream.word(i)) % size});
  }
  return drawn;
}

/// The derivative in `direction` from the gradients, of which one element is changed.
template <typename Change>
Ball derivative_with(const Backward& layer, Direction direction, const Element& element, Change change) {
  DerivativeByGradient sum(layer.config, direction);
  layer.each([&](const std::string& name, const Dims& dims, Index first, const Ball* data, Index count) {
    if (name != element.tensor || element.index < first || element.index >= first + count)
      return sum(name, dims, first, data, count);
    std::vector<Ball> copy(data, data + count);
    change(at(copy, element.index - first));
    sum(name, dims, first, copy.data(), count);
  });
  return sum.total();
}

}  // namespace

TEST_CASE(
    "gradient: the two enclosures overlap for every preset, and an error of 2^-60 in any of 100 elements "
    "parts them in one direction") {
  const Bits bits(128);
  const Direction direction{5};
  for (const Preset& preset : presets())
    for (const Index E : {16, 256}) {
      if (!has_router(preset.config) && E > 16) continue;
      CAPTURE(preset.name);
      CAPTURE(E);
      const Backward layer(preset_config(preset, E));
      const Ball by_dual = derivative_by_dual(layer.config, layer.inputs, layer.decisions, direction);
      CHECK(overlap(by_dual, derivative_with(layer, direction, {}, [](Ball&) {})));
      Index relative = 0;
      for (const Element& element : drawn_elements(layer, 100)) {
        CAPTURE(element.tensor);
        CAPTURE(element.index);
        double size = 0;
        CHECK(!overlap(by_dual, derivative_with(layer, direction, element, [&](Ball& g) {
                         size = std::abs(approx(g));
                         g += Ball::power_of_two(-60);
                       })));
        if (size < 0x1p-20) continue;  // what is wrong by a part of nearly nothing is out of sight
        ++relative;
        CHECK(!overlap(by_dual, derivative_with(layer, direction, element, [&](Ball& g) {
                         g = g * (Ball(1) + Ball::power_of_two(-60));
                       })));
      }
      CHECK((relative >= 30 ||
             layer.decisions.plan.N() == 0));  // fairscale's formula leaves no place for 16 tokens
    }
}

TEST_CASE("gradient: central differences confirm gradients, and an error of 2^-60 they do not") {
  const Bits bits(128);
  const Backward layer(small("mixtral"));
  for (const bool tampered : {false, true}) {
    Sample sample(layer.config, 1, 3);
    layer.each([&](const std::string& name, const Dims& dims, Index first, const Ball* data, Index count) {
      std::vector<Ball> copy(data, data + count);
      if (tampered)
        for (Ball& g : copy) g = g * (Ball(1) + Ball::power_of_two(-60));
      sample(name, dims, first, copy.data(), count);
    });
    CHECK(sample.size() == 3);
    if (tampered)
      CHECK_THROWS_AS(sample.confirm(layer.config, layer.inputs, layer.decisions), CertificateBroken);
    else
      CHECK_NOTHROW(sample.confirm(layer.config, layer.inputs, layer.decisions));
  }
  CHECK(Ball::bits == 128);
}
