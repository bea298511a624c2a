#include <limits>

#include "list.h"

// Mistakes in choosing by groups and biases, in the factor, in the shared expert, and in the update of the bias.
namespace moe {
namespace {

/// Other keys for the experts of a token, from z, s and b; ties go to the lower id. Groups are left as they are, or open.
using Keys = std::function<double(double z, double s, double b)>;
Bug ranks(std::string name, bool with_groups, const Keys& keys, double outside = -HUGE_VAL) {
  Bug bug{std::move(name)};
  bug.decisions = [=](const Config& config, const Inputs& inputs, Decisions& decisions) {
    if (!config.router.selection_bias && !has_groups(config)) return;
    const Matrix<double> z = logits_of(config, inputs),
                         b = all_rows(params_of<double>(config, inputs).selection_bias);
    const auto [T, D, F, E, K] = Letters(config);
    IdMatrix expert(T, K);
    for (Index t = 0; t < T; ++t) {
      const Ranking<double> ranking = ranking_of(config.router, row(z, t), b.data(), E);
      std::vector<char> open = all_open(E);
      if (with_groups && has_groups(config))
        open = open_experts(config.router, E,
                            best(ranking.group, config.router.topk_group, all_open(config.router.n_group)));
      std::vector<double> s = buffer<double>(E);
      score_forward(config.router.score_function, row(z, t), E, s.data());
      std::vector<Key<double>> key;
      for (Index e = 0; e < E; ++e) {
        const double score = at(open, e) != 0 ? keys(z(t, e), at(s, e), b.size() > 0 ? b(0, e) : 0) : outside;
        key.push_back({score, score, {}});
      }
      const std::vector<Index> chosen = best(key, K, all_open(E));
      std::copy(chosen.begin(), chosen.end(), row(expert, t));
    }
    choose_instead(config, inputs, z, std::move(expert), decisions);
  };
  return bug;
}

}  // namespace

std::vector<Bug> group_bugs() {
  const auto plus = [](double, double s, double b) { return s + b; };
  return {
      ranks("groups: ignored", false, plus),
      ranks("groups: others masked with 0", true, plus, 0.0),
      ranks("bias: ignored in the choice", true, [](double z, double, double) { return z; }),
      ranks("bias: added to the logits", true, [](double z, double, double b) { return z + b; }),
      ranks("bias: scores plus bias in fp32", true,
            [](double, double s, double b) {
              return static_cast<double>(static_cast<float>(s) + static_cast<float>(b));
            }),
      confuses("groups: the best expert for the sum of the best",
               [](Config& c) {
                 if (has_groups(c)) c.router.group_score = GroupScore::Max;
               }),
      confuses("groups: the sum of two for the best",
               [](Config& c) {
                 if (has_groups(c) && !sums_best_of_group(c.router) &&
                     c.shape.num_experts >= 2 * c.router.n_group)
                   c.router.group_score = GroupScore::SumTopn, c.router.group_score_n = 2;
               }),
      confuses("router: the factor forgotten", [](Config& c) { c.router.routed_scaling_factor = 1; }),
      confuses("router: the factor applied twice",
               [](Config& c) { c.router.routed_scaling_factor *= c.router.routed_scaling_factor; }),
      confuses("router: the factor only where weights are renormalised",
               [](Config& c) {
                 if (!shares_a_sum(c.router)) c.router.routed_scaling_factor = 1;
               }),
      confuses("shared: the gate left out",
               [](Config& c) {
                 if (gates_shared(c)) c.shared.mode = SharedMode::Add;
               }),
      changes("shared: left out",
              [](const Config& config, const Inputs& inputs, const Decisions&, Arrays& answer) {
                if (!has_shared(config)) return;
                const auto p = params_of<double>(config, inputs);
                const Matrix<double> y = shared_forward(config, all_rows(p.x), p.shared, p.shared_gate).y;
                Editable edited(answer, "y");
                for (Index i = 0; i < edited.size(); ++i) edited[i] -= y.data()[i];
              }),
      changes("shared: multiplied by the factor",
              [](const Config& config, const Inputs& inputs, const Decisions&, Arrays& answer) {
                if (!has_shared(config)) return;
                const auto p = params_of<double>(config, inputs);
                const Matrix<double> y = shared_forward(config, all_rows(p.x), p.shared, p.shared_gate).y;
                Editable edited(answer, "y");
                for (Index i = 0; i < edited.size(); ++i)
                  edited[i] += (config.router.routed_scaling_factor - 1) * y.data()[i];
              }),
      changes("shared: left out for a token without a choice",
              [](const Config& config, const Inputs&, const Decisions& d, Arrays& answer) {
                if (!has_shared(config)) return;
                Editable edited(answer, "y");
                const Index D = config.shape.hidden_size;
                for (Index i = 0; i < edited.size(); ++i)
                  if (all_dropped(d.plan, i / D)) edited[i] = 0;
              }),
      changes("bias update: the other way",
              [](const Config& config, const Inputs& inputs, const Decisions&, Arrays& answer) {
                Editable edited(answer, "router.next_selection_bias");
                if (edited.size() == 0) return;
                const Matrix<double> b = all_rows(params_of<double>(config, inputs).selection_bias);
                for (Index e = 0; e < edited.size(); ++e) edited[e] = 2 * b(0, e) - edited[e];
              }),
      confuses("bias update: dropped choices counted",
               [](Config& c) { c.bias_update.count = LoadStage::PreDrop; }),
      confuses("capacity: for the batch where each group has its own",
               [](Config& c) { c.capacity.scope = Scope::Batch; }),
      confuses("losses: over the batch where each group has its own",
               [](Config& c) {
                 for (Aux& aux : c.aux) aux.scope = Scope::Batch;
               }),
      confuses("losses: the factor E^2 where the mean is meant",
               [](Config& c) {
                 for (Aux& aux : c.aux) aux.multiply = Multiply::E2Mean;
               }),
      confuses("losses: the chosen experts counted where the best scores are meant",
               [](Config& c) {
                 for (Aux& aux : c.aux) aux.f_from = LoadFrom::Selected;
               }),
  };
}

}  // namespace moe
