#include "weight_map.h"

#include <filesystem>

#include "moe/error.h"
#include "moe/file.h"
#include "moe/json.h"

namespace moe {

std::map<std::string, std::string> weight_map(const std::string& index) {
  const nlohmann::json json = parse_sorted_json(read_text(index), index);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    throw Error("weight_map", index + ": must have the object weight_map");
  std::map<std::string, std::string> files;
  for (const auto& [name, file] : json["weight_map"].items()) {
    const bool beside = file.is_string() && !file.get<std::string>().empty() &&
                        file.get<std::string>().find('/') == std::string::npos;
    if (!beside) throw Error(name, index + ": " + name + " must be the name of a file beside it");
    files[name] = (std::filesystem::path(index).parent_path() / file.get<std::string>()).string();
  }
  return files;
}

}  // namespace moe
