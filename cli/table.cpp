#include "table.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "moe/error.h"
#include "moe/printable.h"
#include "moe/units.h"
#include "verbs.h"

namespace moe::cli {
namespace {

bool starts_as_number(const std::string& text) {
  return !text.empty() &&
         (std::isdigit(static_cast<unsigned char>(text[0])) != 0 || text[0] == '-' || text[0] == '+');
}

std::string significant(double x, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*g", digits, x);
  return text;
}

/// The columns that a text takes on a terminal: its code points.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string csv_field(const Json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) {
    const std::string text = print_json(value);
    return text.substr(0, text.find('\n'));
  }
  std::string text = printable(value.get<std::string>());
  if (text.find_first_of(",\"") == std::string::npos) return text;
  for (std::size_t i = text.find('"'); i != std::string::npos; i = text.find('"', i + 2))
    text.insert(i, 1, '"');
  return '"' + text + '"';
}

}  // namespace

const char* name_of(Kind kind) {
  return kind == Kind::Exact ? "exact" : kind == Kind::Model ? "model" : "measured";
}

Cell words(const std::string& text) { return {printable(text), text}; }
Cell none() { return {"-", nullptr}; }
Cell whole(std::int64_t n) { return {n < 0 ? '-' + with_commas(-n) : with_commas(n), n}; }
Cell real(double x, int digits) { return std::isfinite(x) ? Cell{significant(x, digits), x} : none(); }
Cell percent(double share, int digits) {
  if (!std::isfinite(share)) return none();
  const bool tiny =
      share > 0 && share < 1e-6;  // one in a million: its digits would only be noise to a reader
  return {tiny ? "<0.0001 %" : significant(100 * share, digits) + " %", share};
}
Cell kind(Kind k) { return words(name_of(k)); }

Cell scaled(double x, const std::string& unit) {
  if (!std::isfinite(x)) return none();
  return {amount(x, unit), x};
}

void Table::add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }

std::string Table::text() const {
  std::vector<std::size_t> widths;
  std::vector<bool> right;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    widths.push_back(width_of(printable(columns_[c])));
    right.push_back(c > 0 && std::any_of(rows_.begin(), rows_.end(),
                                         [&](const auto& row) { return starts_as_number(row[c].text); }));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], width_of(row[c].text));
  }
  std::string all;
  const auto line = [&](const auto& text_of) {
    std::string text;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string entry = text_of(c), space(widths[c] - width_of(entry), ' ');
      text += (c > 0 ? "  " : "") + (right[c] ? space + entry : entry + space);
    }
    all += text.substr(0, text.find_last_not_of(' ') + 1) + '\n';
  };
  line([&](std::size_t c) { return printable(columns_[c]); });
  for (const auto& row : rows_) line([&](std::size_t c) { return row[c].text; });
  return all;
}

std::string Table::csv() const {
  std::string all;
  for (std::size_t c = 0; c < columns_.size(); ++c) all += (c > 0 ? "," : "") + csv_field(columns_[c]);
  for (const auto& row : rows_) {
    all += '\n';
    for (std::size_t c = 0; c < row.size(); ++c) all += (c > 0 ? "," : "") + csv_field(row[c].value);
  }
  return all + '\n';
}

Json Table::json() const {
  Json all = Json::array();
  for (const auto& row : rows_) {
    Json object = Json::object();
    for (std::size_t c = 0; c < row.size(); ++c) object[columns_[c]] = row[c].value;
    all.push_back(object);
  }
  return all;
}

void Output::add_to(CLI::App& verb, bool can_plot) {
  verb.add_flag("--json", json, "print JSON");
  verb.add_flag("--csv", csv, "print the table as CSV");
  if (can_plot)
    verb.add_option("--plot", plot, "draw it: FILE.svg, FILE.png, or - for the terminal (needs gnuplot)")
        ->type_name("FILE")
        ->check(kNotEmpty);
}

int Output::print(const Json& document, const Table& table, const std::string& text,
                  const std::function<Plot()>& plot_of) const {
  if (json && csv) throw Error("--csv", "--csv has no meaning beside --json");
  if (plot == "-" && (json || csv))
    throw Error("--plot", "--plot = - has no meaning beside --json and --csv");
  const std::string drawn = plot.empty() ? "" : printable_lines(draw(plot_of(), plot));
  std::fputs((json ? print_json(document) : csv ? table.csv() : printable_lines(text)).c_str(), stdout);
  if (!drawn.empty()) std::fputs(('\n' + drawn).c_str(), stdout);
  if (!plot.empty() && drawn.empty() && !json && !csv) std::printf("wrote     %s\n", printable(plot).c_str());
  return 0;
}

std::string wrapped(const std::string& text, const std::string& indent) {
  std::istringstream words_of(text);
  std::string all, line = indent, word;
  while (words_of >> word) {
    if (width_of(line) > indent.size() && width_of(line) + 1 + width_of(word) > 80) {
      all += line + '\n';
      line = indent;
    }
    line += (line.size() > indent.size() ? " " : "") + word;
  }
  return all + line + '\n';
}

}  // namespace moe::cli
