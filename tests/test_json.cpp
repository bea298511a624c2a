#include <limits>

#include "moe/json.h"
#include "support.h"

using namespace moe;

namespace {
std::string error_in(const std::string& text) {
  return error_of([&] { parse_json(text, "f.json"); });
}
}  // namespace

TEST_CASE("json: many keys are refused where they would be searched one by one") {
  std::string text = "{";
  for (int i = 0; i < 5000; ++i) text += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
  text += '}';
  CHECK(error_of([&] { parse_json(text, "f.json"); }) ==
        "f.json: an object must not have more than 4096 keys");
  CHECK(parse_sorted_json(text, "f.json").size() == 5000);
}

TEST_CASE("json: numbers are the shortest decimals, with a point, and -0.0 keeps its sign") {
  CHECK(print_real(1) == "1.0");
  CHECK(print_real(-0.0) == "-0.0");
  CHECK(print_real(0.1) == "0.1");
  CHECK(print_real(1e22) == "1e+22");
  CHECK(print_real(5e-324) == "5e-324");
  CHECK(print_real(1.0 / 3) == "0.3333333333333333");
  CHECK(print_real(std::nan("")) == "\"NaN\"");
  CHECK(print_real(std::numeric_limits<double>::infinity()) == "\"Infinity\"");
  CHECK(print_real(-std::numeric_limits<double>::infinity()) == "\"-Infinity\"");
}

TEST_CASE("json: what is printed reads back as the same bits") {
  for (std::uint64_t i = 1; i < 2000; ++i) {
    const double value = std::bit_cast<double>(i * 0x9E3779B97F4A7C15);
    if (!std::isfinite(value)) continue;
    CHECK(std::bit_cast<std::uint64_t>(parse_json(print_real(value), "f").get<double>()) ==
          std::bit_cast<std::uint64_t>(value));
  }
}

TEST_CASE("json: one line for what holds no nested object") {
  CHECK(print_json({{"a", {{"b", {1, 2}}, {"c", "x"}}}, {"d", {0.5}}}) ==
        "{\n \"a\": {\"b\": [1, 2], \"c\": \"x\"},\n \"d\": [0.5]\n}\n");
  CHECK(print_json(Json::object()) == "{}\n");
}

TEST_CASE("json: what others accept in silence is refused here") {
  CHECK(error_in(R"({"a": 1, "b": {"a": 2, "a": 3}})") ==
        "f.json: \"a\" must not appear twice in one object");
  CHECK(error_in(std::string(65, '[') + std::string(65, ']')) == "f.json: nesting must not exceed 64 levels");
  CHECK(error_in(std::string(200000, '[')) == "f.json: nesting must not exceed 64 levels");
  CHECK(error_in(std::string(64, '[') + std::string(64, ']')) == "no error");
  for (const std::string bad :
       {"", "{", "[1,]", "NaN", "{\"a\":1e400}", "1 2", "\xff", "{'a':1}", "[1e400]", "\"\\u12\""}) {
    CAPTURE(bad);
    CHECK(error_in(bad).starts_with("f.json: must be JSON: "));
    CHECK(error_in(bad).find('\n') == std::string::npos);
    CHECK(error_in(bad).find("json.exception") == std::string::npos);
  }
}

TEST_CASE("json: where a document is none, and what was read there") {
  CHECK(error_in("{\n") ==
        "f.json: must be JSON: line 2, column 1: unexpected end of input; expected string literal");
  CHECK(error_in("[1,]") ==
        "f.json: must be JSON: line 1, column 4: unexpected ']'; expected '[', '{', or a literal");
  CHECK(error_in("[nope]") == "f.json: must be JSON: line 1, column 3: invalid literal; last read: '[no'");
  CHECK(error_in("[1e400]") == "f.json: must be JSON: number overflow parsing '1e400'");
  CHECK(error_in('"' + std::string(5000, 'x')) ==
        "f.json: must be JSON: line 1, column 5002: invalid string: missing closing quote; last read: '..." +
            std::string(40, 'x') + '\'');
}

TEST_CASE("json: what a terminal would act on is escaped, and what is not UTF-8 replaced") {
  CHECK(print_json({{"a\x7f\u009b", "\x1b\u0080\u00A0é"}}) ==
        "{\n \"a\\u007f\\u009b\": \"\\u001b\\u0080\u00A0é\"\n}\n");
  CHECK(print_json("\xff") == "\"\uFFFD\"\n");
}

TEST_CASE("json: values in errors are short, and on one line") {
  CHECK(shown(Json(0.5)) == "0.5");
  CHECK(shown(Json("a\nb")) == "\"a\\nb\"");
  CHECK(shown(Json(std::string(100, 'x'))).size() == 60);
  CHECK(shown(Json("\xff")) != "");
}

TEST_CASE("json: what Python writes of infinities is null, in texts it is text") {
  const Json json =
      parse_python_json(R"({"a": [0.0, Infinity, -Infinity], "b": NaN, "c": "NaN \"Infinity\" \\"})", "f");
  CHECK(json["a"] == Json::array({0.0, nullptr, nullptr}));
  CHECK(json["b"].is_null());
  CHECK(json["c"] == "NaN \"Infinity\" \\");
  CHECK_THROWS_AS(parse_python_json(R"({"a": 1Infinity})", "f"), Error);
  CHECK_THROWS_AS(parse_python_json(R"({"a": 1, "a": 2})", "f"), Error);
  CHECK_THROWS_AS(parse_python_json("{\"a\": \"Infinity", "f"), Error);
  std::string many = "{";
  for (int i = 0; i < 20000; ++i) many += '"' + std::to_string(i) + "\": 1, ";
  CHECK(parse_python_json(many.substr(0, many.size() - 2) + '}', "f").size() == 20000);
  CHECK_THROWS_AS(parse_python_json(many + "\"more\": 1}", "f"), Error);
}
