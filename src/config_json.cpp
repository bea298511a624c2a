#include "moe/config_json.h"

#include <charconv>

#include "config_each.h"
#include "moe/config_fields.h"
#include "moe/error.h"
#include "moe/nearest.h"
#include "moe/printable.h"
#include "moe/validate.h"

namespace moe {
namespace {

class Writer {
 public:
  Json root = Json::object();

  template <typename Value>
  void operator()(const char* name, Value& value, bool when = true, const Value* standard = nullptr) {
    if (!when || (standard != nullptr && value == *standard)) return;
    if constexpr (std::is_enum_v<Value>)
      (*at_)[name] = spelling(value);
    else
      (*at_)[name] = value;
  }
  template <typename Body>
  void section(const char* name, Body body) {
    Json fields = Json::object();
    at_ = &fields;
    body();
    if (!fields.empty()) root[name] = std::move(fields);
  }
  template <typename Item, typename Body>
  void list(const char* name, std::vector<Item>& items, Body body) {
    Json array = Json::array();
    for (Item& item : items) {
      at_ = &array.emplace_back(Json::object());
      body(item);
    }
    root[name] = std::move(array);
  }

 private:
  Json* at_ = &root;
};

/// Collects what else each field with a meaning could be, where that is one of few.
class Choices {
 public:
  std::vector<FieldValue> all;

  template <typename Value>
  void operator()(const char* name, const Value& value, bool when = true, const Value* = nullptr) {
    if (!when) return;
    if constexpr (std::is_enum_v<Value>) {
      for (std::size_t i = 0; i < kSpelling<Value>.size(); ++i)
        if (i != static_cast<std::size_t>(value)) all.push_back({path_ + name, kSpelling<Value>[i]});
    } else if constexpr (std::is_same_v<Value, bool>) {
      all.push_back({path_ + name, !value});
    }
  }
  template <typename Body>
  void section(const char* name, Body body) {
    path_ = std::string(name) + '.';
    body();
  }
  template <typename Item, typename Body>
  void list(const char* name, std::vector<Item>& items, Body body) {
    for (Item& item : items) {
      path_ = std::string(name) + '.' + item.name + '.';
      body(item);
    }
  }

 private:
  std::string path_;
};

/// Lists every field, whether or not it has a meaning.
class Lister {
 public:
  std::vector<FieldInfo> all;

  template <typename Value>
  void operator()(const char* name, const Value& value, bool = true, const Value* = nullptr) {
    FieldInfo info{path_ + name, "", {}, {}, "", ""};
    if constexpr (std::is_enum_v<Value>) {
      info.type = "string", info.standard = spelling(value);
      info.choices.assign(kSpelling<Value>.begin(), kSpelling<Value>.end());
    } else {
      info.standard = value;
      info.type = info.standard.is_number_integer() ? "integer"
                  : info.standard.is_number()       ? "number"
                                                    : info.standard.type_name();
    }
    all.push_back(std::move(info));
  }
  template <typename Body>
  void section(const char* name, Body body) {
    path_ = std::string(name) + '.';
    body();
  }
  template <typename Item, typename Body>
  void list(const char* name, std::vector<Item>&, Body body) {
    path_ = std::string(name) + '.';
    Item item;
    body(item);
  }

 private:
  std::string path_;
};

class Reader {
 public:
  Reader(const Json& root, const std::set<std::string>* given) : root_(root), given_(given) {
    if (!root.is_object()) throw Error("config", "config = " + shown(root) + " must be an object");
  }

  template <typename Value>
  void operator()(const char* name, Value& value, bool when = true, const Value* = nullptr) {
    known_.emplace_back(name);
    fields_.push_back(path_ + name);
    const auto found = at_->find(name);
    if (found == at_->end()) return;
    seen_.insert(name);
    const std::string field = path_ + name;
    if (when) return read(field, *found, value);
    if (given_ == nullptr || is_given(field))
      throw Error(field, field + " = " + shown(*found) + " has no meaning under the config's other choices");
  }
  template <typename Body>
  void section(const char* name, Body body) {
    sections_.emplace_back(name);
    if (const auto found = root_.find(name); found != root_.end()) object(name, *found, body);
  }
  template <typename Item, typename Body>
  void list(const char* name, std::vector<Item>& items, Body body) {
    sections_.emplace_back(name);
    const auto found = root_.find(name);
    if (found == root_.end()) return;
    if (!found->is_array())
      throw Error(name, std::string(name) + " = " + shown(*found) + " must be an array");
    for (const Json& item : *found) {
      items.emplace_back();
      object(std::string(name) + '.' + std::to_string(items.size() - 1), item, [&] { body(items.back()); });
    }
  }
  /// Throws for a section that no list above knows; `name` and `source` only describe.
  void finish() const {
    for (const auto& [key, value] : root_.items())
      if (std::count(sections_.begin(), sections_.end(), key) == 0 && key != "name" && key != "source")
        throw Error(key, key + " = " + shown(value) + " is not a field; a config has " +
                             enumerated(sections_) + meant(key));
  }

