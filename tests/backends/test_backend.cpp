#include "../support.h"
#include "moe/backend.h"
#include "moe/check.h"
#include "threads.h"

using namespace moe;

namespace {

struct Layer {
  Config config;
  Inputs inputs;
};
Layer layer_of(const std::string& preset, const std::vector<std::string>& sets = {}) {
  Layer layer{load_config(preset, sets).config, {}};
  layer.inputs = seeded_inputs(layer.config);
  for (auto& [id, a] : layer.inputs) a = materialized(std::move(a));
  return layer;
}

CaseVerdict verdict_on(const Layer& layer, const Arrays& answer) {
  CheckCase c;
  c.golden.id = "test/layer", c.golden.inputs = layer.inputs, c.config = layer.config;
  return check(c, {answer, {}, {}}, {});
}

const std::vector<std::string> kPresetNames{"dense",  "shazeer2017", "gshard",
                                            "switch", "mixtral",     "deepseek_v3"};

}  // namespace

TEST_CASE("backend: names are known, and others say which are") {
  CHECK(std::string(backend_called("cpu").name) == "cpu");
  CHECK(backend_called("reference").dtype == Format::F64);
  CHECK_THROWS_WITH_AS(backend_called("tpu"), "--backend = \"tpu\" must be one of reference, cpu, cuda",
                       Error);
  if (backends().size() == 2)
    CHECK_THROWS_WITH_AS(
        backend_called("cuda"),
        "backend cuda is not part of this build of moe-oracle; cmake's -DMOE_CUDA=ON makes one with it",
        CannotRun);
  CHECK(backend_called("cpu").how().starts_with("oneDNN "));
}

TEST_CASE("backend: what a backend does not compute it declines in a sentence") {
  const Layer layer = layer_of("mixtral");
  CHECK_THROWS_WITH_AS(evaluate_on(backend_called("cpu"), layer.config, layer.inputs, Format::F64, false),
                       "backend cpu computes in f32 and bf16, not in f64", CannotRun);
  CHECK_THROWS_WITH_AS(
      evaluate_on(backend_called("reference"), layer.config, layer.inputs, Format::F32, false),
      "backend reference computes in f64, not in f32", CannotRun);
}

TEST_CASE("backend: a convention that it does not know it declines by name") {
  // As if config.h had one value more: what no table of a backend lists.
  const auto reason = [](const std::string& preset, const auto& change) {
    Config config = layer_of(preset).config;
    change(config);
    return backend_called("cpu").declines(config, Format::F32);
  };
  CHECK(reason("mixtral", [](Config&) {}) == "");
  CHECK(reason("mixtral", [](Config& c) { c.router.score_function = ScoreFunction(99); }) ==
        "backend cpu does not compute router.score_function = \"unknown\"");
  CHECK(reason("mixtral", [](Config& c) { c.experts.activation = Activation(99); }) ==
        "backend cpu does not compute experts.activation = \"unknown\"");
  CHECK(reason("switch", [](Config& c) { c.aux.front().kind = AuxKind(99); }) ==
        "backend cpu does not compute aux.kind = \"unknown\"");
  CHECK(reason("switch", [](Config& c) { c.capacity.dropped_output = DroppedOutput(99); }) ==
        "backend cpu does not compute capacity.dropped_output = \"unknown\"");
  CHECK(reason("deepseek_v3", [](Config& c) { c.shared.mode = SharedMode(99); }) ==
        "backend cpu does not compute shared.mode = \"unknown\"");
}

TEST_CASE("cpu: every preset is correct in f32 and in bf16, forward and backward") {
  for (const std::string& preset : kPresetNames)
    for (const Format dtype : {Format::F32, Format::BF16})
      for (const char* tokens : {"shape.num_tokens=16", "shape.num_tokens=600"}) {
        const Layer layer = layer_of(preset, {tokens, "shape.hidden_size=40", "shape.ffn_size=72"});
        const CaseVerdict verdict =
            verdict_on(layer, evaluate_on(backend_called("cpu"), layer.config, layer.inputs, dtype, true));
        CAPTURE(preset);
        CAPTURE(std::string(tokens));
        CAPTURE(info_of(dtype).name);
        CHECK(std::string(name_of(verdict.status)) == "PASS");
        CHECK(verdict.missing.empty());
        CHECK(verdict.unknown.empty());
      }
}

TEST_CASE("cpu: the same bits for one thread and two, and from run to run") {
  for (const std::string& preset : kPresetNames)
    for (const Format dtype : {Format::F32, Format::BF16}) {
      const Layer layer =
          layer_of(preset, {"shape.num_tokens=520", "shape.hidden_size=72", "shape.ffn_size=320"});
      const auto run = [&](int threads) {
        const Threads scope(threads);
        return evaluate_on(backend_called("cpu"), layer.config, layer.inputs, dtype, true);
      };
      const Arrays once = run(1);
      CAPTURE(preset);
      CAPTURE(info_of(dtype).name);
      CHECK(other_bits(once, run(2)) == "");
      CHECK(other_bits(once, run(3)) == "");
      CHECK(other_bits(once, run(1)) == "");
    }
}

