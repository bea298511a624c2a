#include "moe/answer.h"

#include "moe/npz.h"
#include "moe/tensor_json.h"

namespace moe {
namespace {

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

Answer answer_from_json(const Json& json, const std::string& document) {
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
  for (const auto& [name, described] : json["tensors"].items())
    answer.tensors.emplace_back(name, tensor(name, described, document));
  return answer;
}

Answer read_answer(const std::string& path) {
  if (path.ends_with(".json")) return answer_from_json(parse_json(read_text(path), path), path);
  if (path.ends_with(".npz")) return {.tensors = read_npz(path)};
  if (!path.ends_with(".safetensors"))
    throw Error(path, path + ": must be an answer in .json, .safetensors or .npz");
  const SafetensorsFile file(path);
  Answer answer;
  answer.inputs = file.metadata(kInputsKey);
  for (const std::string& name : file.names()) answer.tensors.emplace_back(name, file.load(name));
  return answer;
}

std::optional<std::string> find_answer(const std::string& got, const std::string& id) {
  std::optional<std::string> found;
  for (const char* suffix : {".json", ".safetensors", ".npz"}) {
    const std::string path =
        (std::filesystem::path(got) / std::filesystem::path(id + suffix).relative_path()).string();
    if (!is_there(path)) continue;
    if (found) throw Error(id, *found + ": must be the only answer to " + id + ", beside it is " + path);
    found = path;
  }
  return found;
}

}  // namespace moe
