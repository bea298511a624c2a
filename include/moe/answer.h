#pragma once

#include "moe/json.h"
#include "moe/safetensors.h"

/// What an implementation that is to be checked answers for one case, and where a folder of answers keeps it.
namespace moe {

struct Answer {
  Arrays tensors{};       // under any names; non-finite elements are content
  std::string error{};    // the sentence with which the case was refused; empty where it was not
  std::string failure{};  // why there is no answer at all; empty where there is one (moe/program.h)
  std::string unasked{};  // why none was asked for
  std::string inputs{};   // the digest of what it was computed from, if it says so (moe/inputs_digest.h)
};

/// Under which key files say what an answer was computed from: in __metadata__ of safetensors, else beside "tensors".
inline constexpr const char* kInputsKey = "inputs_sha256";

/// The answer {"id", "tensors": {name: {dtype, shape, data | b64 | file and tensor}}} or {"id", "error": "..."}; `file` is
/// looked for beside `document`. Tensors that are not needed stand as not_needed(); all are, where `needs` is empty. Throws
/// Error, naming document and tensor, for anything else; other keys are left alone.
Answer answer_from_json(const Json& json, const std::string& document, const Needs& needs = {});

/// The answer in a file: .json as above, .safetensors or .npz, of which no more is read than is needed. Throws Error naming
/// the file and the tensor.
Answer read_answer(const std::string& path, const Needs& needs = {});

/// Throws Error where a path made of the id of a case could leave its folder: for an absolute one, "..", and NUL.
void require_stays_inside(const std::string& id);
/// The file of case `id` in the folder `got`: got/<id>.json, .safetensors or .npz. Throws Error where there are two.
std::optional<std::string> find_answer(const std::string& got, const std::string& id);

}  // namespace moe
