#pragma once

#include <charconv>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace moe {

/// The caller asked for something that has no meaning here. `field` names what, `what()` says "field = value must rule".
struct Error : std::invalid_argument {
  Error(std::string_view field_, const std::string& message)
      : std::invalid_argument(message), field(field_) {}
  std::string field;
};

/// The request is sound but cannot be carried out on this machine or in this build.
struct CannotRun : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A decision (which expert, which side of a kink) that this precision does not settle. Raise it; never guess.
struct Undecided : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A value as messages show it: reals by the shortest digits that read back.
template <typename Value>
void show(std::ostream& out, const Value& value) {
  if constexpr (std::is_floating_point_v<Value>) {
    char digits[40];
    out.write(digits, std::to_chars(digits, digits + sizeof digits, value).ptr - digits);
  } else {
    out << value;
  }
}

/// Throws Error "field = value rule" unless `ok`; `rule` is streamed and reads on, as in ("must lie in [1, ", E, "]").
template <typename Value, typename... Rule>
void require(bool ok, std::string_view field, const Value& value, const Rule&... rule) {
  if (ok) return;
  std::ostringstream message;
  message << field << " = ";
  show(message, value);
  message << ' ';
  (show(message, rule), ...);
  throw Error(field, message.str());
}

}  // namespace moe
