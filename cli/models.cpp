#include <cstdio>

#include "moe/nearest.h"
#include "moe/sizing_json.h"
#include "moe/units.h"
#include "sizing.h"

namespace moe::cli {
namespace {

struct ModelsOptions {
  std::string name;
  bool verify = false, json = false, csv = false;
};

std::string printed(double n) { return amount(n, "", 5); }

std::string difference(double percent) {
  char text[40];
  std::snprintf(text, sizeof text, "%+.3f %%", percent);
  return text;
}

Json row_json(const Published& p) {
  const ModelCount counted = count(p.model);
  const Deviation d = deviation_of(p);
  const auto number = [](const std::optional<double>& x) { return x ? Json(*x) : Json(); };
  Json json = model_json({p.model, &p, {}}, counted);
  json["kind"] = "exact";
  json["name"] = p.model.name;
  json["family"] = p.family;
  json["official"] = {{"total", p.total},
                      {"active", number(p.active)},
                      {"multiply_adds", number(p.multiply_adds)},
                      {"convention", p.convention}};
  json["deviation_percent"] = {{"total", d.total}, {"active", number(d.active)}};
  json["bound_percent"] = {{"total", p.bound_total}, {"active", number(p.bound_active)}};
  json["within"] = d.within;
  json["reproducible"] = p.reproducible;
  json["confidence"] = p.confidence;
  json["config_source"] = p.config_source;
  json["official_source"] = p.official_source;
  json["erratum"] = p.erratum;
  json["note"] = p.note;
  return json;
}

/// The row of one model, with the fields that its counts follow from.
Json with_fields(Json row) {
  Json fields = published_json(row["model"]);
  fields.erase("published");
  row["fields"] = fields;
  return row;
}

void print_row(const Published& p) {
  const ModelCount counted = count(p.model);
  const Deviation d = deviation_of(p);
  std::printf("%-24s%11s%10s%11s%11s", p.id.c_str(), printed(static_cast<double>(counted.total)).c_str(),
              printed(p.total).c_str(), difference(d.total).c_str(),
              printed(static_cast<double>(active_of(counted, p.convention))).c_str());
  if (p.active) std::printf("%9s", printed(*p.active).c_str());
  std::printf("\n");
}

void print_csv_row(const Published& p) {
  const ModelCount counted = count(p.model);
  const Deviation d = deviation_of(p);
  std::printf("%s,%lld,%lld,%lld,%lld,%.17g,%s,%s,%.6g,%s,%s\n", p.id.c_str(),
              static_cast<long long>(counted.total), static_cast<long long>(counted.active.full),
              static_cast<long long>(counted.active.no_embed),
              static_cast<long long>(counted.active.no_embed_head), p.total,
              p.active ? real_text(*p.active).c_str() : "", p.convention.c_str(), d.total,
              d.active ? real_text(*d.active).c_str() : "", d.within ? "yes" : "no");
}

constexpr const char* kLegend = "exact: total and active follow from the fields; official: as printed";

int list_models(const ModelsOptions& options) {
  Json all = Json::array();
  if (options.csv)
    std::printf(
        "id,total,full,no_embed,no_embed_head,official_total,official_active,convention,total_percent,active_"
        "percent,within\n");
  else if (!options.json)
    std::printf("%-24s%11s%10s%11s%11s%9s\n", "", "total", "official", "differs", "active", "official");
  for (const Published& p : published_models()) {
    if (options.json)
      all.push_back(row_json(p));
    else if (options.csv)
      print_csv_row(p);
    else
      print_row(p);
  }
  if (options.json) std::fputs(print_json(all).c_str(), stdout);
  if (options.json || options.csv) return 0;
  std::printf("\n%-24s%11s%32s\n", "released, none printed", "total", "active");
  for (const std::string& name : released_models()) {
    const ModelCount counted = count(model_called(name).model);
    std::printf("%-24s%11s%32s\n", name.c_str(), printed(static_cast<double>(counted.total)).c_str(),
                printed(static_cast<double>(counted.active.full)).c_str());
  }
  std::printf("\n%s\n", kLegend);
  return 0;
}

/// Counts again what the registry says, and compares.
int verify(const ModelsOptions& options) {
  int drifted = 0, errata = 0, irreproducible = 0;
  Json all = Json::array();
  for (const Published& p : published_models()) {
    const Deviation d = deviation_of(p);
    drifted += d.within ? 0 : 1;
    errata += p.erratum.empty() ? 0 : 1;
    irreproducible += p.reproducible ? 0 : 1;
    all.push_back(
        {{"id", p.id}, {"within", d.within}, {"reproducible", p.reproducible}, {"erratum", p.erratum}});
    if (options.json) continue;
    if (!d.within)
      print_wrapped("DRIFT",
                    p.id + ": differs by " + difference(d.total) + ", bound " + percent_text(p.bound_total));
    if (!p.erratum.empty()) print_wrapped("erratum", p.id + ": " + p.erratum);
  }
  if (options.json)
    std::fputs(print_json(all).c_str(), stdout);
  else
    print_wrapped("counted", std::to_string(published_models().size()) +
                                 " models: " + std::to_string(drifted) + " beyond their bounds, " +
                                 std::to_string(errata) + " with an error in what was published, " +
                                 std::to_string(irreproducible) + " not reproducible");
  return drifted == 0 ? 0 : 1;
}

void show(const Published& p) {
  const ModelCount counted = count(p.model);
  std::printf("%s\n", model_text(p.model, counted).c_str());
  print_wrapped("total", with_commas(counted.total));
  print_wrapped("active", with_commas(counted.active.full) + " full, " +
                              with_commas(counted.active.no_embed) + " no_embed, " +
                              with_commas(counted.active.no_embed_head) + " no_embed_head");
  print_published({p.model, &p, {}}, counted);
  print_wrapped("bounds",
                percent_text(p.bound_total) + " of the total" +
                    (p.bound_active ? ", " + percent_text(*p.bound_active) + " of the active count" : ""));
  print_wrapped("fields", p.config_source + "; confidence " + p.confidence);
  print_wrapped("numbers", p.official_source);
  std::printf("\n%s\n", kLegend);
}

int act_on(const ModelsOptions& options) {
  if (options.verify && !options.name.empty())
    throw Error("NAME", "NAME = " + shown(options.name) + " has no meaning beside --verify");
  if (options.verify) return verify(options);
  if (options.name.empty()) return list_models(options);
  const Published* p = find_published(options.name);
  if (p == nullptr && find_released(options.name))
    throw Error("NAME", "NAME = " + shown(options.name) +
                            " was released, and no number is at hand to compare with: count tells its size");
  if (p == nullptr) {
    std::vector<std::string> names;
    for (const Published& known : published_models()) names.push_back(known.id);
    throw Error("NAME", "NAME = " + shown(options.name) + " must be one that moe-oracle models lists" +
                            did_you_mean(options.name, names));
  }
  if (options.json)
    std::fputs(print_json(with_fields(row_json(*p))).c_str(), stdout);
  else if (options.csv)
    print_csv_row(*p);
  else
    show(*p);
  return 0;
}

}  // namespace

void add_models(CLI::App& app, Act& act) {
  auto options = std::make_shared<ModelsOptions>();
  CLI::App* verb =
      app.add_subcommand("models", "published models: what is printed about them, and what counting gives");
  verb->footer("Example: moe-oracle models; moe-oracle models deepseek-v3; moe-oracle models --verify");
  verb->add_option("NAME", options->name, "show this one, with its sources");
  verb->add_flag("--verify", options->verify, "count all again; exit 1 if one is beyond its bound");
  auto* as_json = verb->add_flag("--json", options->json, "print JSON");
  verb->add_flag("--csv", options->csv, "print comma-separated values")->excludes(as_json);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