 private:
  /// What a section that is unknown may have been meant for: the one field of that name, given without its section, else
  /// a section.
  std::string meant(const std::string& key) const {
    std::vector<std::string> fields;
    std::copy_if(fields_.begin(), fields_.end(), std::back_inserter(fields),
                 [&](const std::string& field) { return field.ends_with('.' + key); });
    return fields.size() == 1 ? "; did you mean " + fields.front() + '?' : did_you_mean(key, sections_);
  }
  /// Was the field, or the section or list that it stands in, given?
  bool is_given(const std::string& field) const {
    for (std::size_t end = field.find('.');; end = field.find('.', end + 1)) {
      if (given_->count(field.substr(0, end)) > 0) return true;
      if (end == std::string::npos) return false;
    }
  }
  template <typename Body>
  void object(const std::string& name, const Json& json, Body body) {
    if (!json.is_object()) throw Error(name, name + " = " + shown(json) + " must be an object");
    at_ = &json, path_ = name + '.', known_.clear(), seen_.clear();
    body();
    for (const auto& [key, value] : json.items())
      if (seen_.count(key) == 0)
        throw Error(path_ + key, path_ + key + " = " + shown(value) + " is not a field; " + name + " has " +
                                     enumerated(known_) + did_you_mean(key, known_));
  }
  static void read(const std::string& field, const Json& json, Index& value) {
    const bool fits =
        json.is_number_integer() && (!json.is_number_unsigned() || json.get<std::uint64_t>() <= INT64_MAX);
    if (!fits) throw Error(field, field + " = " + shown(json) + " must be an integer of 64 bits");
    value = json.get<Index>();
  }
  static void read(const std::string& field, const Json& json, double& value) {
    if (!json.is_number()) throw Error(field, field + " = " + shown(json) + " must be a number");
    value = json.get<double>();
  }
  static void read(const std::string& field, const Json& json, bool& value) {
    if (!json.is_boolean()) throw Error(field, field + " = " + shown(json) + " must be true or false");
    value = json.get<bool>();
  }
  static void read(const std::string& field, const Json& json, std::string& value) {
    if (!json.is_string()) throw Error(field, field + " = " + shown(json) + " must be a string");
    value = json.get<std::string>();
  }
  template <typename Enum>
  static void read(const std::string& field, const Json& json, Enum& value) {
    std::vector<std::string> choices;
    for (std::size_t i = 0; i < kSpelling<Enum>.size(); ++i) {
      if (json == kSpelling<Enum>[i]) {
        value = static_cast<Enum>(i);
        return;
      }
      choices.emplace_back(kSpelling<Enum>[i]);
    }
    throw Error(field, field + " = " + shown(json) + " must be one of " + enumerated(choices) +
                           did_you_mean(json.is_string() ? json.get<std::string>() : "", choices));
  }

  const Json& root_;
  const std::set<std::string>* given_;
  const Json* at_ = nullptr;
  std::string path_;
  std::vector<std::string> known_, fields_, sections_;
  std::set<std::string> seen_;
};

/// The element of aux that `key` means: its number, else its name.
Json* element(Json& list, const std::string& key) {
  for (std::size_t i = 0; i < list.size(); ++i)
    if (key == std::to_string(i) || (list[i].is_object() && list[i].value("name", Json()) == key))
      return &list[i];
  return nullptr;
}

}  // namespace

Json config_to_json(const Config& config) {
  Config copy = config;
  Writer writer;
  each_field(writer, copy);
  return std::move(writer.root);
}

Config config_from_json(const Json& json, const std::set<std::string>* given) {
  Config config;
  Reader reader(json, given);
  each_field(reader, config);
  reader.finish();
  validate(config);
  return config;
}

std::vector<FieldValue> other_choices(const Config& config) {
  Config copy = config;
  Choices choices;
  each_field(choices, copy);
  return std::move(choices.all);
}

std::vector<FieldInfo> listed_fields() {
  Config config;
  Lister lister;
  each_field(lister, config);
  return std::move(lister.all);
}

std::string set_field(Json& config, const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error("--set", "--set = " + shown(assignment) + " must read field=value");
  if (!is_utf8(assignment)) throw Error("--set", "--set = " + shown(assignment) + " must be UTF-8");
  const std::string field = assignment.substr(0, equals), text = assignment.substr(equals + 1);
  Json value = Json::accept(text) ? parse_json(text, "--set " + field) : Json(text);
  Json* at = &config;
  std::string path;
  for (std::size_t from = 0;;) {
    const std::size_t dot = field.find('.', from);
    std::string key = field.substr(from, dot == std::string::npos ? dot : dot - from);
    Json* next = nullptr;
    if (at->is_array()) {
      next = element(*at, key);
      if (next != nullptr) key = std::to_string(next - &(*at)[0]);
    } else if (at->is_object() && !key.empty()) {
      next = &(*at)[key];
    }
    if (next == nullptr)
      throw Error("--set", "--set = " + shown(assignment) + " must name a field of the config");
    path += (path.empty() ? "" : ".") + key;
    at = next;
    if (dot == std::string::npos) break;
    if (at->is_null()) *at = Json::object();
    from = dot + 1;
  }
  *at = std::move(value);
  return path;
}

}  // namespace moe
