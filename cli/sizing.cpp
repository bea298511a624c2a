#include "sizing.h"

#include <cmath>
#include <cstdio>

#include "moe/printable.h"
#include "moe/units.h"
#include "warnings.h"

namespace moe::cli {
namespace {

/// The kinds of the model's mixers, as in "mamba2, gqa".
std::string mixers_text(const Model& model) {
  static constexpr const char* kNames[] = {"GQA",     "MLA",  "lightning",  "delta net",        "Mamba-1",
                                           "Mamba-2", "LSTM", "Kimi delta", "short convolution"};
  std::string text;
  for (const Mixer& mixer : model.mixers) {
    const auto* latent = std::get_if<Mla>(&mixer);
    const std::string name =
        latent != nullptr && latent->index_heads > 0 ? "MLA + DSA" : kNames[mixer.index()];
    if (text.find(name) == std::string::npos) text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::size_t dense_layers(const Model& model) {
  std::size_t n = 0;
  for (const Layer& layer : model.layers) n += layer.dense ? 1 : 0;
  return n;
}

/// A model of the registry with the same width, layers and choice of experts: a file's model is that one, or a mistake.
const Published* resembling(const Model& m) {
  for (const Published& p : published_models())
    if (m.moe && p.model.hidden_size == m.hidden_size && p.model.layers.size() == m.layers.size() &&
        p.model.moe->num_experts == m.moe->num_experts && p.model.moe->top_k == m.moe->top_k)
      return &p;
  return nullptr;
}

/// A path is bytes, and JSON is text.
Json text_json(const std::string& bytes) {
  return Json::parse(Json(bytes).dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::vector<std::string>& warnings() {
  static std::vector<std::string> all;
  return all;
}

std::string signed_percent(double percent) { return (percent < 0 ? "" : "+") + percent_text(percent, 3); }

}  // namespace

void warn_later(const std::string& warning) { warnings().push_back(warning); }

void print_warnings() {
  for (const std::string& warning : warnings())
    std::fprintf(stderr, "moe-oracle: warning: %s\n", printable(warning).c_str());
}

void ModelOptions::add_to(CLI::App& verb) {
  verb.add_option("MODEL", model, "a model of moe-oracle models, a preset, or a path to a config.json")
      ->required();
  verb.add_flag("--strict", strict, "refuse a config.json that is not wholly understood");
  auto* as_json = verb.add_flag("--json", json, "print JSON");
  verb.add_flag("--csv", csv, "print comma-separated values")->excludes(as_json);
}

NamedModel ModelOptions::load() const {
  NamedModel named = model_called(model);
  if (named.warnings.empty()) return named;
  std::string warning = named.warnings.front();
  if (named.unread.size() > 1) {
    warning += "; nor are";
    for (std::size_t i = 1; i < named.unread.size(); ++i) warning += (i > 1 ? ", " : " ") + named.unread[i];
  }
  if (strict) throw Error("--strict", warning);
  warn_later(warning);
  return named;
}

Json model_json(const NamedModel& named, const ModelCount& counted) {
  Json active{{"full", counted.active.full},
              {"no_embed", counted.active.no_embed},
              {"no_embed_head", counted.active.no_embed_head}};
  Json params{{"total", counted.total}, {"active", active}};
  Json json{{"model", text_json(named.published != nullptr ? named.published->id : named.model.name)},
            {"params", params}};
  if (!named.exact()) json["unread"] = Json::array();
  for (const std::string& key : named.unread) json["unread"].push_back(text_json(key));
  return json;
}

std::string kind_of(const NamedModel& named, const char* kind) {
  return named.exact() ? kind : "approximate";
}

std::string kind_of_attention(const NamedModel& named, const char* kind) {
  return kind_of(named, named.model.caveat.empty() ? kind : "model");
}

void print_legend(const NamedModel& named, const char* known) {
  std::string keys;
  for (const std::string& key : named.unread) keys += (keys.empty() ? "" : ", ") + key;
  if (named.exact())
    std::printf("%s\n", known);
  else
    print_wrapped("", "approximate: the file says what is not understood: " + keys);
}

std::string model_text(const Model& m, const ModelCount& counted) {
  std::string text = printable(m.name) + '\n' + std::to_string(m.layers.size()) +
                     (m.layers.size() == 1 ? " layer" : " layers");
  text += " (" + std::to_string(counted.moe_layers) + " with experts)  D " + std::to_string(m.hidden_size);
  if (m.moe)
    text += "  F " + std::to_string(m.moe->ffn_size) + "  E " + std::to_string(m.moe->num_experts) + "  K " +
            std::to_string(m.moe->top_k);
  return text;
}

std::string component_text(const Model& m, const ModelCount& counted, Component component) {
  std::string text = name_of(component);
  if (component == Component::Head && m.tied) text += " (tied)";
  if (component == Component::Attention && !m.mixers.empty()) text += " (" + mixers_text(m) + ')';
  if (component == Component::Dense) text += " (" + std::to_string(dense_layers(m)) + ')';
  if (component == Component::Routed && m.moe)
    text += " (" + std::to_string(counted.moe_layers) + " x " + std::to_string(m.moe->num_experts) + ')';
  return text;
}

std::string amount_text(double amount, const char* billion) {
  std::string text = moe::amount(amount, "", 6);
  if (text.ends_with(" B")) text.replace(text.size() - 2, 2, billion);
  return text;
}

std::string percent_text(double percent, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f %%", digits, percent);
  return text;
}

std::string bytes_text(double bytes) {
  char text[80];
  std::snprintf(text, sizeof text, "%.2f GB, %.2f GiB", bytes / 1e9, bytes / 0x1p30);
  return text;
}

std::vector<double> geometric(double first, double ratio, double last) {
  const int steps = static_cast<int>(std::floor(std::log(last / first) / std::log(ratio)));
  std::vector<double> points;
  for (int i = 0; i <= steps; ++i) points.push_back(first * std::pow(ratio, i));
  return points;
}

void print_wrapped(const std::string& label, const std::string& text) {
  constexpr std::size_t kColumns = 80, kIndent = 10;
  std::string line = label + std::string(kIndent - label.size(), ' ');
  std::istringstream words(printable(text));
  for (std::string word; words >> word;) {
    if (line.size() > kIndent && line.size() + 1 + word.size() > kColumns) {
      std::printf("%s\n", line.c_str());
      line = std::string(kIndent, ' ');
    }
    line += (line.size() > kIndent ? " " : "") + word;
  }
  std::printf("%s\n", line.c_str());
}

void print_published(const NamedModel& named, const ModelCount& counted) {
  if (named.published == nullptr) {
    const Published* other = resembling(named.model);
    if (other == nullptr) return;
    const std::int64_t total = count(other->model).total;
    print_wrapped("registry", total == counted.total
                                  ? "the same count as " + other->id
                                  : other->id + " has the same D, E, K and number of layers, but " +
                                        with_commas(total) +
                                        " parameters: these may not be the fields that were released");
    return;
  }
  const Published& p = *named.published;
  const Deviation d = deviation_of(p);
  const std::string off = p.reproducible ? "" : " (NOT reproducible)";
  print_wrapped("official",
                amount_text(p.total) + " in total: the count differs by " + signed_percent(d.total) + off);
  if (p.active)
    print_wrapped(
        "", amount_text(*p.active) + " active: " + p.convention + " differs by " + signed_percent(*d.active));
  if (p.multiply_adds) {
    const double percent = 100 * (static_cast<double>(counted.matmul) / *p.multiply_adds - 1);
    print_wrapped("", amount_text(*p.multiply_adds) + " multiply-adds a timestep: the count of " +
                          with_commas(counted.matmul) + " differs by " + signed_percent(percent));
  }
  if (!p.erratum.empty()) print_wrapped("erratum", p.erratum);
  if (!p.note.empty()) print_wrapped("note", p.note);
}

}  // namespace moe::cli
