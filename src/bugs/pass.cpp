#include "list.h"
#include "moe/budget.h"
#include "moe/scalar/narrow.h"

// Mistakes of the whole: narrow arithmetic, results that were never written, gradients that do not flow.
namespace moe {
namespace {

Bug repeats(
    std::string name,
    std::function<void(const Config&, const Inputs&, const Decisions&, const Passes&, Arrays&)> change) {
  Bug bug{std::move(name)};
  bug.passes = std::move(change);
  return bug;
}

/// Those tensors of `from` whose names begin so, in place of ours.
void take(const Arrays& from, const std::string& prefix, Arrays& answer) {
  for (auto& [name, a] : answer)
    for (const auto& [other, values] : from)
      if (name == other && name.starts_with(prefix) && is_real(a.format)) a = values;
}

double bf16(double x) { return kBfloat16.round(x); }

/// Logits rounded to bf16 before anything is made of them: experts chosen, and scores computed, from those.
Bug narrow_logits() {
  Bug bug{"router: logits rounded to bf16"};
  bug.decisions = [](const Config& config, const Inputs& inputs, Decisions& d) {
    if (!has_router(config) || has_noise(config)) return;
    const auto params = params_of<double>(config, inputs);
    RouterLogits<double> z{logits_of(config, inputs).unaryExpr(&bf16), {}};
    if (has_gumbel(config)) z.noise.ranked = ranked_forward(z.logits, all_rows(params.gumbel));
    d = decide(config, z, params);
  };
  bug.trace = [](const Config& config, const Params<double>& params, Trace<double>& a) {
    if (!has_router(config) || has_noise(config)) return;
    Routing<double> r = route_forward(config.router, Matrix<double>(a.router.logits.unaryExpr(&bf16)),
                                      all_rows(params.selection_bias), a.router.expert, a.dispatch,
                                      all_rows(params.expert_scale));
    r.retopk = a.router.retopk, r.next_bias = a.router.next_bias, r.noise = a.router.noise;
    r.earlier_counts = a.router.earlier_counts, r.earlier_scores = a.router.earlier_scores;
    r.token_mask = a.router.token_mask;
    a.router = std::move(r);
  };
  return bug;
}

/// All in another arithmetic.
Bug computes(std::string name, const Profile& arithmetic) {
  return changes(std::move(name),
                 [=](const Config& config, const Inputs& inputs, const Decisions& d, Arrays& answer) {
                   const ProfileScope scope(arithmetic);
                   const OrderScope order(Order::Sequential);
                   take(evaluate<Narrow>(config, inputs, &d, true), "", answer);
                 });
}

/// Losses that are added to the total, but that no gradient comes back from.
void without_loss_gradients(const Config& config, const Inputs& inputs, const Decisions& d,
                            const Passes& pass, Arrays& answer) {
  Config silent = config;
  for (Aux& aux : silent.aux) aux.coefficient = 0;
  if (!config.aux.empty()) take(pass.run(silent, inputs, d), "grad.", answer);
}

/// A balance loss f P whose gradient comes through the counts f as well, as if they were P.
void through_counts(const Config& config, const Inputs& inputs, const Decisions& d, const Passes& pass,
                    Arrays& answer) {
  Config twice = config;
  for (Aux& aux : twice.aux)
    if (is_balance(aux)) aux.coefficient *= 2;
  if (!config.aux.empty()) take(pass.run(twice, inputs, d), "grad.", answer);
}

/// Load-balancing losses of scores that went through softmax once more.
void double_softmax(const Config& config, const Inputs& inputs, const Decisions& d, Arrays& answer) {
  Trace<double> a = layer_forward(config, params_of<double>(config, inputs), d);
  for (Index t = 0; t < a.router.scores.rows(); ++t)
    score_forward(ScoreFunction::Softmax, row(a.router.scores, t), a.router.scores.cols(),
                  row(a.router.scores, t));
  Editable total(answer, "loss.total");
  for (const Aux& aux : config.aux) {
    if (!is_balance(aux)) continue;
    Editable loss(answer, "loss." + aux.name);
    const double other = aux_forward(config, aux, a.router, a.dispatch);
    total[0] += aux.coefficient * (other - loss[0]);
    loss[0] = other;
  }
}

/// Weights that are numbers to the backward pass: only losses move the router, and x feels only those.
void constant_weights(const Config& config, const Inputs& inputs, const Decisions& d, const Passes& pass,
                      Arrays& answer) {
  if (!has_router(config)) return;
  Inputs silent = inputs;
  const std::vector<double> none = buffer<double>(inputs.at(Tensor::dy).size());
  silent[Tensor::dy] = array_of(inputs.at(Tensor::dy).dims, none.data());
  const Arrays rest = pass.run(config, silent, d);
  Matrix<double> dz = zeros<double>(config.shape.num_tokens, config.shape.num_experts);
  const char* logits = has_noise(config) ? "grad.router.noisy_logits" : "grad.router.logits";
  const auto add = [&](const Arrays& arrays, double sign) {
    for (const auto& [name, a] : arrays)
      for (Index i = 0; name == logits && i < a.size(); ++i) dz.data()[i] += sign * a.real(i);
  };
  add(answer, -1), add(rest, 1);
  if (!has_noise(config)) {
    const Params<double> params = params_of<double>(config, inputs);
    Matrix<double> change = linear_backward(scaled_logits(config, dz), params.router);
    if (has_jitter(config)) change = jittered(change, all_rows(params.jitter));
    Editable dx(answer, has_router_input(config) ? "grad.router.x" : "grad.x");
    for (Index i = 0; i < dx.size(); ++i) dx[i] += change.data()[i];
  }
  take(rest, "grad.router.", answer);
}

void forget_y(const Config&, const Inputs&, const Decisions&, Arrays& answer) {
  Editable y(answer, "y");
  for (Index i = 0; i < y.size(); ++i) y[i] = 0;
}

}  // namespace

std::vector<Bug> pass_bugs() {
  return {
      narrow_logits(),
      computes("layer: products and sums in bf16",
               {.name = {}, .words = {}, .inside = kBfloat16, .result = kBfloat16}),
      computes("layer: products and sums in fp16",
               {.name = {}, .words = {}, .inside = kBinary16, .result = kBinary16}),
      computes("layer: factors of products in tf32", profile_called("tf32_gemm")),
      changes("combine: y is never written and 0", forget_y),
      changes("combine: x is returned",
              [](const Config&, const Inputs& inputs, const Decisions&, Arrays& answer) {
                Editable y(answer, "y");
                for (Index i = 0; i < y.size(); ++i) y[i] = inputs.at(Tensor::x).real(i);
              }),
      repeats("losses: no gradient comes from them", without_loss_gradients),
      repeats("losses: a gradient through the counts, too", through_counts),
      changes("losses: of scores that went through softmax twice", double_softmax),
      repeats("route: no gradient passes the weights", constant_weights),
      changes("expert: gradients of weights collected twice",
              [](const Config&, const Inputs&, const Decisions&, Arrays& answer) {
                for (const char* name : kWeightGradients) {
                  Editable g(answer, name);
                  for (Index i = 0; i < g.size(); ++i) g[i] *= 2;
                }
              }),
  };
}

}  // namespace moe
