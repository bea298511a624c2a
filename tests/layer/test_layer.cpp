#include "../support.h"
#include "moe/layer/layer.h"
#include "moe/scalar/ball.h"
#include "moe/scalar/dual.h"

using namespace moe;
using D = Dual<double>;

namespace {

/// Every kind of layer that the gradients are checked on: the presets, and what they can be set to.
std::vector<std::vector<std::string>> kinds() {
  const std::string losses =
      R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k"},{"name":"z","kind":"z","coefficient":0.25}])";
  return {
      {"dense"},
      {"dense", "experts.glu=false", "experts.activation=gelu_erf", "experts.bias=per_expert"},
      {"switch"},
      {"switch", "capacity.dropped_output=scaled_identity"},
      {"switch", "capacity.dropped_output=identity", "shape.top_k=2"},
      {"mixtral"},
      {"mixtral", losses, "experts.activation=gelu_tanh", "experts.bias=per_expert"},
      {"mixtral", losses, "shape.top_k=4"},
      {"mixtral", losses, "router.renorm=none"},
      {"mixtral", losses, "router.score_function=sigmoid"},
      {"mixtral", losses, "router.score_function=sqrtsoftplus"},
      {"mixtral", losses, "router.score_function=sqrtsoftplus", "router.renorm=none", "shape.top_k=1"},
      {"mixtral", losses, "router.score_function=sigmoid", "router.renorm=none", "shape.top_k=3"},
      {"mixtral", losses, "capacity.mode=fixed", "capacity.fixed=2"},
      {"mixtral", losses, "capacity.mode=fixed", "capacity.fixed=2", "router.renorm_stage=after_drop"},
      {"mixtral", losses, "capacity.mode=fixed", "capacity.fixed=1", "router.renorm_stage=after_drop",
       "router.score_function=sigmoid"},
      {"switch", "shape.num_groups=5", "aux.load_balance.scope=group", "aux.load_balance.multiply=none",
       "capacity.scope=group", "capacity.mode=fixed", "capacity.fixed=1"},
      {"gshard", "shape.num_tokens=6", "aux.load_balance.coefficient=0.5"},
      {"gshard", "shape.num_groups=1", "router.renorm=none", "capacity.mode=none"},
      {"shazeer2017", "shape.top_k=2", "aux.importance.coefficient=0.5", "aux.load.coefficient=0.25"},
      {"shazeer2017", "shape.top_k=1", losses, "router.score_function=sigmoid", "router.renorm=none"},
      {"shazeer2017", "noise.epsilon=0.5", "aux.importance.epsilon=0.25", "shape.top_k=3",
       "aux.load.epsilon=0.5", "capacity.mode=fixed", "capacity.fixed=2"},
      {"deepseek_v3", "shape.top_k=2", "router.n_group=2", "router.topk_group=1", "shared.ffn_size=3",
       "aux.load_balance.coefficient=0.5", "shape.num_groups=5"},
      {"deepseek_v3", "shape.top_k=3", "router.n_group=1", "shared.ffn_size=3", "shared.mode=sigmoid_gate",
       "router.renorm=none", "aux.load_balance.coefficient=0.5", "experts.bias=per_expert"},
      {"mixtral", losses, "experts.activation=quick_gelu", "experts.act_alpha=1.5", "router.logit_bias=true"},
      {"mixtral", "experts.glu=false", "experts.activation=quick_gelu"},
      {"gpt_oss", "shape.top_k=2", "experts.clamp_gate_max=0.5", "experts.clamp_up_abs=0.25"},
      {"deepseek_v4", "shape.top_k=2", "shared.ffn_size=3", "experts.clamp_gate_max=0.5",
       "experts.clamp_up_abs=0.25", "shared.clamp_gate_max=0.25", "shared.clamp_up_abs=0.125"},
      {"llama4", "shared.ffn_size=3"},
      {"phimoe", losses, "router.sparsemixer_jitter=0.25", "router.expert_scale=true"},
      {"mixtral", losses, "router.choice=given"},
      {"mixtral", losses, "noise.kind=gumbel", "noise.choices=second", "router.renorm=none"},
      {"mixtral", losses, "noise.kind=input_jitter", "router.logit_scale=0.5"},
      {"gemma4", "shape.top_k=2", "noise.kind=input_jitter"},
      {"switch", "capacity.mode=fixed", "capacity.fixed=1", "capacity.priority=random"},
      {"gshard", "shape.num_groups=1", "router.second_policy=threshold", "capacity.mode=none"},
      {"mixtral", losses, "combine.rest=x", "router.renorm=none", "capacity.mode=fixed", "capacity.fixed=2"},
      {"longcat_flash", "shape.top_k=2", "experts.identity_experts=1", "experts.identity_gives=zero"},
      {"mixtral", losses, "router.score_function=sigmoid", "router.score_offset=0.125"},
      {"mixtral", "aux=[]", "router.score_function=identity", "router.renorm=none"},
      {"mixtral",
       R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","p_source":"softmax_of_scores","earlier_tokens":3}])"},
      {"switch", "capacity.mode=fixed", "capacity.fixed=1",
       R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_stage":"post_drop","divisor":"kept"}])"},
      {"mixtral", "shape.num_groups=5", "router.score_function=sigmoid",
       R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k","scope":"group","masked":true},)"
       R"({"name":"z","kind":"z","coefficient":0.25,"masked":true},)"
       R"({"name":"r","kind":"switch","coefficient":0.5,"earlier_tokens":3,"p_of_batch":true}])"},
      {"shazeer2017", "shape.top_k=2", "noise.kind=gaussian_fixed", "noise.scale=0.75",
       R"(aux=[{"name":"i","kind":"cv_importance","coefficient":0.5,"importance_of":"clean_scores"}])"},
      {"shazeer2017", "shape.top_k=2", "noise.kind=gaussian_fixed", "noise.scale=0.75",
       R"(aux=[{"name":"z","kind":"z","coefficient":0.5,"z_of":"clean"},)"
       R"({"name":"l","kind":"cv_load","coefficient":0.5,"load_against":"last_chosen"}])"},
      {"mixtral", losses, "combine.weight_location=input", "experts.bias=per_expert", "capacity.mode=fixed",
       "capacity.fixed=2", "router.renorm_stage=after_drop"},
      {"switch", "combine.weight_location=input", "capacity.dropped_output=scaled_identity"},
      {"shazeer2017", "shape.top_k=2", "combine.weight_location=input", "router.logit_bias=true"},
      {"longcat_flash", "shape.top_k=3", "experts.identity_experts=2"},
      {"mixtral", losses, "experts.identity_experts=3", "combine.weight_location=input"},
      {"expert_choice", "shape.top_k=4"},
      {"mixtral", "router.renorm_epsilon=0.25"},
      {"mixtral", losses, "router.renorm_epsilon=0.25", "router.score_function=sigmoid",
       "capacity.mode=fixed", "capacity.fixed=1", "router.renorm_stage=after_drop"},
      {"deepseek_v3", "shape.top_k=2", "router.n_group=1", "router.selection_bias_on=logits",
       "shared.ffn_size=3", "aux.load_balance.p_source=softmax", "aux.load_balance.coefficient=0.5"},
      {"mixtral", "shared.mode=average", "shared.ffn_size=3"},
      {"switch", "shared.mode=weighted_mean", "shared.ffn_size=3", "capacity.dropped_output=scaled_identity"},
      {"mixtral", "router.logit_softcap=0.5", "router.input=own", "router.expert_scale=true",
       "experts.latent_size=3", "experts.bias=after_combine", "combine.norm=rms", "shared.mode=average",
       "shared.ffn_size=3", "experts.clamp_act_max=0.0625", "shared.clamp_act_max=0.0625"},
      {"deepseek_v3", "shape.top_k=2", "router.n_group=2", "router.topk_group=1", "router.closed_groups=zero",
       "shared.ffn_size=3", "router.renorm=l2", "router.logit_softcap=0.5", "router.expert_scale=true",
       "combine.norm=rms", "combine.norm_epsilon=0.125", "aux.load_balance.p_source=softmax",
       "aux.load_balance.coefficient=0.5"},
      {"shazeer2017", "shape.top_k=2", "router.input=own", "experts.latent_size=7",
       "combine.weight_location=input"},
      {"mixtral", "router.renorm=l2", "router.renorm_stage=after_drop", "capacity.mode=fixed",
       "capacity.fixed=1"},
      {"longcat_flash", "shape.top_k=2", "experts.identity_experts=2", "experts.latent_size=5",
       "experts.bias=per_expert"},
      {"mixtral", "aux=[]", "shape.top_k=3", "router.sinks=1", "router.logit_scale=0.5",
       "router.logit_bias=true", "router.expert_scale=true"},
      {"mixtral", losses, "router.renorm_epsilon=0.625", "router.renorm_epsilon_mode=clamp"},
      {"deepseek_v3", "shape.top_k=2", "router.n_group=1", "shared.ffn_size=3", "router.renorm_epsilon=1",
       "router.renorm_epsilon_mode=clamp", "experts.softcap_gate=0.5", "experts.softcap_up=0.25",
       "experts.up_offset=1"},
      {"shazeer2017", "shape.top_k=2", "noise.kind=gaussian_fixed", "noise.scale=0.5",
       "aux.load.variance=unbiased", "aux.importance.variance=unbiased"},
      {"mixtral", "router.score_function=sigmoid", "router.renorm=none",
       R"(aux=[{"name":"i","kind":"cv_importance","coefficient":0.5,"importance_of":"scores","variance":"unbiased"}])"},
      {"mixtral", losses, "experts.latent_size=3", "experts.latent_norm=rms", "experts.output_norm=rms",
       "experts.output_norm_epsilon=0.125"},
      {"mixtral", "experts.latent_size=5", "experts.latent_norm=rms", "experts.latent_norm_epsilon=0.25",
       "experts.output_norm=rms", "experts.output_norm_epsilon=0.125", "combine.weight_location=input",
       "capacity.mode=fixed", "capacity.fixed=2"}};
}

Config config_of(const std::vector<std::string>& kind) {
  return small(kind[0], {kind.begin() + 1, kind.end()});
}

/// d loss.total by dual numbers on the forward functions: at input `id`, or at stage `id` by a nudge.
double slope_by_dual(const Config& config, const Inputs& inputs, const Decisions& decisions, Tensor id,
                     Index i, bool is_input) {
  const auto params = params_of<D>(config, inputs, [&](Tensor t, Index at, double value) {
    return D(value, is_input && t == id && at == i ? 1 : 0);
  });
  Index stored = 0;
  if (!is_input) D::nudge = [&](Tensor t) { return t == id && stored++ == i ? 1.0 : 0.0; };
  const double slope = layer_forward(config, params, decisions).loss.total.d;
  D::nudge = nullptr;
  return slope;
}

/// "" if every element of the gradient `name` is the derivative to 64 u of the largest of its tensor.
std::string gradient_difference(const Config& config, const Inputs& inputs, const Decisions& decisions,
                                const Arrays& got, Tensor id, bool is_input) {
  const std::vector<double> gradient = values_in(got, std::string("grad.") + name_of(id));
  double largest = 0;
  for (const double g : gradient) largest = std::max(largest, std::abs(g));
  for (Index i = 0; i < static_cast<Index>(gradient.size()); ++i) {
    const double slope = slope_by_dual(config, inputs, decisions, id, i, is_input);
    if (!(std::abs(at(gradient, i) - slope) <= 64 * kUnit * largest))
      return std::string(name_of(id)) + '[' + std::to_string(i) + "]: " + print_real(at(gradient, i)) +
             " is not " + print_real(slope);
  }
  return gradient.empty() ? "nothing to compare" : "";
}

std::vector<Tensor> stages_of(const Config& config) {
  using enum Tensor;
  std::vector<Tensor> stages{expert_up, expert_hidden, expert_out};
  if (config.experts.glu) stages.push_back(expert_gate);
  if (!has_router(config)) return stages;
  stages.push_back(router_logits), stages.push_back(router_topk_weights);
  if (has_noise(config)) stages.push_back(router_noisy_logits);
  if (weighs_input(config)) stages.push_back(expert_in);
  if (has_latent(config)) stages.push_back(latent_x), stages.push_back(latent_y);
  if (norms_output(config)) stages.push_back(combine_sum);
  if (norms_latent(config)) stages.push_back(latent_normed);
  if (norms_experts(config)) stages.push_back(expert_normed);
  const bool through_scores = config.router.renorm != Renorm::Sparsemixer &&
                              (config.router.renorm != Renorm::Sum || adds_to_sum(config.router) ||
                               config.router.score_function != ScoreFunction::Softmax);
  if (through_scores) stages.push_back(router_scores);
  return stages;
}

Matrix<double> output(const Config& config, const Inputs& inputs) {
  const auto params = params_of<double>(config, inputs);
  return layer_forward(config, params, decide(config, params)).y;
}

Array permuted_rows(const Array& a, const std::vector<Index>& from, Index width) {
  std::vector<double> values;
  for (const Index row : from)
    for (Index j = 0; j < width; ++j) values.push_back(a.real(row * width + j));
  return array_of(a.dims, values.data());
}

}  // namespace

