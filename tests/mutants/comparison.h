#pragma once

#include <cmath>
#include <string>

#include "moe/config_json.h"
#include "moe/file.h"
#include "moe/json.h"
#include "moe/load.h"
#include "moe/tensor_json.h"

/// A case of golden/ as a candidate sees it, and whether an answer is the expected one.
namespace moe {

struct Question {
  std::string id;
  Json config;
  Json inputs;
  bool invalid = false;
  std::map<std::string, Array> expected;
};

/// Every case of the corpus in `folder` that states all stages, in its order.
inline std::vector<Question> questions(const std::string& folder) {
  std::vector<Question> all;
  const Json manifest = parse_json(read_text(folder + "/manifest.json"), "manifest.json");
  for (const Json& file : manifest["files"]) {
    const std::string path = folder + '/' + file["path"].get<std::string>();
    const Json json = parse_json(read_text(path), path);
    for (const Json& group : json["groups"])
      for (const Json& c : group["cases"]) {
        if (c.contains("extent")) continue;  // too large to be run for every mutant
        Question q{c["id"], group["config"], c["inputs"], c["result"] == "invalid", {}};
        const Json stages = c.value("stages", Json::object());
        for (const auto& [name, tensor] : stages.items())
          q.expected[name] = array_from_json(name, tensor, path);
        all.push_back(std::move(q));
      }
  }
  return all;
}

inline Inputs inputs_of(const Question& q) {
  Inputs inputs;
  for (const auto& [name, tensor] : q.inputs.items())
    for (std::size_t i = 0; i < kTensors.size(); ++i)
      if (name == kTensors.at(i).name) inputs[static_cast<Tensor>(i)] = array_from_json(name, tensor, q.id);
  return inputs;
}

/// Integers equal; every real within 2^-40 of the largest of its tensor, where conventions are crossed, and large terms may
/// cancel, or of 2^-48. Plain doubles pass by a wide margin; a changed formula does not. NaN never passes.
inline bool agrees(const Question& q, const Arrays& got) {
  if (got.size() != q.expected.size()) return false;
  for (const auto& [name, a] : got) {
    const auto found = q.expected.find(name);
    if (found == q.expected.end() || found->second.dims != a.dims || found->second.format != a.format)
      return false;
    const Array& want = found->second;
    double largest = q.id.starts_with("crossed/") ? 0x1p-8 : 0;
    for (Index i = 0; i < want.size(); ++i)
      largest = std::max(largest, is_real(a.format) ? std::abs(want.real(i)) : 0.0);
    for (Index i = 0; i < a.size(); ++i) {
      const bool same = is_real(a.format) ? std::abs(a.real(i) - want.real(i)) <= 0x1p-40 * largest
                                          : a.integer(i) == want.integer(i);
      if (!same) return false;
    }
  }
  return true;
}

}  // namespace moe
