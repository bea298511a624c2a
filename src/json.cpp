#include "moe/json.h"

#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include "moe/error.h"

namespace moe {
namespace {

constexpr std::size_t kMaxDepth = 64;

std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text;
}

bool is_flat(const Json& value) {
  for (const Json& item : value)
    if (item.is_object() || (item.is_array() && !is_flat(item))) return false;
  return true;
}

void print(const Json& value, std::size_t indent, std::string& out) {
  if (value.is_number_float()) {
    out += print_real(value.get<double>());
    return;
  }
  if (!value.is_structured() || value.empty()) {
    out += value.dump();
    return;
  }
  const bool flat = is_flat(value) && indent > 0;
  const std::string line = '\n' + std::string(indent + 1, ' ');
  out += value.is_object() ? '{' : '[';
  bool first = true;
  for (const auto& [key, item] : value.items()) {
    if (!first) out += flat ? ", " : ",";
    if (!flat) out += line;
    if (value.is_object()) out += Json(key).dump() + ": ";
    print(item, indent + 1, out);
    first = false;
  }
  if (!flat) out += '\n' + std::string(indent, ' ');
  out += value.is_object() ? '}' : ']';
}

}  // namespace

Json parse_json(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      keys.emplace_back();
      if (keys.size() > kMaxDepth) throw Error(file, file + ": nesting must not exceed 64 levels");
    }
    if (event == Event::object_end || event == Event::array_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second)
      throw Error(parsed.get<std::string>(),
                  file + ": " + shown(parsed) + " must not appear twice in one object");
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::exception& e) {
    throw Error(file, file + ": must be JSON: " + one_line(e.what()));
  }
}

std::string print_real(double value) {
  if (std::isnan(value)) return "\"NaN\"";
  if (std::isinf(value)) return value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  char digits[40];
  std::string text(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string print_json(const Json& document) {
  std::string out;
  print(document, 0, out);
  return out + '\n';
}

std::string shown(const Json& value) {
  std::string text = value.is_number_float() ? print_real(value.get<double>())
                                             : value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

}  // namespace moe
