#include "moe/answer.h"

#include <algorithm>

#include "moe/npz.h"
#include "moe/tensor_json.h"

namespace moe {
namespace {

/// What is needed of the tensor `name`, of the shape that `dims` finds; `read` reads it.
template <typename DimsOf, typename Read>
Array as_needed(const Needs& needs, const std::string& name, const std::string& document, DimsOf dims,
                Read read) {
  if (!needs) return read();
  const std::optional<Index> most = needs(name);
  if (!most) return not_needed();
  require_at_most(*most, dims(), document + ": " + name);
  return read();
}

/// One tensor of an answer: its elements, not the recipe for them.
Array tensor(const std::string& name, const Json& json, const std::string& document) {
  const bool complete =
      !json.is_object() || json.contains("data") || json.contains("b64") || json.contains("file");
  if (!complete) throw Error(name, document + ": " + name + " must have data, b64 or file");
  return array_from_json(name, json, document);
}

bool is_there(const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  if (type == std::filesystem::file_type::none)
    throw Error(path, path + ": must be a path that can be searched: " + error.message());
  return type != std::filesystem::file_type::not_found;
}

}  // namespace

Answer answer_from_json(const Json& json, const std::string& document, const Needs& needs) {
  const auto refuse = [&](const std::string& rule) { throw Error(document, document + ": " + rule); };
  if (!json.is_object()) refuse("an answer must be an object");
  if (json.contains("id") && !json["id"].is_string()) refuse("id must be a string");
  if (json.contains("tensors") == json.contains("error"))
    refuse("an answer must have either tensors or error");
  Answer answer;
  if (json.contains("error")) {
    if (!json["error"].is_string() || json["error"] == "") refuse("error must be a sentence");
    answer.error = json["error"];
    return answer;
  }
  if (!json["tensors"].is_object()) refuse("tensors must be an object");
  if (json.contains(kInputsKey) && json[kInputsKey].is_string()) answer.inputs = json[kInputsKey];
  for (const auto& [key, value] : json["tensors"].items()) {
    const std::string& name = key;
    const Json& described = value;
    answer.tensors.emplace_back(
        name, as_needed(
                  needs, name, document, [&] { return shape_from_json(name, described, document).dims; },
                  [&] { return tensor(name, described, document); }));
  }
  return answer;
}

Answer read_answer(const std::string& path, const Needs& needs) {
  if (path.ends_with(".json")) return answer_from_json(parse_json(read_text(path), path), path, needs);
  if (path.ends_with(".npz")) return {.tensors = read_npz(path, needs)};
  if (!path.ends_with(".safetensors"))
    throw Error(path, path + ": must be an answer in .json, .safetensors or .npz");
  const SafetensorsFile file(path);
  Answer answer;
  answer.inputs = file.metadata(kInputsKey);
  for (const std::string& name : file.names())
    answer.tensors.emplace_back(
        name, as_needed(
                  needs, name, path, [&] { return file.dims(name); }, [&] { return file.load(name); }));
  return answer;
}

void require_stays_inside(const std::string& id) {
  const std::filesystem::path path(id);
  const bool inside = !path.is_absolute() && id.find('\0') == std::string::npos &&
                      std::find(path.begin(), path.end(), "..") == path.end();
  if (!inside)
    throw Error("id", "id = " + shown(id) +
                          " must be a path inside of a folder: not absolute, without .. and without NUL");
}

std::optional<std::string> find_answer(const std::string& got, const std::string& id) {
  require_stays_inside(id);
  std::optional<std::string> found;
  for (const char* suffix : {".json", ".safetensors", ".npz"}) {
    const std::string path = (std::filesystem::path(got) / (id + suffix)).string();
    if (!is_there(path)) continue;
    if (found) throw Error(id, *found + ": must be the only answer to " + id + ", beside it is " + path);
    found = path;
  }
  return found;
}

}  // namespace moe
