#include "report_charts.h"

#include "moe/printable.h"
#include "text.h"

namespace moe {
namespace {

/// The steps of colour: a cell has the first whose bound its ratio does not exceed. More than 1 fails.
struct Step {
  double most;
  const char* label;
};
constexpr std::array<Step, 9> kSteps{{{0, "0"},
                                      {0.01, "to 0.01"},
                                      {0.1, "to 0.1"},
                                      {0.3, "to 0.3"},
                                      {1, "to 1"},
                                      {10, "to 10"},
                                      {1000, "to 1000"},
                                      {1e300, "more"},
                                      {HUGE_VAL, "∞"}}};
constexpr Index kMostCells = 128;  // a longer row is drawn as the worst of several places each
constexpr Index kFewCells = 64;    // so many are drawn apart

std::string ratio_text(double ratio) { return std::isfinite(ratio) ? short_text(ratio) : "∞"; }

std::size_t step_of(double ratio) {
  std::size_t step = 0;
  while (step + 1 < kSteps.size() && !(ratio <= kSteps[step].most)) ++step;
  return step;
}

/// The worst ratio at each place along one axis; below 0 where there is none.
using Cells = std::vector<double>;
struct HeatRow {
  std::string name;
  Cells cells;
};
struct HeatMap {
  const char* axis;
  std::vector<HeatRow> rows;
};

void raise(Cells& cells, Index i, double ratio) {
  if (static_cast<Index>(cells.size()) <= i) cells.resize(static_cast<std::size_t>(i) + 1, -1);
  at(cells, i) = std::max(at(cells, i), ratio);
}

/// The three maps of a case, of the tensors that have an error.
std::array<HeatMap, 3> maps_of(const CaseVerdict& verdict) {
  std::array<HeatMap, 3> maps{{{"token", {}}, {"expert", {}}, {"row", {}}}};
  const Places places(verdict);
  for (const TensorVerdict& v : verdict.tensors) {
    if (v.row_ratio.size() < 2 || *std::max_element(v.row_ratio.begin(), v.row_ratio.end()) == 0) continue;
    std::array<Cells, 3> cells;
    const std::vector<Place> of_rows = places.of_rows(v);
    for (std::size_t r = 0; r < of_rows.size(); ++r) {
      const Index t = of_rows[r].token, e = of_rows[r].expert;
      if (t >= 0) raise(cells[0], t, v.row_ratio[r]);
      if (e >= 0) raise(cells[1], e, v.row_ratio[r]);
      if (t < 0 && e < 0) raise(cells[2], static_cast<Index>(r), v.row_ratio[r]);
    }
    for (std::size_t m = 0; m < maps.size(); ++m)
      if (!cells[m].empty()) maps[m].rows.push_back({v.name, std::move(cells[m])});
  }
  return maps;
}

/// How many places share a cell.
Index group_of(Index places) { return std::max<Index>(1, (places + kMostCells - 1) / kMostCells); }

/// One row of cells: a path for each colour.
std::string strip(const Cells& cells, Index places) {
  const Index group = group_of(places), columns = (places + group - 1) / group;
  std::array<std::string, kSteps.size()> paths;
  for (Index c = 0; c < columns; ++c) {
    double worst = -1;
    for (Index i = c * group; i < std::min((c + 1) * group, static_cast<Index>(cells.size())); ++i)
      worst = std::max(worst, at(cells, i));
    if (worst >= 0) paths[step_of(worst)] += 'M' + std::to_string(c) + " 0h1v1h-1z";
  }
  std::string svg = "<svg class=\"strip";
  svg += (columns <= kFewCells ? " apart" : "");
  svg += "\" viewBox=\"0 0 " + std::to_string(columns) +
         " 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">";
  for (std::size_t s = 0; s < paths.size(); ++s)
    if (!paths[s].empty()) svg += "<path class=\"h" + std::to_string(s) + "\" d=\"" + paths[s] + "\"/>";
  return svg + "</svg>";
}

/// The numbers 0, .. below the strips, at most eight of them, each below the middle of its cell.
std::string ticks(Index places) {
  const Index step = std::max<Index>(1, (places + 7) / 8);
  std::string text = "<div></div><div class=\"ticks\">";
  for (Index i = 0; i < places; i += step) {
    const double middle = 100 * (static_cast<double>(i) + 0.5) / static_cast<double>(places);
    text += "<span style=\"left:" + short_text(middle) + "%\">" + std::to_string(i) + "</span>";
  }
  return text + "</div><div></div>";
}

std::string map_html(const HeatMap& map) {
  std::size_t places = 0;
  for (const HeatRow& row : map.rows) places = std::max(places, row.cells.size());
  const auto n = static_cast<Index>(places);
  const Index group = group_of(n);
  std::string html = std::string("<figure><figcaption>Error over budget by ") + map.axis;
  if (group > 1) html += ", each cell the worst of " + std::to_string(group);
  html += "</figcaption><div class=\"heat\">";
  for (const HeatRow& row : map.rows) {
    const auto worst = std::max_element(row.cells.begin(), row.cells.end());
    html += "<div class=\"label\">" + escaped(row.name) + "</div>" + strip(row.cells, n) +
            "<div class=\"peak\">" + ratio_text(*worst) + " at " + std::to_string(worst - row.cells.begin()) +
            "</div>";
  }
  return html + ticks(n) + "</div></figure>";
}

/// 0, 1, 2 to 3, 4 to 7, ...
std::string bucket_text(std::size_t b) {
  if (b < 2) return std::to_string(b);
  const std::string from = std::to_string(Index{1} << (b - 1));
  return b + 1 == kUlpBuckets ? from + " or more" : from + " to " + std::to_string((Index{1} << b) - 1);
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string html;
  for (const char c : printable(text)) {
    if (c == '&')
      html += "&amp;";
    else if (c == '<')
      html += "&lt;";
    else if (c == '>')
      html += "&gt;";
    else if (c == '"')
      html += "&quot;";
    else if (c == '\'')
      html += "&#39;";
    else
      html += c;
  }
  return html;
}

std::string budget_bar(std::optional<double> ratio) {
  if (!ratio) return "<span class=\"none\">–</span>";
  const bool over = !(*ratio <= 1);
  const std::string width = short_text(over ? 100 : 100 * *ratio);
  return std::string("<span class=\"bar") + (over ? " over" : "") + "\"><i style=\"width:" + width +
         "%\"></i></span><span class=\"num" + (over ? " over" : "") + "\">" + ratio_text(*ratio) + "</span>";
}

std::string ulp_chart(const std::array<Index, kUlpBuckets>& ulps) {
  const Index most = *std::max_element(ulps.begin(), ulps.end());
  if (most == 0) return "<span class=\"none\">–</span>";
  std::string path, title;
  for (std::size_t b = 0; b < kUlpBuckets; ++b) {
    if (ulps[b] == 0) continue;
    const double height =
        20 * std::log1p(static_cast<double>(ulps[b])) / std::log1p(static_cast<double>(most));
    const std::string tall = short_text(std::max(height, 2.0));
    path += 'M' + std::to_string(4 * b) + " 20v-" + tall + "h3v" + tall + 'z';
    title += (title.empty() ? "" : "; ") + std::to_string(ulps[b]) + " off by " + bucket_text(b);
  }
  return "<svg class=\"ulps\" viewBox=\"0 0 96 21\" role=\"img\"><title>" + title +
         "</title><path class=\"base\" d=\"M0 20h96v1h-96z\"/><path d=\"" + path + "\"/></svg>";
}

std::string heat_legend() {
  std::string html = "<div class=\"legend\"><span>error over budget</span>";
  for (std::size_t s = 0; s < kSteps.size(); ++s)
    html += "<span><i class=\"h" + std::to_string(s) + "\"></i>" + kSteps[s].label + "</span>";
  return html + "</div>";
}

std::string heat_maps(const CaseVerdict& verdict) {
  std::string html;
  for (const HeatMap& map : maps_of(verdict))
    if (!map.rows.empty()) html += map_html(map);
  return html.empty() ? html : heat_legend() + "<div class=\"maps\">" + html + "</div>";
}

}  // namespace moe
