#include "invariants.h"

#include "moe/json.h"

namespace moe {
namespace {

using Matrices = Matrix<Ball>;
using Values = std::vector<Ball>;

struct Facts {
  const Config& config;
  const Params<Ball>& params;
  const Trace<Ball>& a;
  const Grads<Ball>& g;
  const Invariants::Sums& sums;
};

Ball inner(const Matrices& a, const Matrices& b) { return dot(a.data(), b.data(), a.size()); }
Ball total(const Matrices& a) { return sum(a.data(), a.size()); }

/// <dW, W>, row by row; 0 for what is absent.
Ball inner(const Matrices& dW, const Weight<Ball>& W) {
  Ball sum(0);
  std::vector<Ball> w = buffer<Ball>(W.cols);
  for (Index i = 0; i < dW.rows(); ++i) {
    W.row(i, w.data());
    sum += dot(row(dW, i), w.data(), W.cols);
  }
  return sum;
}

/// For every token, the sum over experts of m.
Values by_token(const Matrices& m) {
  Values sums;
  for (Index t = 0; t < m.rows(); ++t) sums.push_back(sum(row(m, t), m.cols()));
  return sums;
}
Values zeros_by_token(const Facts& f) { return Values(static_cast<std::size_t>(f.a.x.rows()), Ball(0)); }

/// What the z-losses add to the sum in (I1): a softmax sums to 1.
Values z_loss_by_token(const Facts& f) {
  Values sums = zeros_by_token(f);
  for (const Aux& aux : f.config.aux) {
    if (!is_of_logits(aux)) continue;
    const Matrices l = is_of_clean(aux) ? log_sum_exp_of(f.a.router.noise.clean) : f.a.router.logsumexp;
    const std::vector<Index> tokens = counted_tokens(aux, f.a.router);
    for (const Index t : tokens)
      at(sums, t) += Ball(2) * Ball(aux.coefficient) * l(t, 0) / Ball(static_cast<double>(tokens.size()));
  }
  return sums;
}
Values scores_by_token(const Facts& f) {
  Values sums;
  for (Index t = 0; t < f.a.x.rows(); ++t)
    sums.push_back(dot(row(f.a.router.scores, t), row(f.g.scores, t), f.g.scores.cols()));
  return sums;
}

bool is_softmax(const Config& c) { return couples_experts(c.router.score_function); }
/// Does a loss change where all scores of a token are multiplied by one number: is it of their sums, or of their softmax?
bool has_loss_of_size(const Config& c) {
  return std::any_of(c.aux.begin(), c.aux.end(), [](const Aux& a) {
    return (is_of_importance(a) && sums_scores(a) && !sums_clean_scores(a)) ||
           (is_balance(a) && of_softmax_of_scores(a));
  });
}
bool has_balance(const Config& c) {
  return std::any_of(c.aux.begin(), c.aux.end(), [](const Aux& a) { return is_balance(a); });
}
/// May a token without a row output anything but 0, and with a weight?
bool may_keep_x(const Config& c) { return has_capacity(c) && leaves_x(c.capacity.dropped_output); }
bool may_scale_x(const Config& c) { return may_keep_x(c) && scales_x(c.capacity.dropped_output); }
bool has_empty(const Plan& plan) {
  for (Index e = 0; e < static_cast<Index>(plan.counts.size()); ++e)
    if (plan.count(e) == 0) return true;
  return false;
}

bool trains_no_router(const Config& c) {
  return shares_a_sum(c.router) && c.router.renorm_epsilon == 0 && c.shape.top_k == 1 && c.aux.empty();
}

Values without_effect(const Facts& f) {
  Ball squares = f.sums.of_empty + inner(f.g.selection_bias, f.g.selection_bias);
  if (trains_no_router(f.config)) squares += inner(f.g.logits, f.g.logits);
  return {squares};
}
Values of_weights(const Facts& f) {
  Values sums{f.sums.down, f.sums.up};
  if (f.config.experts.glu) sums.push_back(f.sums.gate);
  if (!has_latent(f.config)) return sums;
  sums.push_back(inner(f.g.latent_up, f.params.latent_up));
  sums.push_back(inner(f.g.latent_down, f.params.latent_down));
  if (norms_latent(f.config)) sums.push_back(inner(f.g.latent_norm, f.params.latent_norm));
  if (norms_experts(f.config)) sums.push_back(inner(f.g.output_norm, f.params.output_norm));
  return sums;
}
/// The rows of experts that have weights: the first ones.
Matrices computed(const Facts& f, const Matrices& m) { return rows_of(m, 0, f.a.up.rows()); }
Values of_outputs(const Facts& f) {
  Values sums{inner(computed(f, f.g.out), computed(f, f.a.out)), inner(f.g.up, f.a.up)};
  if (f.config.experts.glu) sums.push_back(inner(f.g.gate, f.a.gate));
  if (!has_latent(f.config)) return sums;
  sums.push_back(inner(f.g.latent_y, f.a.latent_y)), sums.push_back(inner(f.g.latent_x, f.a.latent_x));
  if (norms_latent(f.config)) sums.push_back(inner(f.g.latent_normed, f.a.latent_normed));
  if (norms_experts(f.config)) sums.push_back(inner(f.g.out, f.a.out));  // which the factors multiply
  return sums;
}
Values of_biases(const Facts& f) {
  Values sums{f.sums.down_bias, f.sums.up_bias};
  if (f.config.experts.glu) sums.push_back(f.sums.gate_bias);
  return sums;
}
Values output_totals(const Facts& f) {
  Values sums{total(computed(f, f.g.out)), total(f.g.up)};
  if (f.config.experts.glu) sums.push_back(total(f.g.gate));
  return sums;
}
const Matrices& clean_logits(const Facts& f) {
  return has_noise(f.config) ? f.a.router.noise.clean : f.a.router.logits;
}
bool has_importance(const Config& c) {
  return std::any_of(c.aux.begin(), c.aux.end(),
                     [](const Aux& a) { return is_of_importance(a) && !sums_scores(a); });
}
Values of_rows(const Facts& f) {
  return {norms_experts(f.config) ? inner(f.g.normed, f.a.normed) : inner(f.g.out, f.a.out)};
}
/// What the weights multiply.
Values of_weighed(const Facts& f) {
  return weighs_input(f.config) ? Values{inner(f.g.in, f.a.in)} : of_rows(f);
}
/// What the gradient of the result is of.
Values of_result(const Facts& f) {
  if (norms_output(f.config)) return {inner(f.g.norm_weight, f.params.norm_weight)};
  return {of_rows(f)[0] + inner(f.g.shared.down, f.params.shared.down) +
          inner(f.g.bias, f.params.combine_bias)};
}
/// Is h linear in u?
bool meets_up(const Experts& e) { return e.glu && !clamps_up(e) && !caps_up(e) && e.up_offset == 0; }

struct Rule {
  const char* number;  // in docs/MATH.md
  bool (*applies)(const Facts&);
  Values (*left)(const Facts&);
  Values (*right)(const Facts&);
};

const Rule kRules[] = {
    // (I1)  sum_e dz_te = sum over z-losses of coefficient 2/T l_t
    {"I1", [](const Facts& f) { return is_softmax(f.config) && !caps_logits(f.config.router); },
     [](const Facts& f) { return by_token(f.g.logits); }, z_loss_by_token},
    // (I2)  0 = sum of the squares of what must be 0
    {"I2",
     [](const Facts& f) {
       return has_empty(f.a.dispatch) || f.config.router.selection_bias || trains_no_router(f.config);
     },
     without_effect, [](const Facts&) { return Values{Ball(0)}; }},
    // (I3)  sum_e s_te ds_te = 0
    {"I3",
     [](const Facts& f) {
       return shares_a_sum(f.config.router) && f.config.router.renorm_epsilon == 0 &&
              !(is_softmax(f.config) && has_balance(f.config)) && !has_loss_of_size(f.config);
     },
     scores_by_token, zeros_by_token},
    // (I4)  <dW, W> + <db, b> = <dz, z>
    {"I4", [](const Facts& f) { return has_router(f.config); },
     [](const Facts& f) {
       return Values{inner(f.g.router_weight, f.params.router) +
                     inner(f.g.router_bias, f.params.router_bias)};
     },
     [](const Facts& f) { return Values{inner(f.g.logits, clean_logits(f))}; }},
    // (I5)  <dw, w> = <dout, out>, or where weights multiply what goes in, <din, in>
    {"I5",
     [](const Facts& f) {
       return has_router(f.config) && !may_scale_x(f.config) && !has_importance(f.config) &&
              !rests_on_x(f.config);
     },
     [](const Facts& f) { return Values{inner(f.g.topk_weights, f.a.router.weights)}; }, of_weighed},
    // (I6)  <dout, out> + <ddown, down> of the shared expert + <db, b> after the combine = loss.task, or behind a norm <dc, c> = loss.task
    {"I6",
     [](const Facts& f) {
       return norms_output(f.config) || (!may_keep_x(f.config) && !rests_on_x(f.config));
     },
     of_result, [](const Facts& f) { return Values{f.a.loss.task}; }},
    // (I7)  <dW, W> + <db, b> = <da, a>
    {"I7", [](const Facts&) { return true; }, of_weights, of_outputs},
    // (I8)  <dh, h> = <du, u>
    {"I8",
     [](const Facts& f) {
       const Experts& e = f.config.experts;
       return meets_up(e) || (!e.glu && has_kink(e.activation));
     },
     [](const Facts& f) { return Values{inner(f.g.hidden, f.a.hidden)}; },
     [](const Facts& f) { return Values{inner(f.g.up, f.a.up)}; }},
    // (I9)  sum of db = sum of da
    {"I9", [](const Facts& f) { return has_bias(f.config); }, of_biases, output_totals},
};

}  // namespace

void Invariants::add(Index e, const ExpertWeightGrads<Ball>& g) {
  const ExpertParams<Ball>& w = at(params_.expert, e);
  if (trace_.dispatch.count(e) == 0) {
    for (const Matrices* m : {&g.gate, &g.up, &g.down, &g.gate_bias, &g.up_bias, &g.down_bias})
      sums_.of_empty += inner(*m, *m);
    return;  // their weights are not read
  }
  sums_.gate += inner(g.gate, w.gate) + inner(g.gate_bias, w.gate_bias);
  sums_.up += inner(g.up, w.up) + inner(g.up_bias, w.up_bias);
  sums_.down += inner(g.down, w.down) + inner(g.down_bias, w.down_bias);
  sums_.gate_bias += total(g.gate_bias);
  sums_.up_bias += total(g.up_bias);
  sums_.down_bias += total(g.down_bias);
}

std::optional<std::vector<Invariant>> Invariants::values(const Grads<Ball>& g) const {
  const Facts facts{config_, params_, trace_, g, sums_};
  std::vector<Invariant> all;
  for (const Rule& rule : kRules) {
    if (!rule.applies(facts)) continue;
    const Values left = rule.left(facts), right = rule.right(facts);
    Invariant invariant{rule.number, {}};
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (!overlap(left[i], right.at(i)))
        throw CertificateBroken(std::string("sum rule (") + rule.number + ") is broken: " +
                                print_real(approx(left[i])) + " is not " + print_real(approx(right[i])));
      std::optional<double> value = correctly_rounded(right[i]);
      if (!value) value = correctly_rounded(left[i]);
      if (!value) return std::nullopt;
      invariant.values.push_back(*value);
    }
    all.push_back(std::move(invariant));
  }
  return all;
}

}  // namespace moe