TEST_CASE("layer: every gradient is what dual numbers say, to 64 u of the largest of its tensor") {
  for (const std::vector<std::string>& kind : kinds()) {
    CAPTURE(Json(kind).dump());
    const Config config = config_of(kind);
    const Inputs inputs = seeded_inputs(config, 2026);
    const Decisions decisions = decide(config, params_of<double>(config, inputs));
    const Arrays got = evaluate<double>(config, inputs, &decisions, true);
    for (const InputInfo& input : inputs_of(config))
      if (has_gradient(input.id))
        CHECK(gradient_difference(config, inputs, decisions, got, input.id, true) == "");
    for (const Tensor stage : stages_of(config))
      CHECK(gradient_difference(config, inputs, decisions, got, stage, false) == "");
  }
}

TEST_CASE(
    "layer: the gradient of the logits is softmax' of that of the scores, where weights go around the "
    "scores") {
  for (const auto& [preset, stage] : {std::pair{"mixtral", "router.renorm_stage=before_drop"},
                                      {"mixtral", "router.renorm_stage=after_drop"},
                                      {"phimoe", "router.sparsemixer_jitter=0.25"}}) {
    const Config config = small(preset, {"capacity.mode=fixed", "capacity.fixed=2", stage});
    const Inputs inputs = seeded_inputs(config, 7);
    const auto params = params_of<double>(config, inputs);
    const auto trace = layer_forward(config, params, decide(config, params));
    const auto grads = layer_backward(config, params, trace, [](Index, auto&&) {});
    Matrix<double> through(config.shape.num_tokens, config.shape.num_experts);
    for (Index t = 0; t < through.rows(); ++t)
      softmax_backward(row(trace.router.scores, t), row(grads.scores, t), through.cols(), row(through, t));
    CHECK(difference(grads.logits, through, 64 * kUnit) == "");
  }
}

