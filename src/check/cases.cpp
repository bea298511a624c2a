#include "moe/check.h"
#include "moe/config_json.h"
#include "moe/file.h"
#include "moe/tensor_json.h"
#include "moe/validate.h"

namespace moe {

std::vector<CheckCase> read_check_cases(const std::string& path) {
  const GoldenFile file = read_golden(path);
  const Json json = parse_json(read_text(path), path);
  std::vector<CheckCase> cases;
  std::size_t next = 0;
  for (const Json& group : json["groups"])
    for (const Json& document : group["cases"]) {
      CheckCase c{file.cases.at(next++), {}, {}, {}, {}};
      if (!c.golden.invalid) {
        c.config = config_from_json(c.golden.config);
        const std::string where = path + ": " + c.golden.id;
        if (!document.contains("stages") || !document["stages"].is_object())
          throw Error("stages", where + ": must have stages");
        for (const auto& [name, tensor] : document["stages"].items())
          c.expected.emplace_back(name, array_from_json(name, tensor, path));
        if (document.contains("budgets"))
          for (const auto& [profile, tensors] : document["budgets"].items())
            for (const auto& [name, budget] : tensors.items()) {
              if (!budget.is_object() || !budget.contains("hard") || !budget.contains("sigma"))
                throw Error("budgets",
                            where + ": budgets." + profile + '.' + name + " must have hard and sigma");
              c.budgets[profile][name] = {array_from_json(name + ".hard", budget["hard"], path),
                                          array_from_json(name + ".sigma", budget["sigma"], path)};
            }
        if (document.contains("exact"))
          for (const auto& [name, need] : document["exact"].items()) c.exact[name] = need.value("bits", 64);
      }
      cases.push_back(std::move(c));
    }
  return cases;
}

}  // namespace moe
