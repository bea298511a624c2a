#include "stages.h"

namespace moe {

const std::map<std::string, std::vector<std::string>>& sources() {
  static const std::map<std::string, std::vector<std::string>> all{
      {"router.scores", {"router.logits"}},
      {"router.logsumexp", {"router.logits"}},
      {"router.group_scores", {"router.logits"}},
      {"router.denominator", {"router.scores"}},
      {"router.topk_weights", {"router.logits", "router.scores"}},
      {"expert.hidden", {"expert.gate", "expert.up"}},
      {"expert.out", {"expert.hidden"}},
      {"combine.weighted", {"router.topk_weights", "expert.out"}},
      {"y", {"combine.weighted"}},
      {"loss.task", {"y"}},
      {"loss.total", {"y"}},
      {"grad.router.topk_weights", {"expert.out"}},
      {"grad.expert.out", {"router.topk_weights"}},
      {"grad.expert.hidden", {"grad.expert.out"}},
      {"grad.expert.gate", {"grad.expert.hidden", "expert.gate", "expert.up"}},
      {"grad.expert.up", {"grad.expert.hidden", "expert.gate", "expert.up"}},
      {"grad.experts.down", {"grad.expert.out", "expert.hidden"}},
      {"grad.experts.gate", {"grad.expert.gate"}},
      {"grad.experts.up", {"grad.expert.up"}},
      {"grad.router.scores", {"grad.router.topk_weights", "router.scores"}},
      {"grad.router.logits", {"grad.router.topk_weights", "router.scores"}},
      {"grad.router.weight", {"grad.router.logits"}},
      {"grad.x", {"grad.router.logits", "grad.expert.gate", "grad.expert.up"}}};
  return all;
}

std::optional<Tensor> tensor_called(const std::string& name) {
  for (std::size_t i = 0; i < kTensors.size(); ++i)
    if (name == kTensors[i].name) return static_cast<Tensor>(i);
  return std::nullopt;
}

}  // namespace moe
