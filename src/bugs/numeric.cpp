#include "list.h"

// Mistakes in weights, experts, losses and tiles.
namespace moe {
namespace {

/// Columns of x (for gate and up) or of hidden (for down) beyond the last whole tile are not multiplied.
Bug drops_tail(std::string name, bool model_axis, Index tile) {
  Bug bug{std::move(name)};
  bug.inputs = [=](const Config& config, Inputs& inputs) {
    const Index n = model_axis ? expert_width(config) : config.shape.ffn_size;
    if (n <= tile) return;
    for (const Tensor id : {Tensor::experts_gate, Tensor::experts_up, Tensor::experts_down}) {
      const auto found = inputs.find(id);
      if (found == inputs.end() || (id == Tensor::experts_down) == model_axis) continue;
      std::vector<double> values;
      for (Index i = 0; i < found->second.size(); ++i)
        values.push_back(i % n < n / tile * tile ? found->second.real(i) : 0);
      found->second = array_of(found->second.dims, values.data());
    }
  };
  return bug;
}

/// Other combine weights in the forward pass: y is summed again with them.
Bug weighs(std::string name, std::function<bool(const Config&)> when,
           std::function<double(const Config&, const Arrays&, Index t, Index k)> weight) {
  Bug bug{std::move(name)};
  bug.tensors = [when = std::move(when), weight = std::move(weight)](const Config& config, const Inputs&,
                                                                     const Decisions& d, Arrays& answer) {
    if (!has_router(config) || !sums_rows(config) || !when(config)) return;
    const Index D = config.shape.hidden_size;
    const Arrays before = answer;
    Editable w(answer, "router.topk_weights"), y(answer, "y"), out(answer, "expert.out");
    for (Index t = 0; t < config.shape.num_tokens; ++t) {
      std::fill_n(&y[t * D], D, 0.0);
      for (Index k = 0; k < config.shape.top_k; ++k) {
        w[t * config.shape.top_k + k] = weight(config, before, t, k);
        for (Index i = 0; i < D && d.plan.row(t, k) >= 0; ++i)
          y[t * D + i] += w[t * config.shape.top_k + k] * out[d.plan.row(t, k) * D + i];
      }
    }
  };
  return bug;
}

double value(const Arrays& arrays, const std::string& name, Index i) {
  for (const auto& [known, a] : arrays)
    if (known == name) return is_real(a.format) ? a.real(i) : static_cast<double>(a.integer(i));
  throw Error(name, name + " is not there");
}

void each_balance(Config& c, const std::function<void(Aux&)>& change) {
  for (Aux& aux : c.aux)
    if (is_balance(aux)) change(aux);
}

std::vector<Bug> weights() {
  return {
      weighs(
          "route: weights shared across the tokens instead of the choices",
          [](const Config& c) { return c.shape.top_k == 1 && shares_a_sum(c.router); },
          [](const Config& c, const Arrays& a, Index t, Index) {
            double sum = 0;
            for (Index u = 0; u < c.shape.num_tokens; ++u) sum += value(a, "router.denominator", u);
            return value(a, "router.denominator", t) / sum;
          }),
      weighs(
          "route: a binary gate, the sigmoid of one logit",
          [](const Config& c) {
            return c.shape.num_experts == 2 && c.shape.top_k == 1 && !shares_a_sum(c.router);
          },
          [](const Config&, const Arrays& a, Index t, Index k) {
            return sigmoid(
                value(a, "router.logits", 2 * t + static_cast<Index>(value(a, "router.topk_ids", t + k))));
          }),
      weighs(
          "route: shares of sigmoid scores in fp32",
          [](const Config& c) {
            return opposites_cancel(c.router.score_function) && shares_a_sum(c.router) && !has_capacity(c);
          },
          [](const Config& c, const Arrays& a, Index t, Index k) {
            std::vector<float> s;
            for (Index j = 0; j < c.shape.top_k; ++j)
              s.push_back(sigmoid(static_cast<float>(
                  value(a, "router.logits",
                        t * c.shape.num_experts +
                            static_cast<Index>(value(a, "router.topk_ids", t * c.shape.top_k + j))))));
            std::vector<float> w = s;
            normalize(s.data(), c.shape.top_k, w.data());
            const double exact = value(a, "router.topk_weights", t * c.shape.top_k + k),
                         narrow = static_cast<double>(at(w, k));
            return std::abs(narrow - exact) <= 1e-3 ? exact
                                                    : narrow;  // its roundings are not what this is about
          }),
  };
}

std::vector<Bug> experts() {
  Bug single{"route: a single expert skips the router"};
  single.tensors = [](const Config& config, const Inputs&, const Decisions&, Arrays& answer) {
    if (config.shape.num_experts != 1) return;
    for (const char* name : {"grad.router.logits", "grad.router.weight"}) {
      Editable g(answer, name);
      for (Index i = 0; i < g.size(); ++i) g[i] = 0;
    }
  };
  Bug bias_once{"expert: the bias of down added once a token, not once a choice"};
  bias_once.tensors = [](const Config& config, const Inputs& inputs, const Decisions& d, Arrays& answer) {
    if (!has_bias(config) || !sums_rows(config)) return;
    const auto [T, D, F, E, K] = Letters(config);
    Editable y(answer, "y");
    for (Index t = 0; t < T && has_router(config); ++t)
      for (Index k = 0; k < K; ++k)
        for (Index i = 0; i < D && d.plan.row(t, k) >= 0 && d.expert(t, k) < computed_experts(config); ++i)
          y[t * D + i] += inputs.at(Tensor::experts_down_bias).real(d.expert(t, k) * D + i) *
                          ((k == 0 ? 1 : 0) - value(answer, "router.topk_weights", t * K + k));
  };
  Bug equal_experts{"expert: the gradients of equal experts collected in the first of them"};
  equal_experts.tensors = [](const Config& config, const Inputs& inputs, const Decisions&, Arrays& answer) {
    const Array& up = inputs.at(Tensor::experts_up);
    const Index computed = computed_experts(config), size = up.size() / computed;
    const auto equal = [&](Index a, Index b) {
      for (Index i = 0; i < size; ++i)
        if (up.real(a * size + i) != up.real(b * size + i)) return false;
      return true;
    };
    Editable g(answer, "grad.experts.up");
    for (Index b = 1; b < computed; ++b)
      for (Index a = 0; a < b; ++a)
        for (Index i = 0; i < size && equal(a, b); ++i)
          g[a * size + i] += g[b * size + i], g[b * size + i] = 0;
  };
  // A pre-activation that is 0 because x is becomes the smallest of numbers instead, so that its slope is that of z > 0.
  Bug kink{"expert: a slope of 1 where ReLU is at 0"};
  kink.inputs = [](const Config& config, Inputs& inputs) {
    if (!has_kink(config.experts.activation)) return;
    std::vector<double> values;
    for (Index i = 0; i < inputs.at(Tensor::x).size(); ++i)
      values.push_back(inputs.at(Tensor::x).real(i) == 0 ? 1e-300 : inputs.at(Tensor::x).real(i));
    inputs.at(Tensor::x) = array_of(inputs.at(Tensor::x).dims, values.data());
  };
  std::vector<Bug> all;
  for (Bug* bug : {&single, &bias_once, &equal_experts, &kink}) all.push_back(std::move(*bug));
  return all;
}

/// One activation where another is meant, in gated experts or in plain ones.
Bug mistakes(std::string name, Activation meant, Activation taken, bool glu) {
  return confuses(std::move(name), [=](Config& c) {
    if (c.experts.activation == meant && c.experts.glu == glu) c.experts.activation = taken;
  });
}

std::vector<Bug> activations() {
  using enum Activation;
  Bug unclipped{"expert: the square of a squared ReLU without the ReLU"};
  unclipped.tensors = [](const Config& config, const Inputs&, const Decisions&, Arrays& answer) {
    if (config.experts.activation != Relu2 || config.experts.glu) return;
    Editable up(answer, "expert.up"), hidden(answer, "expert.hidden");
    for (Index i = 0; i < up.size(); ++i) hidden[i] = up[i] * up[i];
  };
  Bug quotient{"expert: the slope of a squared ReLU as 2 h / u"};
  quotient.tensors = [](const Config& config, const Inputs&, const Decisions&, Arrays& answer) {
    if (config.experts.activation != Relu2 || config.experts.glu) return;
    Editable up(answer, "expert.up"), hidden(answer, "expert.hidden"), slope(answer, "grad.expert.up"),
        dh(answer, "grad.expert.hidden");
    for (Index i = 0; i < up.size(); ++i) slope[i] = dh[i] * 2 * hidden[i] / up[i];
  };
  return {
      mistakes("expert: the tanh form of GELU for the error function", GeluErf, GeluTanh, true),
      mistakes("expert: the error function for the tanh form of GELU", GeluTanh, GeluErf, true),
      mistakes("expert: GELU where SiLU is meant", Silu, GeluErf, true),
      mistakes("expert: the gate of a bilinear expert through SiLU", Identity, Silu, true),
      mistakes("expert: a ReLU between the matrices of a linear expert", Identity, Relu, false),
      mistakes("expert: a ReLU that is not squared", Relu2, Relu, true),
      confuses("expert: no limits", [](Config& c) { c.experts.clamp_gate_max = c.experts.clamp_up_abs = 0; }),
      confuses("expert: nothing added to up", [](Config& c) { c.experts.up_offset = 0; }),
      confuses("shared: limited as the other experts are",
               [](Config& c) {
                 c.shared.clamp_gate_max = c.experts.clamp_gate_max;
                 c.shared.clamp_up_abs = c.experts.clamp_up_abs;
               }),
      confuses("router: the bias of the logits forgotten", [](Config& c) { c.router.logit_bias = false; }),
      std::move(unclipped),
      std::move(quotient)};
}

std::vector<Bug> losses() {
  Bug of_nothing{"losses: the mean of no tokens is 0 / 0"};
  of_nothing.tensors = [](const Config& config, const Inputs&, const Decisions&, Arrays& answer) {
    if (config.shape.num_tokens > 0) return;
    for (const Aux& aux : config.aux) Editable(answer, "loss." + aux.name)[0] = std::nan("");
  };
  std::vector<Bug> all{
      confuses("losses: all choices counted where first ones are meant",
               [](Config& c) { each_balance(c, [](Aux& a) { a.f_source = LoadSource::AllK; }); }),
      confuses("losses: first choices counted where all are meant",
               [](Config& c) { each_balance(c, [](Aux& a) { a.f_source = LoadSource::Top1; }); }),
      confuses("losses: even shares give K",
               [](Config& c) { each_balance(c, [](Aux& a) { a.f_divide_by_k = false; }); }),
      confuses("losses: even shares give 1",
               [](Config& c) { each_balance(c, [](Aux& a) { a.f_divide_by_k = true; }); }),
      confuses("losses: only kept choices counted",
               [](Config& c) { each_balance(c, [](Aux& a) { a.f_stage = LoadStage::PostDrop; }); }),
      confuses("losses: dropped choices counted",
               [](Config& c) { each_balance(c, [](Aux& a) { a.f_stage = LoadStage::PreDrop; }); }),
      confuses("losses: a loss that cannot be switched off",
               [](Config& c) {
                 if (has_router(c) && c.aux.empty()) c.aux.push_back({"load_balance", AuxKind::Switch, 0.01});
               }),
  };
  all.push_back(std::move(of_nothing));
  return all;
}

}  // namespace

std::vector<Bug> numeric_bugs() {
  std::vector<Bug> all;
  for (const auto part : {weights, experts, activations, losses})
    for (Bug& bug : part()) all.push_back(std::move(bug));
  for (const Index tile : {4, 8, 16, 32, 64, 128})
    all.push_back(drops_tail(
        "expert: columns of x beyond a multiple of " + std::to_string(tile) + " are not multiplied", true,
        tile));
  all.push_back(drops_tail("expert: hidden values beyond a multiple of 4 are not multiplied", false, 4));
  return all;
}

}  // namespace moe
