#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "moe/json.h"
#include "moe/plot.h"

/// What the verbs that size models print: a table as text, as CSV and as JSON, and a plot.
namespace moe::cli {

/// What a number is: an integer that was counted, a formula's expectation under its assumptions, or timed or drawn here.
enum class Kind { Exact, Model, Measured };
const char* name_of(Kind kind);

/// An entry as people and as machines read it.
struct Cell {
  std::string text;
  Json value;
};
Cell words(const std::string& text);
Cell none();                                          // "-" and null
Cell whole(std::int64_t n);                           // 1,234,567
Cell real(double x, int digits = 4);                  // significant digits; none() where it is not a number
Cell scaled(double x, const std::string& unit = "");  // 1.235 MB, or 1.235 B of what is counted: moe::amount
Cell percent(double share, int digits = 4);           // of 1; the value stays the share
Cell kind(Kind k);

/// Columns with names, and rows. Names are the keys of its JSON, and the first line of its CSV.
class Table {
 public:
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row);

  /// Aligned: what starts as a number does to the right.
  std::string text() const;
  std::string csv() const;
  Json json() const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<Cell>> rows_;
};

/// How a verb answers: --json, --csv, --plot.
struct Output {
  bool json = false, csv = false;
  std::string plot;

  void add_to(CLI::App& verb, bool can_plot = true);
  /// Prints one of the three, then draws. Throws Error where they exclude each other, before it prints anything.
  int print(const Json& document, const Table& table, const std::string& text,
            const std::function<Plot()>& plot_of = {}) const;
};

/// Text in lines of at most 80 columns, each behind `indent`.
std::string wrapped(const std::string& text, const std::string& indent = "");

/// A number above zero, as in 3e9, 14.8T or 32k (powers of 1000: k or K, M, G or B, T, P, E), or an Error that names the option.
double parse_quantity(const std::string& option, const std::string& text);

}  // namespace moe::cli
