#include <algorithm>
#include <cctype>
#include <cmath>

#include "moe/error.h"
#include "moe/file.h"
#include "moe/json.h"
#include "moe/nearest.h"
#include "moe/printable.h"
#include "moe/roofline.h"

namespace moe {

extern const char* const kMachinesText;  // src/sizing/machines.json

namespace {

/// A machine of the table, and what else it is called.
struct Listed {
  Machine machine;
  std::vector<std::string> also;
};

/// The fields of one machine. `file` names where they stand in errors; `also` are keys that something else reads.
class MachineFields {
 public:
  MachineFields(const Json& json, const std::string& file, const std::vector<std::string>& also)
      : json_(json), file_(file) {
    if (!json.is_object()) throw Error(file, file + ": must be an object with " + enumerated(keys()));
    std::vector<std::string> known = keys();
    known.insert(known.end(), also.begin(), also.end());
    for (const auto& [key, value] : json.items())
      if (std::find(known.begin(), known.end(), key) == known.end())
        throw Error(key, file + ": " + shown(key) + " must be one of " + enumerated(keys()) +
                             did_you_mean(key, keys()));
  }
  std::string text(const char* key) const {
    if (!at(key).is_string()) refuse(key, "must be a string");
    std::string value = json_[key].get<std::string>();
    if (value.empty() || printable(value) != value) refuse(key, "must be printable, and not empty");
    return value;
  }
  double positive(const char* key) const {
    const bool fits = at(key).is_number() && json_[key].get<double>() > 0;
    if (!fits) refuse(key, "must be a positive number");
    return json_[key].get<double>();
  }
  bool is_null(const char* key) const { return at(key).is_null(); }
  bool has(const char* key) const { return json_.contains(key); }

 private:
  static const std::vector<std::string>& keys() {
    static const std::vector<std::string> all{"name", "peak", "peak_fp8", "bandwidth", "memory", "source"};
    return all;
  }

  const Json& at(const char* key) const {
    if (!has(key)) throw Error(key, file_ + ": must have " + key);
    return json_[key];
  }
  [[noreturn]] void refuse(const char* key, const std::string& rule) const {
    throw Error(key, file_ + ": " + key + " = " + shown(json_[key]) + ' ' + rule);
  }

  const Json& json_;
  const std::string& file_;
};

Machine machine_from_json(const Json& json, const std::string& file,
                          const std::vector<std::string>& also = {}) {
  const MachineFields fields(json, file, also);
  Machine m;
  m.name = fields.text("name");
  m.peak = fields.positive("peak"), m.bandwidth = fields.positive("bandwidth");
  if (!fields.is_null("memory")) m.memory = fields.positive("memory");
  if (fields.has("peak_fp8")) m.peak_fp8 = fields.positive("peak_fp8");
  m.source = fields.text("source");
  return m;
}

const std::vector<Listed>& listed_machines() {
  static const std::vector<Listed> all = [] {
    std::vector<Listed> read;
    const std::string file = "machines.json";
    for (const Json& row : parse_json(kMachinesText, file))
      read.push_back({machine_from_json(row, file, {"also"}),
                      row.value("also", Json::array()).get<std::vector<std::string>>()});
    return read;
  }();
  return all;
}

bool is_called(const Listed& one, const std::string& name) {
  return one.machine.name == name || std::find(one.also.begin(), one.also.end(), name) != one.also.end();
}

}  // namespace

const std::vector<Machine>& machines() {
  static const std::vector<Machine> all = [] {
    std::vector<Machine> of_list;
    for (const Listed& one : listed_machines()) of_list.push_back(one.machine);
    return of_list;
  }();
  return all;
}

Machine machine_in_file(const std::string& path) {
  return machine_from_json(parse_json(read_text(path), path), path);
}

Machine machine_called(const std::string& name) {
  if (name.find('/') != std::string::npos || name.ends_with(".json")) return machine_in_file(name);
  const auto lower = [](unsigned char c) { return static_cast<char>(std::tolower(c)); };
  std::string small(name);
  std::transform(name.begin(), name.end(), small.begin(), lower);
  std::vector<std::string> names;
  std::vector<const Machine*> of_family;  // m3 is m3-ultra
  for (const Listed& one : listed_machines()) {
    if (is_called(one, small)) return one.machine;
    if (one.machine.name.starts_with(small + '-')) of_family.push_back(&one.machine);
    names.push_back(one.machine.name);
  }
  if (of_family.size() == 1) return *of_family.front();
  throw Error("--hw", "--hw = \"" + name + "\" must be one of " + enumerated(names) +
                          ", or a path with / or .json, or be given by --peak and --bandwidth" +
                          did_you_mean(name, names));
}

std::optional<std::int64_t> devices_for(const Machine& machine, double bytes) {
  if (machine.memory <= 0) return std::nullopt;
  const double devices = std::max(1.0, std::ceil(bytes / machine.memory));
  require(devices <= 0x1p53, "memory", machine.memory, "must hold the weights in at most 2^53 devices");
  return static_cast<std::int64_t>(devices);
}

}  // namespace moe
