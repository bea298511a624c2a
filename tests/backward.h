#pragma once

#include "../src/certify/gradient.h"
#include "support.h"

namespace moe {

/// A layer forward and backward over balls, with every gradient kept: what the certificate's parts are tested on.
struct Backward {
  Config config;
  Inputs inputs;
  Params<Ball> params = params_of<Ball>(config, inputs);
  Decisions decisions = decide(config, params);
  Trace<Ball> trace = layer_forward(config, params, decisions);
  std::vector<ExpertWeightGrads<Ball>> of_expert;
  Grads<Ball> grads = layer_backward(
      config, params, trace, [&](Index, ExpertWeightGrads<Ball>&& g) { of_expert.push_back(std::move(g)); });

  explicit Backward(const Config& c) : Backward(c, seeded_inputs(c, 12)) {}
  Backward(const Config& c, Inputs i) : config(c), inputs(std::move(i)) {}
  Backward(const Backward&) = delete;
  Backward& operator=(const Backward&) = delete;

  /// Every gradient, as certify shows it to its visitors.
  template <typename Visit>
  void each(Visit visit) const {
    for (Index e = 0; e < static_cast<Index>(of_expert.size()); ++e)
      each_block(config, e, at(of_expert, e), visit);
    each_tensor(config, trace.dispatch, grads, visit);
  }
};

}  // namespace moe