TEST_CASE("layer: all scalars compute one layer") {
  for (const std::vector<std::string>& kind : kinds()) {
    CAPTURE(Json(kind).dump());
    const Config config = config_of(kind);
    const Inputs inputs = seeded_inputs(config, 5);
    Ball::bits = 128;
    const Decisions decisions = decide(config, params_of<Ball>(config, inputs));
    const Arrays by_double = evaluate<double>(config, inputs, &decisions, true);
    CHECK(difference(evaluate<Ball>(config, inputs, &decisions, true), by_double, 0x1p-43) == "");
    CHECK(difference(evaluate<float>(config, inputs, &decisions, true), by_double, 0x1p-17) == "");
    CHECK(difference(evaluate<D>(config, inputs, &decisions, true), by_double, 0x1p-43) == "");
  }
}

TEST_CASE("layer: permuting tokens permutes the output") {
  const Config config = small("mixtral");
  Inputs inputs = seeded_inputs(config, 3);
  const Matrix<double> before = output(config, inputs);
  const std::vector<Index> from{4, 2, 0, 1, 3};
  inputs[Tensor::x] = permuted_rows(inputs[Tensor::x], from, 6);
  const Matrix<double> after = output(config, inputs);
  for (Index t = 0; t < 5; ++t)
    CHECK(difference(rows_of(after, t, 1), rows_of(before, at(from, t), 1), 0) == "");
}

