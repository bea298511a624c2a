#include "count_checkpoint.h"

#include <cstdio>

#include "moe/printable.h"

namespace moe::cli {
namespace {

Json group_json(const TensorGroup& group) {
  return {{"name", group.name}, {"tensors", group.tensors}, {"params", group.params}};
}

void print_group(const TensorGroup& group) {
  std::printf("  %-46s%10s%20s\n", printable(group.name).c_str(), with_commas(group.tensors).c_str(),
              with_commas(group.params).c_str());
}

void print_groups(const CheckpointCount& counted, Component component) {
  for (const TensorGroup& group : counted.groups)
    if (!group.beside && group.component == component) print_group(group);
}

}  // namespace

void print_checkpoint(const ModelOptions& options) {
  const CheckpointCount counted = count_checkpoint(options.model);
  if (options.json) {
    Json parts = Json::object(), tensors = Json::array();
    for (const Component c : kAllComponents) parts[name_of(c)] = counted.parts[static_cast<std::size_t>(c)];
    for (const TensorGroup& group : counted.groups) tensors.push_back(group_json(group));
    const Json json{{"model", printable(options.model)},
                    {"params", {{"total", counted.total}, {"beside", counted.beside}}},
                    {"components", parts},
                    {"tensors", tensors},
                    {"kind", "exact"}};
    std::fputs(print_json(json).c_str(), stdout);
    return;
  }
  if (options.csv) {
    std::printf("component,params\n");
    for (const Component c : kAllComponents)
      std::printf("%s,%lld\n", name_of(c),
                  static_cast<long long>(counted.parts[static_cast<std::size_t>(c)]));
    std::printf("total,%lld\n", static_cast<long long>(counted.total));
    return;
  }
  std::printf("%s\n", printable(options.model).c_str());
  for (const Component c : kAllComponents) {
    const std::int64_t params = counted.parts[static_cast<std::size_t>(c)];
    if (params > 0) std::printf("%-60s%20s\n", name_of(c), with_commas(params).c_str());
    print_groups(counted, c);
  }
  std::printf("%-60s%20s\n", "total", with_commas(counted.total).c_str());
  if (counted.beside > 0)
    std::printf("%-60s%20s\n", "beside: towers and what joins them", with_commas(counted.beside).c_str());
  std::printf("\n");
  print_wrapped("exact",
                "elements of tensors, by the headers of the files; scales of quantized weights do not count");
}

int print_against(const ModelOptions& options, const NamedModel& named, const std::string& path) {
  const ModelCount model = count(named.model);
  const CheckpointCount counted =
      count_checkpoint(path, static_cast<std::int64_t>(named.model.layers.size()));
  Json json = model_json(named, model), differs = Json::array();
  const auto held = [&](Component c) { return counted.parts[static_cast<std::size_t>(c)]; };
  for (const Component c : kAllComponents) {
    if (counted.groups.empty() || model[c].params == held(c)) continue;
    Json tensors = Json::array();
    for (const TensorGroup& group : counted.groups)
      if (!group.beside && group.component == c) tensors.push_back(group_json(group));
    differs.push_back({{"component", name_of(c)},
                       {"config", model[c].params},
                       {"checkpoint", held(c)},
                       {"tensors", tensors}});
  }
  const bool equal = model.total == counted.total && differs.empty();
  if (options.json) {
    json["checkpoint"] = {{"total", counted.total}, {"beside", counted.beside}};
    json["differs"] = differs;
    json["kind"] = kind_of(named);
    std::fputs(print_json(json).c_str(), stdout);
    return equal ? 0 : 1;
  }
  std::printf("%-28s%26s%26s\n", "", "config", "checkpoint");
  for (const Component c : kAllComponents) {
    if (counted.groups.empty() || (model[c].params == 0 && held(c) == 0)) continue;
    std::printf("%-28s%26s%26s\n", name_of(c), with_commas(model[c].params).c_str(),
                with_commas(held(c)).c_str());
    if (model[c].params != held(c)) print_groups(counted, c);
  }
  std::printf(
      "%-28s%26s%26s\n\n%s\n", "total", with_commas(model.total).c_str(), with_commas(counted.total).c_str(),
      equal                          ? "equal, to the last parameter"
      : model.total == counted.total ? "equal in total; tensors of some components have names of others"
                                     : "they differ in the components whose tensors are listed");
  return equal ? 0 : 1;
}

}  // namespace moe::cli