TEST_CASE("cpu: a loaded layer takes batches of any size, and keeps nothing of the last one") {
  for (const std::string& preset :
       {std::string("mixtral"), std::string("deepseek_v3"), std::string("switch")}) {
    const Layer big = layer_of(preset, {"shape.num_tokens=300"}),
                small = layer_of(preset, {"shape.num_tokens=3"});
    const auto layer = backend_called("cpu").load(big.config, big.inputs, Format::F32);
    const auto answer = [&](const Layer& of) {
      Collector collector;
      const auto visit = [&](auto&&... block) { collector(block...); };
      layer->forward(of.inputs), layer->backward();
      const Trace<double> trace = layer->trace();
      each_tensor(of.config, trace, visit);
      const Grads<double> grads = layer->grads(
          [&](Index e, const ExpertWeightGrads<double>& g) { each_block(of.config, e, g, visit); });
      each_tensor(of.config, trace.dispatch, grads, visit);
      return collector.arrays;
    };
    const Arrays first = answer(big), other = answer(small), again = answer(big);
    CAPTURE(preset);
    CHECK(other_bits(first, again) == "");
    CHECK(difference(other, evaluate_on(backend_called("cpu"), small.config, small.inputs, Format::F32, true),
                     0) == "");
    CHECK(other_bits(other, answer(small)) == "");
  }
}

TEST_CASE("cpu: an expert without rows has gradients of zero, and its weights are never read") {
  Layer layer = layer_of("mixtral", {"shape.num_tokens=2", "shape.num_experts=64"});
  const Arrays arrays = evaluate_on(backend_called("cpu"), layer.config, layer.inputs, Format::F32, true);
  const auto find = [&](const std::string& name) -> const Array& {
    for (const auto& [known, a] : arrays)
      if (known == name) return a;
    throw std::out_of_range(name);
  };
  const Array &counts = find("dispatch.counts"), &grad = find("grad.experts.up");
  const Index per_expert = grad.size() / 64;
  Index empty = 0;
  for (Index e = 0; e < 64; ++e) {
    double largest = 0;
    for (Index i = 0; i < per_expert; ++i)
      largest = std::max(largest, std::abs(grad.real(e * per_expert + i)));
    CHECK((largest > 0) == (counts.integer(e) > 0));
    empty += counts.integer(e) == 0 ? 1 : 0;
  }
  CHECK(empty >= 60);
}

TEST_CASE("cpu: weights that are a recipe give what the same weights as bytes give") {
  const Layer layer = layer_of("deepseek_v3");
  CHECK(other_bits(evaluate_on(backend_called("cpu"), layer.config, layer.inputs, Format::F32, true),
                   evaluate_on(backend_called("cpu"), layer.config, seeded_inputs(layer.config), Format::F32,
                               true)) == "");
}

TEST_CASE("cpu: inputs are not rounded") {
  Layer layer = layer_of("mixtral");
  const double value = 1 + 0x1p-20;
  Array& x = layer.inputs[Tensor::x];
  std::vector<double> values(static_cast<std::size_t>(x.size()), 0.5);
  values[3] = value;
  x = array_of(x.dims, values.data());
  evaluate_on(backend_called("cpu"), layer.config, layer.inputs, Format::F32, false);
  CHECK_THROWS_WITH_AS(evaluate_on(backend_called("cpu"), layer.config, layer.inputs, Format::BF16, false),
                       "x[3] = 1.0000009536743164 is no number of bf16, and backend cpu rounds no inputs",
                       CannotRun);
}

TEST_CASE("cpu: gradients need a dy") {
  Layer layer = layer_of("mixtral");
  const auto loaded = backend_called("cpu").load(layer.config, layer.inputs, Format::F32);
  layer.inputs.erase(Tensor::dy);
  loaded->forward(layer.inputs);
  CHECK_THROWS_WITH_AS(loaded->backward(), "dy must be part of the batch where gradients are asked for",
                       Error);
}

TEST_CASE("backend: a batch that lacks something, or has it in another shape, is refused") {
  for (const std::string name : {"reference", "cpu"}) {
    const Layer layer = layer_of("shazeer2017");
    const Backend& backend = backend_called(name);
    const auto loaded = backend.load(layer.config, layer.inputs, backend.dtype);
    const auto refused = [&](const Inputs& batch, const char* message) {
      CHECK_THROWS_WITH_AS(loaded->forward(batch), message, Error);
    };
    CAPTURE(name);
    Inputs batch = layer.inputs;
    batch.erase(Tensor::x);
    refused(batch, "x must be part of the batch");
    batch = layer.inputs;
    batch.erase(Tensor::noise_gaussian_learned);
    refused(batch, "noise.gaussian_learned must be part of the batch");
    batch = layer.inputs;
    batch[Tensor::x].dims = {32, 16};
    refused(batch, "x has the shape [32,16] where [32,32] is expected");
    batch = layer.inputs;
    batch[Tensor::dy] = array_of({1, 2}, std::array{0.5, 0.25}.data());
    refused(batch, "dy has the shape [1,2] where [16,32] is expected");
  }
}
