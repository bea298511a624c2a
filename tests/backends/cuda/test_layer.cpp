#include "layers.h"

using namespace moe;

namespace {

const std::vector<std::string> kSmall{"shape.hidden_size=40", "shape.ffn_size=24"};
std::vector<std::string> with_sizes(std::vector<std::string> sets) {
  sets.insert(sets.end(), kSmall.begin(), kSmall.end());
  return sets;
}

bool all_zero(const Array& a, Index first, Index n) {
  for (Index i = first; i < first + n; ++i)
    if (a.real(i) != 0) return false;
  return true;
}

}  // namespace

TEST_CASE("cuda: every preset is correct in four types, forward and backward") {
  if (no_device()) return;
  for (const std::string& preset : kPresetNames)
    for (const Format dtype : kDtypes)
      for (const char* tokens : {"shape.num_tokens=16", "shape.num_tokens=72"}) {
        const Layer layer = layer_of(preset, with_sizes(std::vector<std::string>{tokens}));
        CAPTURE(preset);
        CAPTURE(tokens);
        CAPTURE(info_of(dtype).name);
        CHECK(wrong_in(layer, on_cuda(layer, dtype)) == "");
      }
}

TEST_CASE("cuda: what a preset leaves open") {
  if (no_device()) return;
  const std::vector<std::pair<std::string, std::vector<std::string>>> layers{
      {"mixtral", {"router.renorm=none"}},
      {"mixtral", {"router.score_function=sigmoid", "router.n_group=4", "router.topk_group=2"}},
      {"mixtral", {"experts.bias=per_expert", "experts.activation=gelu_erf"}},
      {"mixtral", {"experts.glu=false", "experts.activation=relu2", "experts.bias=per_expert"}},
      {"mixtral", {"experts.activation=gelu_tanh", "shared.mode=add", "shared.ffn_size=8"}},
      {"mixtral", {"shared.mode=sigmoid_gate", "shared.ffn_size=8", "experts.activation=identity"}},
      {"switch", {"capacity.factor=0.5", "capacity.dropped_output=identity"}},
      {"switch", {"capacity.factor=0.5", "capacity.dropped_output=scaled_identity", "router.renorm=none"}},
      {"mixtral",
       {"capacity.mode=fixed", "capacity.fixed=3", "capacity.order=choice_major", "capacity.scope=group",
        "shape.num_groups=2"}},
      {"mixtral", {"capacity.mode=fixed", "capacity.fixed=3", "router.renorm_stage=after_drop"}},
      {"mixtral", {"capacity.mode=fixed", "capacity.fixed=2", "capacity.priority=weight"}},
      {"mixtral", {"capacity.mode=fixed", "capacity.fixed=2", "capacity.priority=bpr_top1"}}};
  for (const auto& [preset, sets] : layers)
    for (const Format dtype : kDtypes) {
      std::string all;
      for (const std::string& set : sets) all += set + ' ';
      CAPTURE(all);
      CAPTURE(info_of(dtype).name);
      const Layer layer = layer_of(preset, with_sizes(sets));
      CHECK(wrong_in(layer, on_cuda(layer, dtype)) == "");
    }
}

TEST_CASE("cuda: no token, one, and numbers of them around the edges of warps, blocks and chunks") {
  if (no_device()) return;
  for (const char* preset : {"mixtral", "deepseek_v3", "gshard", "shazeer2017", "dense"})
    for (const int tokens : {0, 1, 31, 32, 33, 127, 129, 257}) {
      const Layer layer = layer_of(preset, {"shape.num_tokens=" + std::to_string(tokens),
                                            "shape.num_groups=1", "shape.hidden_size=8", "shape.ffn_size=4"});
      CAPTURE(preset);
      CAPTURE(tokens);
      CHECK(wrong_in(layer, on_cuda(layer, Format::F32)) == "");
    }
}

TEST_CASE("cuda: more chunks of choices than a warp has lanes") {
  if (no_device()) return;
  for (const char* preset : {"mixtral", "gshard"}) {
    const Layer layer =
        layer_of(preset, {"shape.num_tokens=4200", "shape.num_groups=1", "shape.hidden_size=4",
                          "shape.ffn_size=2"});  // 8,400 choices, 256 a chunk
    CAPTURE(preset);
    CHECK(wrong_in(layer, on_cuda(layer, Format::F32)) == "");
  }
}

TEST_CASE("cuda: experts and choices of all kinds of number") {
  if (no_device()) return;
  for (const auto& sizes : {std::pair{1, 1}, {5, 5}, {33, 3}, {64, 64}, {97, 40}, {300, 2}})
    for (const Format dtype : {Format::F32, Format::F64}) {
      const int E = sizes.first, K = sizes.second;
      const Layer layer =
          layer_of("mixtral", {"shape.num_tokens=9", "shape.hidden_size=6", "shape.ffn_size=4",
                               "shape.num_experts=" + std::to_string(E), "shape.top_k=" + std::to_string(K)});
      CAPTURE(E);
      CAPTURE(K);
      CHECK(wrong_in(layer, on_cuda(layer, dtype)) == "");
    }
}

TEST_CASE("cuda: 4,096 experts, 64 of them for each token") {
  if (no_device()) return;
  const Layer layer = layer_of("mixtral", {"shape.num_tokens=2", "shape.hidden_size=4", "shape.ffn_size=2",
                                           "shape.num_experts=4096", "shape.top_k=64"});
  CHECK(wrong_in(layer, on_cuda(layer, Format::F32)) == "");
}

