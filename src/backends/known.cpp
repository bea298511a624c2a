#include "known.h"

#include <algorithm>

#include "moe/config_json.h"
#include "moe/printable.h"

namespace moe {
namespace {

bool knows(const std::vector<Known>& list, const std::string& field, const Json& value) {
  return std::any_of(list.begin(), list.end(), [&](const Known& known) {
    return known.field == field &&
           (known.values.empty() || !value.is_string() ||
            std::find(known.values.begin(), known.values.end(), value.get<std::string>()) != known.values.end());
  });
}

}  // namespace

const std::vector<Known>& known_to_all() {
  static const std::vector<Known> all{
      {"shape.num_tokens"},
      {"shape.hidden_size"},
      {"shape.ffn_size"},
      {"shape.num_experts"},
      {"shape.top_k"},
      {"shape.num_groups"},
      {"router.score_function", {"none", "softmax", "sigmoid"}},
      {"router.selection_bias"},
      {"router.n_group"},
      {"router.topk_group"},
      {"router.group_score", {"max", "sum_topn"}},
      {"router.group_score_n"},
      {"router.renorm", {"none", "sum"}},
      {"router.renorm_stage", {"before_drop", "after_drop"}},
      {"router.routed_scaling_factor"},
      {"router.second_policy", {"all", "random"}},
      {"router.second_threshold"},
      {"noise.kind", {"none", "gaussian_learned"}},
      {"noise.epsilon"},
      {"capacity.mode", {"none", "factor", "fixed"}},
      {"capacity.fixed"},
      {"capacity.factor"},
      {"capacity.base", {"tokens", "tokens_times_k"}},
      {"capacity.inner_round", {"none", "floor", "ceil", "half_even"}},
      {"capacity.outer_round", {"none", "floor", "ceil", "half_even"}},
      {"capacity.k_outside"},
      {"capacity.arithmetic", {"exact", "f64", "f32"}},
      {"capacity.eval_order", {"per_expert_first", "factor_first"}},
      {"capacity.min_capacity"},
      {"capacity.multiple_of"},
      {"capacity.scope", {"batch", "group"}},
      {"capacity.priority", {"fcfs", "bpr_top1", "weight"}},
      {"capacity.order", {"choice_major", "token_major"}},
      {"capacity.dropped_output", {"zero", "identity", "scaled_identity"}},
      {"experts.glu"},
      {"experts.activation", {"relu", "gelu_erf", "gelu_tanh", "silu", "identity", "relu2"}},
      {"experts.bias", {"none", "per_expert"}},
      {"shared.mode", {"none", "add", "sigmoid_gate"}},
      {"shared.ffn_size"},
      {"aux.name"},
      {"aux.kind", {"switch", "z", "cv_importance", "cv_load"}},
      {"aux.coefficient"},
      {"aux.f_source", {"top1", "all_k"}},
      {"aux.f_divide_by_k"},
      {"aux.f_from", {"selected", "retopk_of_aux_scores"}},
      {"aux.f_stage", {"pre_drop", "post_drop"}},
      {"aux.multiply", {"E2_mean", "none"}},
      {"aux.scope", {"batch", "group"}},
      {"aux.epsilon"},
      {"bias_update.kind", {"none", "sign"}},
      {"bias_update.gamma"},
      {"bias_update.count", {"pre_drop", "post_drop"}},
  };
  return all;
}

std::string unknown_to(const std::string& backend, const Config& config, const std::vector<Known>& also) {
  const auto unknown_in = [&](const std::string& section, const Json& fields) -> std::string {
    for (const auto& [key, value] : fields.items()) {
      const std::string field = section + '.' + key;
      if (!knows(known_to_all(), field, value) && !knows(also, field, value))
        return "backend " + backend + " does not compute " + field + " = " + shown(value);
    }
    return "";
  };
  const Json all = config_to_json(config);
  for (const auto& [section, fields] : all.items()) {
    const bool list = fields.is_array();
    for (std::size_t i = 0; i < (list ? fields.size() : 1); ++i)
      if (std::string reason = unknown_in(section, list ? fields[i] : fields); !reason.empty()) return reason;
  }
  return "";
}

}  // namespace moe
