#include "../backends.h"
#include "../known.h"
#include "layer.h"
#include "numbers.h"

// What the CPU backend leaves, as doubles; and its row in the table of backends.
namespace moe {
namespace cpu {
namespace {

Matrix<double> widened(const Matrix<float>& m) { return m.cast<double>(); }

/// What is made in double is kept as f32.
template <typename... Matrices>
void keep_as_float(Matrices&... m) {
  ((m = Matrix<double>(m.template cast<float>().template cast<double>())), ...);
}
void keep_as_float(double& x) { x = static_cast<double>(static_cast<float>(x)); }

ExpertWeightGrads<double> widened(const WeightGrads& g) {
  const auto all = [](const Rows& rows) { return widened(rows, 0, rows.cols()); };
  return {all(g.gate),          all(g.up),          all(g.down),
          widened(g.gate_bias), widened(g.up_bias), widened(g.down_bias)};
}

}  // namespace

Trace<double> Layer::trace() const {
  Trace<double> a = routed_;
  Routing<double>& r = a.router;
  keep_as_float(r.scores, r.logsumexp, r.group_scores, r.weights, r.denominator, r.next_bias);
  if (has_noise(config_)) keep_as_float(r.logits);
  keep_as_float(a.loss.task), keep_as_float(a.loss.total);
  for (double& loss : a.loss.aux) keep_as_float(loss);
  const Index T = config_.shape.num_tokens, N = a.dispatch.N(), W = expert_width(config_);
  a.x = widened(a_.x, 0, T);
  a.gate = widened(a_.gate, 0, a_.gate.rows());
  a.up = widened(a_.up, 0, a_.up.rows());
  a.hidden = widened(hidden_, 0, config_.shape.ffn_size);
  if (has_latent(config_)) a.latent_x = widened(a_.latent, 0, T), a.latent_y = widened(a_.latent_y, 0, T);
  if (weighs_input(config_)) a.in = widened(gathered_, 0, W);
  a.out = widened(a_.out, 0, N);
  a.weighted.resize(N, W);
  for (Index t = 0; t < T; ++t)
    for (Index k = 0; k < config_.shape.top_k; ++k)
      if (const Index n = a.dispatch.row(t, k); n >= 0) {
        Matrix<float> v(1, W);
        scale(weight_of(t, k), a_.out.row(n), W, v.data());  // as `combine` made them
        keep(v.data(), W);
        a.weighted.row(n) = v.cast<double>();
      }
  if (has_shared(config_)) a.shared.y = widened(shared_output(), 0, T);
  a.y = widened(a_.y, 0, T);
  return a;
}

Grads<double> Layer::grads(const Take& take) const {
  const auto [T, D, F, E, K] = Letters(config_);
  Grads<double> g = routed_grads_;
  keep_as_float(g.topk_weights, g.logits, g.noisy_logits, g.scores);
  g.x = widened(g_.x, 0, T);
  g.router_weight = widened(g_.router_weight);
  g.router_bias = widened(g_.router_bias);
  g.bias = widened(g_.combine_bias);
  g.noise_weight = widened(g_.noise_weight);
  if (config_.experts.glu) g.gate = widened(dpre_, 0, F);
  g.up = widened(dpre_, dpre_.cols() - F, F);
  g.hidden = widened(g_.hidden, 0, g_.hidden.rows());
  g.out = widened(dout_, 0, expert_width(config_));
  if (has_latent(config_)) {
    g.latent_x = widened(g_.latent_x, 0, T), g.latent_y = widened(g_.latent_y, 0, T);
    g.latent_down = widened(g_.latent_down), g.latent_up = widened(g_.latent_up);
  }
  if (weighs_input(config_)) g.in = widened(g_.dx_rows, 0, g_.dx_rows.rows());
  g.shared_gate = widened(g_.shared_gate);
  const auto of_expert = [&, E = E](Index e, Index width) {
    const Index model = width_of(e);
    const WeightGrads& given = at(dweights_, e);
    if (at(has_rows_, e) != 0) return widened(given);
    ExpertWeightGrads<double> none;
    if (config_.experts.glu) none.gate = zeros<double>(width, model);
    none.up = zeros<double>(width, model), none.down = zeros<double>(model, width);
    if (!has_bias(config_) || e == E) return none;
    if (config_.experts.glu) none.gate_bias = zeros<double>(1, width);
    none.up_bias = zeros<double>(1, width), none.down_bias = zeros<double>(1, model);
    return none;
  };
  for (Index e = 0; e < computed_experts(config_); ++e) take(e, of_expert(e, F));
  if (has_shared(config_)) g.shared = of_expert(E, config_.shared.ffn_size);
  return g;
}

Matrix<double> Layer::rows(Tensor id, Index first, Index n) const {
  return widened(id == Tensor::y ? a_.y : g_.x, first, n);
}

}  // namespace cpu

namespace {

/// Beyond what all backends compute.
const std::vector<Known> kAlsoComputed{{"router.score_function", {"sqrtsoftplus"}},
                                       {"router.logit_bias"},
                                       {"router.logit_softcap"},
                                       {"router.selection_bias_on", {"logits"}},
                                       {"router.closed_groups", {"excluded", "zero"}},
                                       {"router.renorm", {"l2"}},
                                       {"router.expert_scale"},
                                       {"router.renorm_epsilon"},
                                       {"router.renorm_epsilon_mode", {"clamp"}},
                                       {"router.logit_scale"},
                                       {"router.sinks"},
                                       {"combine.weight_location", {"input"}},
                                       {"experts.activation", {"quick_gelu"}},
                                       {"experts.act_alpha"},
                                       {"experts.clamp_gate_max"},
                                       {"experts.bias", {"after_combine"}},
                                       {"experts.clamp_act_max"},
                                       {"experts.clamp_up_abs"},
                                       {"experts.up_offset"},
                                       {"experts.identity_experts"},
                                       {"experts.latent_size"},
                                       {"shared.mode", {"average", "weighted_mean"}},
                                       {"aux.p_source", {"softmax"}},
                                       {"aux.variance"},
                                       {"aux.importance_of"},
                                       {"router.second_place"},
                                       {"noise.kind", {"gaussian_fixed"}},
                                       {"noise.scale"},
                                       {"bias_update.kind", {"sign_centred"}},
                                       {"shared.clamp_gate_max"},
                                       {"shared.clamp_act_max"},
                                       {"shared.clamp_up_abs"}};

}  // namespace

const Backend kCpuBackend{
    "cpu",
    [](const Config& config, Format dtype) -> std::string {
      if (std::string unknown = unknown_to("cpu", config, kAlsoComputed); !unknown.empty()) return unknown;
      if (dtype != Format::F32 && dtype != Format::BF16)
        return std::string("backend cpu computes in f32 and bf16, not in ") + info_of(dtype).name;
      try {
        cpu::linear_implementation(cpu::Storage::F32);
        return "";
      } catch (const std::exception& error) {  // a oneDNN that was built for another kind of machine
        return std::string("backend cpu cannot run here, oneDNN says: ") + error.what();
      }
    },
    [](const Config& config, const Inputs& inputs, Format dtype) -> std::unique_ptr<LoadedLayer> {
      return std::make_unique<cpu::Layer>(config, inputs, dtype);
    },
    Format::F32,
    [] {
      std::string how = cpu::linear_implementation(cpu::Storage::F32);
      if (!cpu::multiplies_bf16()) return how + "; bf16 weights are widened to f32 where they are used";
      return how + "; " + cpu::linear_implementation(cpu::Storage::BF16);
    }};

}  // namespace moe