TEST_CASE("layer: permuting experts permutes their ids, and y not at all") {
  const Config config = small("mixtral");
  Inputs inputs = seeded_inputs(config, 3);
  const Matrix<double> before = output(config, inputs);
  const std::vector<Index> from{2, 0, 3, 1};
  for (auto& [id, a] : inputs)
    if (id != Tensor::x && id != Tensor::dy) a = permuted_rows(a, from, a.size() / 4);
  CHECK(difference(output(config, inputs), before, 16 * kUnit) == "");
}

TEST_CASE("layer: with K = E the mixture is the weighted sum of all experts, each a dense layer") {
  const Config config = small("mixtral", {"shape.top_k=4"}), dense = small("dense");
  const Inputs inputs = seeded_inputs(config, 9);
  const auto params = params_of<double>(config, inputs);
  const auto trace = layer_forward(config, params, decide(config, params));
  Matrix<double> want = zeros<double>(5, 6);
  for (Index e = 0; e < 4; ++e) {
    Inputs one{{Tensor::x, inputs.at(Tensor::x)}, {Tensor::dy, inputs.at(Tensor::dy)}};
    for (const Tensor id : {Tensor::experts_gate, Tensor::experts_up, Tensor::experts_down}) {
      const Array& all = inputs.at(id);
      std::vector<double> values;
      for (Index i = 0; i < 42; ++i) values.push_back(all.real(e * 42 + i));
      one[id] = array_of({1, all.dims[1], all.dims[2]}, values.data());
    }
    const Matrix<double> y = output(dense, one);
    for (Index t = 0; t < 5; ++t) want.row(t) += trace.router.scores(t, e) * y.row(t);
  }
  CHECK(difference(trace.y, want, 16 * kUnit) == "");
}

TEST_CASE("layer: a capacity that nobody reaches changes nothing") {
  const Inputs inputs = seeded_inputs(small("mixtral"), 4);
  const Matrix<double> dropless = output(small("mixtral"), inputs);
  CHECK(difference(output(small("mixtral", {"capacity.mode=fixed", "capacity.fixed=5"}), inputs), dropless,
                   0) == "");
}

TEST_CASE("layer: no tokens, no numbers, no losses, zero gradients") {
  const Config config = small("switch", {"shape.num_tokens=0"});
  const Inputs inputs = seeded_inputs(config);
  const Arrays got = evaluate<double>(config, inputs, nullptr, true);
  CHECK(tensor_in(got, "y").dims == Dims{0, 6});
  CHECK(tensor_in(got, "loss.load_balance").real(0) == 0);
  CHECK(tensor_in(got, "loss.z").real(0) == 0);
  CHECK(tensor_in(got, "loss.total").real(0) == 0);
  for (const double g : values_in(got, "grad.router.weight")) CHECK(g == 0);
  for (const double g : values_in(got, "grad.experts.down")) CHECK(g == 0);
}
