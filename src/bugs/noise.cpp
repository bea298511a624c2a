#include "list.h"

// Mistakes with randomness: noise on the logits, its losses, and the second choice that may not be taken up.
namespace moe {
namespace {

Bug draws(std::string name, std::function<void(const Config&, Inputs&)> inputs) {
  Bug bug{std::move(name)};
  bug.inputs = std::move(inputs);
  return bug;
}

void set_all(Inputs& in, Tensor id, double value) {
  const auto found = in.find(id);
  if (found == in.end()) return;
  const std::vector<double> values(static_cast<std::size_t>(found->second.size()), value);
  found->second = array_of(found->second.dims, values.data());
}

void give_experts_the_jitter(const Config& config, Inputs& in) {
  if (!has_jitter(config) || has_router_input(config)) return;
  Array& x = in.at(Tensor::x);
  const Array& jitter = in.at(Tensor::noise_input_jitter);
  std::vector<double> seen;
  for (Index i = 0; i < x.size(); ++i) seen.push_back(x.real(i) * jitter.real(i));
  x = array_of(x.dims, seen.data());
  set_all(in, Tensor::noise_input_jitter, 1);
}

/// The load loss and the total, with the softmax of the clean logits where those themselves are meant.
void load_of_probabilities(const Config& config, const Inputs& inputs, const Decisions& d, Arrays& answer) {
  if (!has_load_loss(config)) return;
  Routing<double> r = layer_forward(config, params_of<double>(config, inputs), d).router;
  for (Index t = 0; t < r.scores.rows(); ++t) {
    const std::vector<double> z(row(r.noise.clean, t), row(r.noise.clean, t) + r.scores.cols());
    softmax(z.data(), r.scores.cols(), row(r.noise.clean, t));
  }
  Editable total(answer, "loss.total");
  for (const Aux& aux : config.aux) {
    if (!is_of_load(aux)) continue;
    Editable loss(answer, "loss." + aux.name);
    const double other = aux_forward(config, aux, r, d.plan);
    total[0] += aux.coefficient * (other - loss[0]);
    loss[0] = other;
  }
}

/// The second choice by another test, on the weights that the layer compares and the random numbers.
Bug takes_up(std::string name,
             const std::function<bool(const Config&, double w1, double w2, double p2, double u)>& test) {
  Bug bug{std::move(name)};
  bug.decisions = [=](const Config& config, const Inputs& inputs, Decisions& d) {
    if (!weighs_second(config.router)) return;
    const Matrix<double> z = logits_of(config, inputs), w = early_weights(config.router, z, d.expert);
    const Lots<double> lots = lots_of(params_of<double>(config, inputs));
    const auto u = [&](Index t) { return draws_second(config.router) ? lots.second_policy(0, t) : 1.0; };
    Router raw = config.router;
    raw.renorm = Renorm::None;
    const Matrix<double> p = early_weights(raw, z, d.expert);
    for (Index t = 0; t < w.rows(); ++t)
      d.taken_up(t, 1) = test(config, w(t, 0), w(t, 1), p(t, 1), u(t)) ? 1 : 0;
    set_plan(config, places(priority_keys(config, z, d.expert, lots)), d);
  };
  return bug;
}

/// A choice that is not taken up never asks for a place.
void without_the_refused(const Config& config, const Inputs& inputs, Decisions& d) {
  if (!weighs_second(config.router) || !has_capacity(config)) return;
  const auto [T, D, F, E, K] = Letters(config);
  const Index scopes = parts_of(config.capacity.scope, config.shape.num_groups);
  const Lots<double> lots = lots_of(params_of<double>(config, inputs));
  const Matrix<double> z = logits_of(config, inputs);
  const Matrix<Index> rank =
      rank_assignments(config.capacity, T, K, places(priority_keys(config, z, d.expert, lots)));
  Matrix<Index> taken = zeros<Index>(scopes, E);
  std::vector<Index> by_rank = buffer<Index>(T * K);
  for (Index i = 0; i < T * K; ++i) at(by_rank, rank.data()[i]) = i;
  Matrix<std::uint8_t> kept = d.taken_up;
  for (const Index i : by_rank)
    if (kept.data()[i] != 0)
      kept.data()[i] = taken(i / K * scopes / T, d.expert.data()[i])++ < capacity_of(config);
  // All that were kept, with a place for each.
  d.plan = make_plan(d.expert, rank, E, T * K, scopes, kept);
}

}  // namespace

std::vector<Bug> noise_bugs() {
  Bug queue{"second choice: its place in the queue goes to the next if it is not taken up"};
  queue.decisions = without_the_refused;
  const auto threshold = [](const Config& c) { return c.router.second_threshold; };
  return {
      draws("noise: left out",
            [](const Config&, Inputs& in) {
              for (const Tensor id :
                   {Tensor::noise_gaussian_learned, Tensor::noise_gaussian_fixed, Tensor::noise_gumbel})
                set_all(in, id, 0);
              set_all(in, Tensor::noise_input_jitter, 1);
            }),
      draws("noise: experts see the jitter, too", give_experts_the_jitter),
      changes("noise: the load of probabilities against noisy logits", load_of_probabilities),
      draws("noise: scaled by the router's weights instead of its own",
            [](const Config& config, Inputs& in) {
              if (learns_noise(config)) in[Tensor::router_noise_weight] = in.at(Tensor::router_weight);
            }),
      confuses("noise: without the least scale",
               [](Config& c) {
                 if (learns_noise(c)) c.noise.epsilon = 0x1p-40;
               }),
      confuses("noise: the variance over E - 1",
               [](Config& c) {
                 const auto E = static_cast<double>(c.shape.num_experts);
                 for (Aux& aux : c.aux)
                   if (is_of_importance(aux) && !is_unbiased(aux)) aux.coefficient *= E > 1 ? E / (E - 1) : 1;
               }),
      confuses("noise: the load loss left out",
               [](Config& c) {
                 for (Aux& aux : c.aux)
                   if (is_of_load(aux)) aux.coefficient = 0;
               }),
      confuses("noise: no epsilon beside the square of the mean",
               [](Config& c) {
                 for (Aux& aux : c.aux) aux.epsilon = 0x1p-200;
               }),
      std::move(queue),
      takes_up("second choice: always taken up",
               [](const Config&, double, double, double, double) { return true; }),
      takes_up("second choice: never taken up",
               [](const Config&, double, double, double, double) { return false; }),
      takes_up("second choice: taken up where it equals the threshold",
               [=](const Config& c, double, double w2, double, double u) { return w2 >= threshold(c) * u; }),
      takes_up("second choice: the weight before renormalisation compared",
               [=](const Config& c, double, double, double p2, double u) { return p2 > threshold(c) * u; }),
      takes_up("second choice: the renormalised weight compared where the other is meant",
               [=](const Config& c, double w1, double w2, double, double u) {
                 return w2 / (w1 + w2) > threshold(c) * u;
               }),
      takes_up("second choice: twice the weight compared, whatever the threshold",
               [](const Config&, double, double w2, double, double u) { return 2 * w2 > u; }),
      takes_up("second choice: the weight of the first compared",
               [=](const Config& c, double w1, double, double, double u) { return w1 > threshold(c) * u; }),
  };
}

}  // namespace moe
