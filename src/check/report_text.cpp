#include <cstdio>

#include "moe/printable.h"
#include "moe/report.h"
#include "text.h"

namespace moe {
namespace {

constexpr std::size_t kColumns = 80, kNote = 11, kMostTensors = 5;

/// The words of a text in lines that begin with `indent` spaces; a word that is too long has a line for itself.
std::string wrapped(const std::string& text, std::size_t indent) {
  std::string lines, line;
  std::istringstream words(printable(text));
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + 1 + word.size() > kColumns) lines += line + '\n', line.clear();
    line += line.empty() ? std::string(indent, ' ') + word : ' ' + word;
  }
  return line.empty() ? lines : lines + line + '\n';
}

template <typename... Values>
std::string formatted(const char* format, Values... values) {
  char text[400];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

std::string index_text(Index i) { return i < 0 ? "-" : std::to_string(i); }

std::string number_text(double x) { return formatted("%.4g", x); }

std::string ratio_text(std::optional<double> ratio) { return ratio ? formatted("%.3g", *ratio) : "-"; }

/// One number that is wrong: where, whose, and by how much.
std::string number_line(const Places& places, const TensorVerdict& v) {
  const Place place = places.of(v, v.worst);
  return formatted("  %-22s %-11s %5s %6s %10s %10s %8s\n", beginning(printable(v.name), 60).c_str(),
                   place.index.c_str(), index_text(place.token).c_str(), index_text(place.expert).c_str(),
                   number_text(v.got).c_str(), number_text(v.expected).c_str(),
                   ratio_text(worst_ratio(v)).c_str());
}

/// The tensors that fail or are flagged: those whose worst number tells why in a table, the others in words.
std::string tensor_lines(const CaseVerdict& c) {
  std::vector<const TensorVerdict*> bad;
  for (const TensorVerdict& v : c.tensors)
    if (v.status >= Status::Flag) bad.push_back(&v);
  std::stable_sort(bad.begin(), bad.end(), [](const TensorVerdict* a, const TensorVerdict* b) {
    return std::pair(a->status, worst_ratio(*a)) > std::pair(b->status, worst_ratio(*b));
  });
  const Places places(c);
  std::string table, words;
  for (std::size_t i = 0; i < std::min(bad.size(), kMostTensors); ++i) {
    const TensorVerdict& v = *bad[i];
    if (v.status == Status::Fail && v.worst >= 0)
      table += number_line(places, v);
    else if (c.reason != v.name + ' ' + v.reason)
      words += wrapped(v.name + ' ' + v.reason, 2);
  }
  if (!table.empty())
    table = formatted("  %-22s %-11s %5s %6s %10s %10s %8s\n", "tensor", "worst at", "token", "expert", "got",
                      "expected", "x budget") +
            table;
  if (bad.size() > kMostTensors)
    words += "  and " + std::to_string(bad.size() - kMostTensors) + " more that fail or are flagged\n";
  return table + words;
}

/// How many cases from here on are skipped for one reason.
std::size_t skipped_alike(const std::vector<CaseVerdict>& cases, std::size_t from) {
  std::size_t to = from;
  while (to < cases.size() && cases[to].status == Status::Skipped && cases[to].reason == cases[from].reason)
    ++to;
  return to - from;
}
std::string skipped_lines(const std::vector<CaseVerdict>& cases, std::size_t from, std::size_t n) {
  const std::string ids = beginning(printable(cases[from].id + " to " + cases[from + n - 1].id), 200);
  return formatted("%-9s  %zu cases, %s\n", name_of(Status::Skipped), n, ids.c_str()) +
         wrapped(cases[from].reason, kNote);
}

std::string case_lines(const CaseVerdict& c) {
  std::string text =
      formatted("%-9s  %-34s  %-19s  %8s\n", name_of(c.status), beginning(printable(c.id), 200).c_str(),
                beginning(printable(c.profile), 100).c_str(), ratio_text(worst_ratio(c)).c_str());
  text += wrapped(c.reason, kNote);
  if (c.strictest && !c.strictest->tensor.empty())
    text += wrapped(
        "on the strictest rung: " + c.strictest->tensor + ' ' + ratio_text(c.strictest->ratio) + " times",
        kNote);
  if (c.routing && "routing: " + c.routing->reason != c.reason) text += wrapped(c.routing->reason, kNote);
  return c.status >= Status::Flag ? text + tensor_lines(c) : text;
}

}  // namespace

std::string shell_quoted(const std::string& argument) {
  const bool plain = std::all_of(argument.begin(), argument.end(), [](unsigned char ch) {
    return std::isalnum(ch) != 0 ||
           std::string_view("/._-,=").find(static_cast<char>(ch)) != std::string_view::npos;
  });
  if (plain && !argument.empty()) return argument;
  std::string text = "'";
  for (const char ch : argument) text += ch == '\'' ? std::string("'\\''") : std::string(1, ch);
  return text + '\'';
}

std::string rerun_of(const CheckReport& report) {
  constexpr std::string_view id = "{id}";
  const std::size_t from = report.rerun.find(id);
  const std::vector<const CaseVerdict*> cases = worst_first(report);
  if (cases.empty() || cases.front()->status < Status::Flag) return "";
  std::string command = report.rerun;
  return from == std::string::npos ? command
                                   : command.replace(from, id.size(), shell_quoted(cases.front()->id));
}

std::string report_text(const CheckReport& report) {
  std::string text = formatted("%-9s  %-34s  %-19s  %8s\n", "status", "case", "profile", "x budget");
  constexpr std::size_t kFew = 3;  // so many cases that are skipped alike have a line each
  for (std::size_t i = 0; i < report.cases.size();) {
    const std::size_t alike = skipped_alike(report.cases, i);
    text += alike > kFew ? skipped_lines(report.cases, i, alike) : case_lines(report.cases[i]);
    i += alike > kFew ? alike : 1;
  }
  text += '\n';
  for (const std::string& line : missing_lines(report)) text += wrapped("not returned: " + line, 0);
  for (const std::string& line : unknown_lines(report)) text += wrapped("unknown name: " + line, 0);
  for (const FoundArithmetic& found : report.found) text += wrapped(arithmetic_text(found), 0);
  const std::string declined = declined_text(report);
  const std::string again = rerun_of(report);
  if (!again.empty()) text += "the worst again: " + printable(again) + '\n';
  return text + totals_text(report) + (declined.empty() ? "" : "; " + printable(declined)) + '\n';
}

}  // namespace moe
