#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "moe/check.h"
#include "moe/config_json.h"
#include "moe/inputs_digest.h"
#include "moe/printable.h"
#include "moe/tensor_json.h"
#include "tensors.h"

namespace moe {

Needs needs_of(const CheckCase& c) {
  constexpr Index kFew = 65536;
  std::map<std::string, Index> most;
  if (!c.golden.invalid) {
    Plan plan;  // that keeps every assignment
    plan.order.resize(static_cast<std::size_t>(c.config.shape.num_tokens * c.config.shape.top_k));
    for (const TensorOf& t : tensors_of(c.config, plan)) most[t.name] = std::max(kFew, product(t.dims));
  }
  return [most = std::move(most)](const std::string& name) {
    const auto found = most.find(name);
    return found == most.end() ? std::nullopt : std::optional(found->second);
  };
}

RequestFile::RequestFile() {
  const char* folder = std::getenv("TMPDIR");
  folder_ = folder == nullptr || *folder == '\0' ? "/tmp" : folder;
  path_ = TemporaryFile::path_in(std::filesystem::absolute(folder_).string(), ".safetensors");
}

void RequestFile::write(const Arrays& arrays) {
  file_.reset();
  if (!is_utf8(path_))
    throw CannotRun("TMPDIR = " + shown(folder_) + " must be UTF-8: requests name a file in it");
  try {
    file_.emplace(path_);
    write_safetensors(*file_, arrays);
  } catch (const std::system_error& e) {
    throw CannotRun("TMPDIR = " + shown(folder_) +
                    " must be a folder that takes the inputs of a request: " + e.code().message());
  }
}

Json request_of(const CheckCase& c, bool pinned, RequestFile& file) {
  TensorWriter write(file.path());
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
  if (!write.large().empty()) file.write(write.large());
  return json;
}

void require_same_inputs(const CheckCase& c, const Answer& answer, const std::string& file) {
  if (answer.inputs.empty() || c.golden.invalid || answer.inputs == inputs_digest(c.golden.inputs)) return;
  throw Error(kInputsKey, file + ": " + kInputsKey + " = " + answer.inputs.substr(0, 12) +
                              "... must be that of " + c.golden.id +
                              ": it was computed from other inputs; run --case computes those of a case");
}

}  // namespace moe
