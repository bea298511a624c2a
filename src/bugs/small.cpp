#include "list.h"
#include "moe/scalar/profile.h"

// Mistakes that move numbers by little: what is rounded that should not be, and what is almost the right function.
namespace moe {
namespace {

Bug after_experts(std::string name,
                  std::function<void(const Config&, const Params<double>&, Trace<double>&)> change) {
  Bug bug{std::move(name)};
  bug.trace = std::move(change);
  return bug;
}
Bug in_the_end(std::string name,
               std::function<void(const Config&, const Inputs&, const Decisions&, Arrays&)> change) {
  Bug bug{std::move(name)};
  bug.tensors = std::move(change);
  return bug;
}

void round_all(Matrix<double>& m, const Precision& p) {
  for (Index i = 0; i < m.size(); ++i) m.data()[i] = p.round(m.data()[i]);
}

/// (X3) once more, for a hidden that was changed.
void multiply_by_down(const Params<double>& params, Trace<double>& a) {
  for (Index e = 0; e < static_cast<Index>(params.expert.size()); ++e) {
    const Index first = a.dispatch.first(e), n = a.dispatch.count(e);
    const Matrix<double> hidden = a.hidden.middleRows(first, n);
    const ExpertParams<double>& weight = at(params.expert, e);
    a.out.middleRows(first, n) = linear_forward(hidden, weight.down, weight.down_bias);
  }
}

/// An expert whose SiLU is z times another function of z.
Bug sigmoid_is(std::string name, double (*sigmoid_of)(double)) {
  return after_experts(
      std::move(name), [=](const Config& config, const Params<double>& params, Trace<double>& a) {
        if (!is_silu(config.experts.activation)) return;
        for (Index i = 0; i < a.hidden.size(); ++i) {
          const bool glu = config.experts.glu;
          const double u = a.up.data()[i], z = glu ? limited_gate(config.experts, a.gate.data()[i]) : u;
          a.hidden.data()[i] = z * sigmoid_of(z) * (glu ? limited_up(config.experts, u) : 1);
        }
        multiply_by_down(params, a);
      });
}

/// An expert with a limit of its gate whose two halves meet as `meet` says.
Bug limits(std::string name, double (*meet)(const Experts&, double g, double u)) {
  return after_experts(std::move(name),
                       [=](const Config& config, const Params<double>& params, Trace<double>& a) {
                         if (!clamps_gate(config.experts)) return;
                         for (Index i = 0; i < a.hidden.size(); ++i)
                           a.hidden.data()[i] = meet(config.experts, a.gate.data()[i], a.up.data()[i]);
                         multiply_by_down(params, a);
                       });
}

std::vector<Bug> experts_slightly_off() {
  return {
      after_experts("expert: the outputs of one expert 1 + 2^-8 times too large",
                    [](const Config&, const Params<double>&, Trace<double>& a) {
                      for (Index e = 0; e < static_cast<Index>(a.dispatch.counts.size()); ++e) {
                        if (a.dispatch.count(e) == 0) continue;
                        a.out.middleRows(a.dispatch.first(e), a.dispatch.count(e)) *= 1 + 0x1p-8;
                        return;
                      }
                    }),
      sigmoid_is("expert: SiLU of 1.0005 z", [](double z) { return 1.0005 * sigmoid(1.0005 * z); }),
      sigmoid_is("expert: a SiLU whose sigmoid has 8 bits",
                 [](double z) { return kBfloat16.round(sigmoid(z)); }),
      after_experts("expert: hidden values in bf16",
                    [](const Config&, const Params<double>& params, Trace<double>& a) {
                      round_all(a.hidden, kBfloat16);
                      multiply_by_down(params, a);
                    }),
      limits("expert: gates limited on both sides",
             [](const Experts& e, double g, double u) {
               return activated(e, std::max(limited_gate(e, g), -e.clamp_gate_max)) * limited_up(e, u);
             }),
      limits("expert: gates limited after the activation",
             [](const Experts& e, double g, double u) {
               return limited_gate(e, activated(e, g)) * limited_up(e, u);
             }),
      limits("expert: the product limited, not its halves",
             [](const Experts& e, double g, double u) {
               return std::clamp(activated(e, g) * (u + e.up_offset), -e.clamp_gate_max, e.clamp_gate_max);
             }),
      after_experts("expert: identity experts give nothing",
                    [](const Config&, const Params<double>&, Trace<double>& a) {
                      a.out.bottomRows(a.out.rows() - a.up.rows()).setZero();
                    }),
      after_experts("expert: outputs in bf16", [](const Config&, const Params<double>&, Trace<double>& a) {
        round_all(a.out, kBfloat16);
      })};
}

/// Where weights multiply what goes in, every expert runs on every token, those that were not chosen on 0.
void add_the_unchosen(const Config& config, const Inputs& inputs, const Decisions& d, Arrays& answer) {
  if (!weighs_input(config) || !has_bias(config) || !sums_rows(config)) return;
  const auto params = params_of<double>(config, inputs);
  const auto [T, D, F, E, K] = Letters(config);
  Editable y(answer, "y");
  for (Index e = 0; e < computed_experts(config); ++e) {
    const Matrix<double> given =
        expert_forward(config.experts, zeros<double>(1, D), at(params.expert, e)).out;
    for (Index t = 0; t < T; ++t) {
      const bool chosen = std::count(row(d.expert, t), row(d.expert, t) + K, e) > 0;
      for (Index i = 0; i < D && !chosen; ++i) y[t * D + i] += given(0, i);
    }
  }
}

/// Shares that are all multiplied by 1 / (1 + epsilon / sum).
void add_to_the_sum(const Config& config, const Params<double>&, Trace<double>& a) {
  if (!has_router(config) || !shares_a_sum(config.router)) return;
  for (Index t = 0; t < a.router.weights.rows(); ++t) {
    const double sum = a.router.denominator(t, 0);
    if (sum > 0) a.router.weights.row(t) *= sum / (sum + 1e-6);
  }
}
/// A softmax by 2^(1.4453 z): log2 e, rounded to bf16.
void round_log2_e(const Config& config, const Params<double>&, Trace<double>& a) {
  if (!has_router(config) || !couples_experts(config.router.score_function) || has_noise(config)) return;
  const double factor = kBfloat16.round(std::numbers::log2e) / std::numbers::log2e;
  const Index T = a.router.scores.rows(), E = a.router.scores.cols(), K = a.router.weights.cols();
  for (Index t = 0; t < T; ++t) {
    std::vector<double> z = buffer<double>(E), s = z;
    for (Index e = 0; e < E; ++e) at(z, e) = factor * a.router.logits(t, e);
    softmax(z.data(), E, s.data());
    double before = 0, after = 0;  // the sums of the chosen
    for (Index k = 0; k < K; ++k)
      before += a.router.scores(t, a.router.expert(t, k)), after += at(s, a.router.expert(t, k));
    const bool shared = shares_a_sum(config.router);
    for (Index k = 0; k < K; ++k) {
      const double moved = at(s, a.router.expert(t, k)) / a.router.scores(t, a.router.expert(t, k));
      a.router.weights(t, k) *= shared ? moved * before / after : moved;
    }
    std::copy_n(s.data(), E, row(a.router.scores, t));
  }
}

std::vector<Bug> weights_slightly_off() {
  return {after_experts("route: 1e-6 added to the sum of scores", add_to_the_sum),
          after_experts("route: a softmax by powers of 2, with log2 e in bf16", round_log2_e),
          after_experts("route: weights in bf16",
                        [](const Config& config, const Params<double>&, Trace<double>& a) {
                          if (has_router(config)) round_all(a.router.weights, kBfloat16);
                        })};
}

/// y as a sum that is kept in bf16 while rows are added to it.
void add_rows_in_bf16(const Config& config, const Inputs&, const Decisions& d, Arrays& answer) {
  if (!has_router(config) || has_shared(config) || leaves_x(config.capacity.dropped_output) ||
      !sums_rows(config))
    return;
  const Index D = config.shape.hidden_size;
  Editable y(answer, "y"), weighted(answer, "combine.weighted");
  if (weighted.size() == 0) return;
  for (Index t = 0; t < config.shape.num_tokens; ++t)
    for (Index i = 0; i < D; ++i) {
      double sum = 0;
      for (Index k = 0; k < config.shape.top_k; ++k)
        if (const Index n = d.plan.row(t, k); n >= 0) sum = kBfloat16.round(sum + weighted[n * D + i]);
      y[t * D + i] = sum;
    }
}
/// grad.x without what comes back through the gate.
void without_gate(const Config& config, const Inputs& inputs, const Decisions& d, Arrays& answer) {
  if (!config.experts.glu || !has_router(config) || has_latent(config)) return;
  const auto [T, D, F, E, K] = Letters(config);
  const std::vector<ExpertParams<double>> experts = params_of<double>(config, inputs).expert;
  Editable dx(answer, "grad.x"), dg(answer, "grad.expert.gate");
  for (Index t = 0; t < T; ++t)
    for (Index k = 0; k < K; ++k) {
      const Index n = d.plan.row(t, k);
      if (n < 0 || d.expert(t, k) >= computed_experts(config)) continue;
      Matrix<double> g(1, F);
      for (Index f = 0; f < F; ++f) g(0, f) = dg[n * F + f];
      const Matrix<double> back = linear_backward(g, at(experts, d.expert(t, k)).gate);
      for (Index i = 0; i < D; ++i) dx[t * D + i] -= back(0, i);
    }
}

std::vector<Bug> results() {
  return {in_the_end("combine: rows added in bf16", add_rows_in_bf16),
          in_the_end("combine: the last row of y is that of the token before it",
                     [](const Config& config, const Inputs&, const Decisions&, Arrays& answer) {
                       const Index T = config.shape.num_tokens, D = config.shape.hidden_size;
                       Editable y(answer, "y");
                       for (Index i = 0; i < D && T > 1; ++i) y[(T - 1) * D + i] = y[(T - 2) * D + i];
                     }),
          in_the_end("expert: what experts give for 0 added where they are not chosen", add_the_unchosen),
          confuses("losses: the z-loss multiplied by the coefficient of the balancing loss, too",
                   [](Config& c) {
                     double factor = 1;
                     for (const Aux& aux : c.aux)
                       if (is_balance(aux)) factor *= aux.coefficient;
                     for (Aux& aux : c.aux)
                       if (is_of_logits(aux)) aux.coefficient *= factor;
                   }),
          in_the_end("losses: a padding token counted in the mean",
                     [](const Config& config, const Inputs&, const Decisions&, Arrays& answer) {
                       const auto T = static_cast<double>(config.shape.num_tokens);
                       Editable total(answer, "loss.total");
                       for (const Aux& aux : config.aux) {
                         Editable loss(answer, "loss." + aux.name);
                         const double other = loss[0] * T / (T + 1);
                         total[0] += aux.coefficient * (other - loss[0]);
                         loss[0] = other;
                       }
                     }),
          in_the_end("expert: what comes back through the gate left out of the gradient of x", without_gate),
          in_the_end("expert: gradients of weights in bf16",
                     [](const Config&, const Inputs&, const Decisions&, Arrays& answer) {
                       for (const char* name : kWeightGradients) {
                         Editable g(answer, name);
                         for (Index i = 0; i < g.size(); ++i) g[i] = kBfloat16.round(g[i]);
                       }
                     })};
}

}  // namespace

std::vector<Bug> small_bugs() {
  std::vector<Bug> all;
  for (const auto part : {experts_slightly_off, weights_slightly_off, results})
    for (Bug& bug : part()) all.push_back(std::move(bug));
  return all;
}

}  // namespace moe
