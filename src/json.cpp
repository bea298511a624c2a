#include "moe/json.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <set>
#include <vector>

#include "moe/error.h"

namespace moe {
namespace {

constexpr std::size_t kMaxDepth = 64;

/// A value that is neither object nor array. Of text, what is not UTF-8 becomes U+FFFD, and what terminals act on, DEL and
/// C1, is spelled as \u007f.
std::string scalar(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (!value.is_string()) return text;
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 = byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (!c1 && byte != 0x7F) {
      safe += text[i];
      continue;
    }
    char code[8];
    std::snprintf(code, sizeof code, "\\u%04x", c1 ? static_cast<unsigned char>(text[++i]) : byte);
    safe += code;
  }
  return safe;
}

/// "line 2, column 1: unexpected end of input; expected string literal", of what nlohmann/json says.
std::string fault(std::string said) {
  // Of a text without anything version 3.11.3 speaks of streams.
  if (said.find("parse an empty input") != std::string::npos)
    return "line 1, column 1: unexpected end of input";
  said.erase(0, said.find("] ") + 2);
  if (said.starts_with("parse error at ")) said.erase(0, std::string_view("parse error at ").size());
  const std::size_t context = said.find(": syntax error "), dash = said.find(" - ");
  if (context < dash && dash != std::string::npos) said.replace(context, dash + 3 - context, ": ");
  constexpr std::size_t kMost = 40;  // of what was read: its end is where the fault is
  const std::size_t from = said.find('\'') + 1, to = said.rfind('\'');
  if (from > 0 && to > from + kMost) said.replace(from, to - from - kMost, "...");
  return said;
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
    out += scalar(value);
    return;
  }
  const bool flat = is_flat(value) && indent > 0;
  const std::string line = '\n' + std::string(indent + 1, ' ');
  out += value.is_object() ? '{' : '[';
  bool first = true;
  for (const auto& [key, item] : value.items()) {
    if (!first) out += flat ? ", " : ",";
    if (!flat) out += line;
    if (value.is_object()) out += scalar(key) + ": ";
    print(item, indent + 1, out);
    first = false;
  }
  if (!flat) out += '\n' + std::string(indent, ' ');
  out += value.is_object() ? '}' : ']';
}

}  // namespace

namespace {

/// Refuses what parsing would accept, drop, or take for ever over. A pass of its own, because parsing with a callback
/// looks through all values of an object each time that one of them ends.
class Check : public nlohmann::json_sax<Json> {
 public:
  Check(const std::string& file, std::size_t most_keys) : file_(file), most_(most_keys) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (!keys_.back().insert(name).second)
      throw Error(name, file_ + ": " + shown(name) + " must not appear twice in one object");
    if (keys_.back().size() > most_)
      throw Error(file_, file_ + ": an object must not have more than " + std::to_string(most_) + " keys");
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& e) override {
    throw Error(file_, file_ + ": must be JSON: " + fault(e.what()));
  }

 private:
  bool open() {
    keys_.emplace_back();
    if (keys_.size() > kMaxDepth) throw Error(file_, file_ + ": nesting must not exceed 64 levels");
    return true;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  const std::string& file_;
  std::size_t most_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& file) {
  Check check(file, 4096);  // an ordered object is searched from its start for each key
  Json::sax_parse(text, &check);
  return Json::parse(text);
}

nlohmann::json parse_sorted_json(std::string_view text, const std::string& file) {
  Check check(file, SIZE_MAX);
  Json::sax_parse(text, &check);
  return nlohmann::json::parse(text);
}

Json parse_python_json(std::string_view text, const std::string& file) {
  std::string plain;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = 0;
    if (!quoted)
      for (const std::string_view word : {"-Infinity", "Infinity", "NaN"})
        if (length == 0 && text.substr(i).starts_with(word)) length = word.size();
    if (length > 0) {
      plain += "null", i += length;
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    if (quoted && text[i] == '\\' && i + 1 < text.size()) plain += text[i++];
    plain += text[i++];
  }
  Check check(file, 20000);
  Json::sax_parse(plain, &check);
  return Json(nlohmann::json::parse(plain));
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
