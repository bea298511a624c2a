#include "moe/check.h"
#include "moe/config_json.h"
#include "moe/inputs_digest.h"
#include "moe/tensor_json.h"

namespace moe {

Json request_of(const CheckCase& c, bool pinned, const std::string& sidecar) {
  TensorWriter write(sidecar);
  Json json{{"id", c.golden.id}, {"config", c.golden.config}, {"inputs", Json::object()}};
  for (const auto& [id, a] : c.golden.inputs) {
    Array given = a.size() <= (Index{1} << 26) ? materialized(a) : a;
    if (!given.bytes.empty() || given.size() == 0) given.recipe.reset();
    json["inputs"][name_of(id)] = write(name_of(id), given);
  }
  if (pinned)
    for (const char* name : {"router.topk_ids", "dispatch.kept"})
      for (const auto& [known, a] : c.expected)
        if (known == name) json["routing"][name] = write(name, a);
  if (!write.large().empty()) write_safetensors(sidecar, write.large());
  return json;
}

void require_same_inputs(const CheckCase& c, const Answer& answer, const std::string& file) {
  if (answer.inputs.empty() || c.golden.invalid || answer.inputs == inputs_digest(c.golden.inputs)) return;
  throw Error(kInputsKey, file + ": " + kInputsKey + " = " + answer.inputs.substr(0, 12) +
                              "... must be that of " + c.golden.id +
                              ": it was computed from other inputs; run --case computes those of a case");
}

}  // namespace moe