TEST_CASE("cuda: equal scores go to the smaller index, whatever comes first") {
  if (no_device()) return;
  for (const Format dtype : kDtypes) {
    Layer layer = layer_of("mixtral", {"shape.num_tokens=5", "shape.num_experts=70", "shape.top_k=4"});
    Array& router = layer.inputs[Tensor::router_weight];
    std::fill(router.bytes.begin(), router.bytes.end(), std::byte{0});
    const Arrays arrays = on_cuda(layer, dtype);
    const Array &ids = tensor_of(arrays, "router.topk_ids"), &counts = tensor_of(arrays, "dispatch.counts");
    for (Index i = 0; i < ids.size(); ++i) CHECK(ids.integer(i) == i % 4);
    for (Index e = 0; e < 70; ++e) CHECK(counts.integer(e) == (e < 4 ? 5 : 0));  // and so all go to the same
    CHECK(wrong_in(layer, arrays) == "");
  }
}

TEST_CASE("cuda: a second choice at its threshold is not taken up, one above it is") {
  if (no_device()) return;
  for (const double u : {1.0, 0.5})
    for (const Format dtype : kDtypes) {
      Layer layer = layer_of("gshard", with_sizes({"capacity.factor=8"}));
      Array& router = layer.inputs[Tensor::router_weight];
      std::fill(router.bytes.begin(), router.bytes.end(), std::byte{0});  // so both weights are 1 / 2
      Array& drawn = layer.inputs[Tensor::noise_second_policy];
      const std::vector<double> all(static_cast<std::size_t>(drawn.size()), u);
      drawn = array_of(drawn.dims, all.data());
      const Arrays arrays = on_cuda(layer, dtype);
      const Array& kept = tensor_of(arrays, "dispatch.kept");
      for (Index i = 0; i < kept.size(); ++i) CHECK(kept.integer(i) == (i % 2 == 0 || u < 1 ? 1 : 0));
      CHECK(wrong_in(layer, arrays) == "");
    }
}

TEST_CASE("cuda: an expert without rows has gradients of exactly zero") {
  if (no_device()) return;
  for (const Format dtype : kDtypes) {
    const Layer layer =
        layer_of("mixtral", {"shape.num_tokens=2", "shape.num_experts=64", "experts.bias=per_expert"});
    const Arrays arrays = on_cuda(layer, dtype);
    const Array& counts = tensor_of(arrays, "dispatch.counts");
    Index empty = 0;
    for (const char* name : {"grad.experts.gate", "grad.experts.up", "grad.experts.down",
                             "grad.experts.gate_bias", "grad.experts.up_bias", "grad.experts.down_bias"}) {
      const Array& grad = tensor_of(arrays, name);
      const Index each = grad.size() / 64;
      for (Index e = 0; e < 64; ++e) {
        CHECK(all_zero(grad, e * each, each) == (counts.integer(e) == 0));
        empty += counts.integer(e) == 0 ? 1 : 0;
      }
    }
    CHECK(empty >= 6 * 60);
  }
}

TEST_CASE("cuda: the same bits from run to run") {
  if (no_device()) return;
  for (const std::string& preset : kPresetNames)
    for (const Format dtype : kDtypes) {
      const Layer layer = layer_of(preset, with_sizes(std::vector<std::string>{"shape.num_tokens=72"}));
      CAPTURE(preset);
      CAPTURE(info_of(dtype).name);
      CHECK(other_bits(on_cuda(layer, dtype), on_cuda(layer, dtype)) == "");
    }
}

TEST_CASE("cuda: a loaded layer takes batches of any size, and keeps nothing of the last one") {
  if (no_device()) return;
  for (const char* preset : {"mixtral", "deepseek_v3", "switch", "shazeer2017"}) {
    const Layer big = layer_of(preset, {"shape.num_tokens=48"}),
                small = layer_of(preset, {"shape.num_tokens=16"});
    const auto layer = backend_called("cuda").load(big.config, big.inputs, Format::F32);
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
    CHECK(difference(other, on_cuda(small, Format::F32), 0) == "");
    CHECK(layer->rows(Tensor::y, 5, 2) == layer->trace().y.middleRows(5, 2));
  }
}

TEST_CASE("cuda: weights that are a recipe give what the same weights as bytes give") {
  if (no_device()) return;
  const Layer layer = layer_of("deepseek_v3");
  Layer recipe = layer;
  recipe.inputs = seeded_inputs(layer.config);
  CHECK(other_bits(on_cuda(layer, Format::BF16), on_cuda(recipe, Format::BF16)) == "");
}

TEST_CASE("cuda: random layers are correct") {
  if (no_device()) return;
  for (Index i = 0, judged = 0; judged < 40; ++i) {
    const CheckCase c = random_case(i);
    const Format dtype = kDtypes[static_cast<std::size_t>(i) % kDtypes.size()];
    if (!backend_called("cuda").declines(c.config, dtype).empty()) continue;
    ++judged;
    CAPTURE(i);
    CAPTURE(info_of(dtype).name);
    CHECK(wrong_in(c, evaluate_on(backend_called("cuda"), c.config, c.golden.inputs, dtype, true)) == "");
  }
}
