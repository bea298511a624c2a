#pragma once

#include "moe/layer/conventions.h"
#include "moe/safetensors.h"

/// How evenly a routing uses its experts: the signs of collapse, as far as one batch shows them.
namespace moe {

/// Choices count before drops. 0 log 0 and 0 / 0 are 0, so that no tokens, and one expert alone, give zeros.
struct RoutingStats {
  std::vector<Index> load;         // (E) c_e, assignments
  std::vector<double> load_share;  // (E) (V1)
  std::vector<double> importance;  // (E) (V2)
  double load_cv = 0;              // (V3) of c
  double importance_cv = 0;        // (V3) of (V2)
  double load_entropy = 0;         // (V4), in nats, as is the next
  double score_entropy = 0;        // (V5)
  double max_entropy = 0;          // log E, the most that these two can be
  double max_violation = 0;        // (V6)
  double dropped_share = 0;        // of all assignments
  std::vector<Index> dead;         // experts with c_e = 0
};

/// The statistics of a trace that has router.scores, router.topk_ids, router.topk_weights, dispatch.counts and
/// dispatch.kept; throws Error where one is missing, as all of router.* is without a router.
RoutingStats routing_stats(const Arrays& trace);

/// Those five tensors for given logits (T, E) and, if the config has one, a selection bias (E), in double; the config's T is
/// that of the logits. Throws Error where they do not fit it.
Arrays routing_trace(Config config, const Array& logits, const Array* selection_bias);

}  // namespace moe
