#include <cstdio>
#include <set>

#include "report_charts.h"
#include "report_page.h"
#include "text.h"

namespace moe {
namespace {

// What keeps the page small: passing cases say little, and a candidate that fails everywhere says it often.
constexpr std::size_t kMostPassing = 50, kMostOthers = 150, kMostOpen = 10, kMostTokens = 100;

std::string element(const std::string& tag, const std::string& kind, const std::string& inner) {
  return '<' + tag + (kind.empty() ? "" : " class=\"" + kind + '"') + '>' + inner + "</" + tag + '>';
}

/// The class of a status: its name in small letters.
std::string kind_of(Status status) {
  std::string kind = name_of(status);
  for (char& c : kind) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return kind;
}
std::string pill(Status status) { return element("span", "pill " + kind_of(status), name_of(status)); }

std::string number_text(double x, Format format) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", format == Format::F64 ? 17 : 9, x);
  return text;
}

std::string cell(const std::string& kind, const std::string& inner) { return element("td", kind, inner); }

/// Where the worst number lies, and what it is.
std::string worst_html(const Places& places, const TensorVerdict& v) {
  if (v.worst < 0) return cell("none", "–");
  const Place place = places.of(v, v.worst);
  std::string text = v.dims.empty() ? "" : element("b", "", escaped(place.index));
  if (place.token >= 0) text += " token " + std::to_string(place.token);
  if (place.expert >= 0) text += (place.token >= 0 ? ", expert " : " expert ") + std::to_string(place.expert);
  text +=
      element("small", "", number_text(v.got, v.format) + ", expected " + number_text(v.expected, v.format));
  return cell("where", text);
}

std::string tensor_html(const Places& places, const TensorVerdict& v) {
  const bool real = worst_ratio(v).has_value();
  std::string row = cell("", element("b", "", escaped(v.name)) +
                                 element("small", "",
                                         std::string(info_of(v.format).name) + ' ' + shape_text(v.dims) +
                                             (v.isolated ? ", isolated" : "")));
  row += cell("", pill(v.status));
  row +=
      cell("n", std::to_string(v.judged) +
                    (v.judged == v.numbers ? "" : element("small", "", "of " + std::to_string(v.numbers))));
  row += cell("ratio", budget_bar(worst_ratio(v))) + worst_html(places, v);
  row += cell("n", real ? short_text(v.z_rms) : "–") + cell("n", real ? short_text(v.validated_bits) : "–");
  row += cell("", real ? ulp_chart(v.ulps) : "–");
  std::string rows = element("tr", v.status == Status::Pass ? "" : kind_of(v.status), row);
  if (!v.reason.empty())
    rows +=
        "<tr class=\"why " + kind_of(v.status) + "\"><td colspan=\"8\">" + escaped(v.reason) + "</td></tr>";
  return rows;
}

std::string tensor_table(const std::string& rows) {
  return "<div class=\"wide\"><table class=\"tensors\"><thead><tr><th>tensor</th><th>status</th>"
         "<th class=\"n\">judged</th><th>error over budget</th><th>worst number</th>"
         "<th class=\"n\">z rms</th><th class=\"n\">bits</th><th>ulps off, 0 to "
         "2<sup>22</sup></th></tr></thead>" +
         element("tbody", "", rows) + "</table></div>";
}

/// The tensors of a case; those that pass in a case that does not are folded away.
std::string tensors_html(const CaseVerdict& c) {
  const Places places(c);
  std::size_t n = 0;
  std::string passing, others;
  for (const Status s :
       {Status::Fail, Status::Flag, Status::Partial, Status::Skipped, Status::LowPower, Status::Pass})
    for (const TensorVerdict& v : c.tensors) {
      if (v.status != s) continue;
      (s == Status::Pass ? passing : others) += tensor_html(places, v);
      n += s == Status::Pass ? 1 : 0;
    }
  std::string html = others.empty() ? "" : tensor_table(others);
  if (passing.empty()) return html;
  if (c.status == Status::Pass) return html + tensor_table(passing);
  return html +
         element("details", "rest",
                 element("summary", "", std::to_string(n) + (n == 1 ? " tensor passes" : " tensors pass")) +
                     tensor_table(passing));
}

/// Ids of experts; those that are not in `other` stand out.
std::string ids_html(const std::vector<Index>& ids, const std::vector<Index>& other) {
  std::string html;
  for (const Index e : ids) {
    const bool common = std::find(other.begin(), other.end(), e) != other.end();
    html +=
        (html.empty() ? "" : " ") + element(common ? "span" : "b", common ? "" : "odd", std::to_string(e));
  }
  return cell("ids", html);
}

std::string token_html(Index t, const TokenRouting& token) {
  constexpr std::array certainties{"certain", "ambiguous", "tie"};
  return element("tr", "",
                 cell("n", std::to_string(t)) + ids_html(token.expected, token.got) +
                     ids_html(token.got, token.expected) + cell("n", short_text(token.margin)) +
                     cell("n", short_text(token.bound)) +
                     cell("", certainties[static_cast<std::size_t>(token.certainty)]) +
                     cell("", token.admissible ? "admissible" : element("b", "odd", "wrong")));
}

/// `reason`: that of the case, which need not be said again.
std::string routing_html(const RoutingVerdict& routing, const std::string& reason) {
  std::array<Index, 3> counts{};
  Index others = 0, shown = 0;
  std::string rows;
  for (std::size_t t = 0; t < routing.tokens.size(); ++t) {
    const TokenRouting& token = routing.tokens[t];
    counts[static_cast<std::size_t>(token.certainty)] += 1;
    if (token.agrees && token.admissible) continue;
    others += 1;
    if (others <= static_cast<Index>(kMostTokens))
      shown += 1, rows += token_html(static_cast<Index>(t), token);
  }
  std::string html = pill(routing.status) + " <b>routing</b> of " + std::to_string(routing.tokens.size()) +
                     " tokens: " + std::to_string(counts[0]) + " certain, " + std::to_string(counts[1]) +
                     " ambiguous, " + std::to_string(counts[2]) + " tied";
  if (others == 0 && routing.reason.empty()) html += "; all as expected";
  if (!reason.ends_with(routing.reason)) html += ". " + escaped(routing.reason);
  html = element("p", "routing", html);
  if (rows.empty()) return html;
  if (shown < others) html += element("p", "hint", "The first " + std::to_string(shown) + " of them:");
  return html +
         "<div class=\"wide\"><table class=\"tokens\"><thead><tr><th class=\"n\">token</th><th>expected</th>"
         "<th>got</th><th class=\"n\">margin</th><th class=\"n\">logits may be off</th><th>choice</th>"
         "<th>verdict</th></tr></thead>" +
         element("tbody", "", rows) + "</table></div>";
}

std::string names_html(const std::string& what, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  std::string html = "<b>" + what + "</b>";
  for (const std::string& name : names) html += ' ' + element("code", "", escaped(name));
  return element("p", "names", html);
}

std::string case_body(const CaseVerdict& c) {
  std::string html;
  if (!c.reason.empty()) html += element("p", "reason", escaped(c.reason));
  if (c.routing) html += routing_html(*c.routing, c.reason);
  html += heat_maps(c) + tensors_html(c);
  return html + names_html("not returned", c.missing) + names_html("unknown names", c.unknown);
}

std::string attribute(const std::string& name, const std::string& value) {
  return " data-" + name + "=\"" + escaped(value) + '"';
}

/// A case as a line that unfolds, or as a line alone.
std::string case_html(const CaseVerdict& c, bool detailed, bool open) {
  const std::optional<double> ratio = worst_ratio(c);
  const std::string note = c.reason.empty() && c.routing ? c.routing->reason : c.reason;
  const std::string line =
      pill(c.status) + element("span", "id", escaped(c.id) + element("small", "", escaped(note))) +
      element("span", "profile", escaped(c.profile)) + element("span", "ratio", budget_bar(ratio));
  const std::string data =
      attribute("status", kind_of(c.status)) + attribute("rank", std::to_string(static_cast<int>(c.status))) +
      attribute("ratio", ratio ? std::isfinite(*ratio) ? print_real(*ratio) : "1e999" : "-1") +
      attribute("id", c.id);
  if (!detailed) return "<div class=\"case\"" + data + ">" + element("div", "line", line) + "</div>";
  return "<details class=\"case\"" + data + (open ? " open" : "") + "><summary class=\"line\">" + line +
         "</summary>" + element("div", "body", case_body(c)) + "</details>";
}

std::string cases_html(const CheckReport& report) {
  std::size_t passing = 0, others = 0, left_out = 0, open = 0;
  std::string list;
  for (const CaseVerdict* c : worst_first(report)) {
    const bool pass = c->status == Status::Pass;
    const bool detailed = pass ? passing++ < kMostPassing : others++ < kMostOthers;
    const bool opened = c->status == Status::Fail && open++ < kMostOpen;
    left_out += detailed ? 0 : 1;
    list += case_html(*c, detailed, opened);
  }
  std::string html;
  if (left_out > 0)
    html = element("p", "hint",
                   "The first " + std::to_string(kMostPassing) + " cases that pass and " +
                       std::to_string(kMostOthers) + " others unfold; " + std::to_string(left_out) +
                       " more are listed alone. The JSON report has the details of all.");
  return html + "<div id=\"cases\">" + list + "</div>";
}

/// Buttons that show one status alone, each as wide in the strip above as it has cases.
std::string counts_html(const CheckReport& report) {
  const auto counts = counts_of(report);
  std::string strip, buttons;
  for (const Status s :
       {Status::Fail, Status::Flag, Status::Partial, Status::LowPower, Status::Skipped, Status::Pass}) {
    const Index n = counts[static_cast<std::size_t>(s)];
    if (n == 0) continue;
    strip += "<i class=\"" + kind_of(s) + "\" style=\"flex-grow:" + std::to_string(n) + "\"></i>";
    buttons += "<button type=\"button\" class=\"count " + kind_of(s) + "\"" + attribute("only", kind_of(s)) +
               "><b>" + std::to_string(n) + "</b>" + name_of(s) + "</button>";
  }
  return element("div", "share", strip) + element("div", "counts", buttons);
}

std::string list_html(const std::string& what, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string items;
  for (const std::string& line : lines) items += element("li", "", escaped(line));
  return element("dt", "", what) + element("dd", "", element("ul", "", items));
}
std::string fact_html(const std::string& what, const std::string& kind, const std::string& text) {
  return text.empty() ? "" : element("dt", "", what) + element("dd", "", element(kind, "", escaped(text)));
}

std::string header_html(const CheckReport& report) {
  const Status status = status_of(report);
  std::set<std::string> profiles;
  for (const CaseVerdict& c : report.cases)
    if (!c.profile.empty()) profiles.insert(c.profile);
  std::string list;
  for (const std::string& name : profiles) list += (list.empty() ? "" : ", ") + name;
  std::vector<std::string> arithmetic;
  for (const FoundArithmetic& found : report.found)
    if (std::string words = arithmetic_text(found); !words.empty()) arithmetic.push_back(std::move(words));
  const std::string facts =
      fact_html("command", "code", report.command) +
      fact_html(profiles.size() == 1 ? "profile" : "profiles", "span", list) +
      list_html("arithmetic", arithmetic) + fact_html("refused", "span", declined_text(report)) +
      list_html("not returned", missing_lines(report)) + list_html("unknown names", unknown_lines(report)) +
      fact_html("the worst again", "code", rerun_of(report));
  return "<header class=\"" + kind_of(status) + "\"><p class=\"what\">moe-oracle check</p><h1>" +
         pill(status) + ' ' + escaped(report.candidate) + "</h1>" +
         element("p", "totals", totals_text(report)) + counts_html(report) + element("dl", "", facts) +
         "</header>";
}

constexpr const char* kTools =
    "<nav><input type=\"search\" id=\"find\" placeholder=\"Find a case\" aria-label=\"Find a case\"/>"
    "<span>sort by</span><button type=\"button\" data-sort=\"rank\" class=\"on\">status</button>"
    "<button type=\"button\" data-sort=\"ratio\">error</button><button type=\"button\" "
    "data-sort=\"id\">name</button><span></span><button type=\"button\" id=\"fold\">fold all</button></nav>";

constexpr const char* kNotes =
    "<footer><p>Budget: the most that any evaluation in the arithmetic of the profile may be off (HARD); "
    "more "
    "fails. z rms: errors over their typical size. Bits: what an error must exceed to be seen. Ulps: "
    "distances "
    "from the expected number in units in its last place; the height of a bar is the logarithm of the "
    "count. Tensors without any error are in no map.</p></footer>";

}  // namespace

std::string report_html(const CheckReport& report) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
         "<meta name=\"color-scheme\" content=\"light dark\"/>" +
         element("title", "", std::string(name_of(status_of(report))) + " · " + escaped(report.candidate)) +
         element("style", "", kPageStyle) + "</head><body><main>" + header_html(report) + kTools +
         cases_html(report) + kNotes + "</main>" + element("script", "", kPageScript) + "</body></html>\n";
}

}  // namespace moe
