#include <cstdio>

#include "count_checkpoint.h"

namespace moe::cli {
namespace {

Json part_json(const ComponentCount& part) {
  return {{"params", part.params}, {"active", part.active}, {"matmul", part.matmul}};
}

void print_json_of(const NamedModel& named, const ModelCount& counted) {
  Json json = model_json(named, counted);
  Json parts = Json::object();
  for (const Component c : kAllComponents) parts[name_of(c)] = part_json(counted[c]);
  json["params"]["matmul"] = counted.matmul;
  json["params"]["expert"] = counted.expert;
  json["params"]["mtp"] = part_json(counted.mtp);
  json["moe_layers"] = counted.moe_layers;
  json["components"] = parts;
  json["kind"] = kind_of(named);
  if (named.published != nullptr) {
    const Deviation d = deviation_of(*named.published);
    json["deviation_percent"] = {{"total", d.total}, {"active", d.active ? Json(*d.active) : Json()}};
  }
  std::fputs(print_json(json).c_str(), stdout);
}

void print_csv(const ModelCount& counted) {
  const auto row = [](const char* name, const ComponentCount& part) {
    std::printf("%s,%lld,%lld,%lld\n", name, static_cast<long long>(part.params),
                static_cast<long long>(part.active), static_cast<long long>(part.matmul));
  };
  std::printf("component,params,active,matmul\n");
  for (const Component c : kAllComponents) row(name_of(c), counted[c]);
  row("total", {counted.total, counted.active.full, counted.matmul});
  row("mtp", counted.mtp);
}

void print_active(const char* label, std::int64_t n, const std::string& what) {
  std::printf("%-10s%19s  %s\n", label, with_commas(n).c_str(), what.c_str());
}

void print_table(const NamedModel& named, const ModelCount& counted) {
  const Model& m = named.model;
  std::printf("%s\n%-27s%19s%10s%19s\n", model_text(m, counted).c_str(), "", "params", "share",
              "active per token");
  for (const Component c : kAllComponents) {
    const ComponentCount& part = counted[c];
    if (part.params == 0 && part.matmul == 0) continue;
    const double share = 100 * static_cast<double>(part.params) / static_cast<double>(counted.total);
    std::printf("%-27s%19s%10s%19s\n", component_text(m, counted, c).c_str(),
                with_commas(part.params).c_str(), percent_text(share).c_str(),
                with_commas(part.active).c_str());
  }
  std::printf("%-27s%19s%10s%19s\n\n", "total", with_commas(counted.total).c_str(), "",
              with_commas(counted.active.full).c_str());
  print_active("active", counted.active.full, "full: all that a token uses");
  print_active("", counted.active.no_embed,
               m.tied ? "no_embed: the same, as table and head are one"
                      : "no_embed: without the input table, a lookup");
  print_active("", counted.active.no_embed_head, "no_embed_head: without table and head");
  print_active("", counted.matmul, "multiply-adds per token, scores aside");
  if (m.moe && m.moe->zero_experts > 0) {
    const double E = static_cast<double>(m.moe->num_experts), Z = static_cast<double>(m.moe->zero_experts);
    const double idle = static_cast<double>(counted.moe_layers * counted.expert * m.moe->top_k) * Z / (E + Z);
    print_wrapped("", amount_text(static_cast<double>(counted.active.no_embed) - idle) +
                          " no_embed on average, where choices spread evenly over experts and those that "
                          "compute nothing (model)");
  }
  if (counted.mtp.params > 0) {
    print_active("mtp", counted.mtp.params, "beside the total, in modules for further tokens");
    print_active("", counted.mtp.active, "of them active; embedding and head are shared");
  }
  print_published(named, counted);
  std::printf("\n");
  print_legend(named, "exact: every integer follows from the fields; differences are rounded");
}

struct CountOptions : ModelOptions {
  std::string against;
};

int act_on(const CountOptions& options) {
  if (is_checkpoint(options.model)) {
    if (!options.against.empty())
      throw Error("--against", "--against needs a MODEL that is no checkpoint itself");
    print_checkpoint(options);
    return 0;
  }
  const NamedModel named = options.load();
  if (!options.against.empty()) return print_against(options, named, options.against);
  const ModelCount counted = count(named.model);
  if (options.json)
    print_json_of(named, counted);
  else if (options.csv)
    print_csv(counted);
  else
    print_table(named, counted);
  return 0;
}

}  // namespace

void add_count(CLI::App& app, Act& act) {
  auto options = std::make_shared<CountOptions>();
  CLI::App* verb =
      app.add_subcommand("count", "the parameters of a model: total, and active by three conventions");
  verb->footer("Example: moe-oracle count deepseek-v3; moe-oracle count ./config.json --json");
  options->add_to(*verb);
  verb->add_option("--against", options->against,
                   "a checkpoint, by its .safetensors or its index: what differs")
      ->type_name("FILE")
      ->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
