#include "moe/plot.h"

#include <algorithm>
#include <cmath>

#include "plot_page.h"

namespace moe::plotting {
namespace {

std::string style_of(const Curve& curve, bool letters) {
  const auto colour = static_cast<std::size_t>(curve.colour);
  const std::string look =
      letters ? " lt " + std::to_string(colour + 1) : " lc rgb '" + std::string(colour_of(colour)) + '\'';
  const std::string dot = letters ? " pt " + std::to_string(colour + 1) : " pt 7";
  const bool shares = letters && colour > 6;  // the sign of another line: only its dots tell them apart
  if (!curve.error.empty()) return "yerrorbars lw 1.5" + dot + (letters ? "" : " ps 0.8") + look;
  switch (curve.mark) {
    case Mark::Line:
      return (shares ? "linespoints" + dot : "lines lw 2") + look;
    case Mark::Dashes:
      return (shares ? "linespoints" + dot : "lines lw 1.5 dt 2") + look;
    case Mark::Dots:
      return "points" + dot + (letters ? "" : " ps 0.9") + look;
    case Mark::Rings:
      return "points" + (letters ? dot : " pt 6 ps 1.5 lw 1.5") + look;
    case Mark::LineAndDots:
      return "linespoints lw 2" + dot + (letters ? "" : " ps 0.7") + look;
  }
  return "";
}

bool has_dots(const Curve& c) {
  return c.mark == Mark::Dots || c.mark == Mark::Rings || c.mark == Mark::LineAndDots || !c.error.empty();
}

/// The numbers along one axis of all that a panel shows.
std::vector<double> numbers_of(const Panel& panel, bool of_x) {
  std::vector<double> all;
  for (const Curve& curve : panel.curves)
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      const double error = of_x || curve.error.empty() ? 0 : curve.error[i];
      const double middle = of_x ? curve.x[i] : curve.y[i];
      all.insert(all.end(), {middle - error, middle + error});
    }
  return all;
}

/// Where a panel's numbers are on the page.
struct Place {
  Box area;
  Scale x, y;

  double right(double number) const { return area.left + x.at(number) * area.width(); }
  double up(double number) const { return area.bottom + y.at(number) * area.height(); }
};

/// Dots, and lines as points one line of text apart.
std::vector<Obstacle> obstacles_of(const Panel& panel, const Place& place, double letter, double line) {
  std::vector<Obstacle> all;
  const auto add = [&](double x, double y, double radius, double cost) {
    if (std::isfinite(x) && std::isfinite(y))
      all.push_back({{x - radius, y - radius, x + radius, y + radius}, cost});
  };
  for (const Curve& curve : panel.curves)
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      const double x = place.right(curve.x[i]), y = place.up(curve.y[i]);
      if (has_dots(curve)) add(x, y, 0.45 * letter, 4);
      if (!curve.error.empty())
        all.push_back({{x - 0.45 * letter, place.up(curve.y[i] - curve.error[i]), x + 0.45 * letter,
                        place.up(curve.y[i] + curve.error[i])},
                       3});
      if (curve.mark == Mark::Dots || curve.mark == Mark::Rings || i == 0) continue;
      const double from_x = place.right(curve.x[i - 1]), from_y = place.up(curve.y[i - 1]);
      const double steps = std::ceil(std::hypot(x - from_x, y - from_y) / (line / 2));
      for (double step = 0; step <= steps; ++step)
        add(from_x + (x - from_x) * step / std::max(1., steps),
            from_y + (y - from_y) * step / std::max(1., steps), 0.1 * letter, 0.5);
    }
  return all;
}

void add_labels(Script& script, const Panel& panel, const Place& place) {
  std::vector<Placed> texts;
  for (const PointLabel& label : panel.labels)
    texts.push_back({place.right(label.x), place.up(label.y), width_of(label.text, script.letter()),
                     (script.letters() ? 1 : 0.9) * script.line(), label.side});
  place_texts(texts, obstacles_of(panel, place, script.letter(), script.line()), place.area,
              (script.letters() ? 1.5 : 1.1) * script.letter(), script.letters() ? 2 : 12);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Placed& t = texts[i];
    if (t.is_far && !script.letters())
      script.line_between(t.x, t.y, std::clamp(t.x, t.box.left, t.box.right),
                          std::clamp(t.y, t.box.bottom, t.box.top));
    script.text(panel.labels[i].text,
                t.right > 0   ? t.box.left
                : t.right < 0 ? t.box.right
                              : t.box.middle(),
                (t.box.bottom + t.box.top) / 2,
                t.right > 0   ? "left"
                : t.right < 0 ? "right"
                              : "center");
  }
}

void set_axis(Script& script, char axis, const Axis& a, const Scale& scale, const std::vector<Tick>& ticks) {
  script.out() << (a.logarithmic ? "set logscale " : "unset logscale ") << axis << "\nset " << axis
               << "range [" << Script::number(scale.least) << ':' << Script::number(scale.most) << "]\n";
  if (a.logarithmic)
    script.ticks(std::string(1, axis), ticks);
  else
    script.out() << "set " << axis << "tics autofreq\nset format " << axis << " '%g'\n";
}

double widest(const std::vector<Tick>& ticks) {
  double letters = ticks.empty() ? 5 : 0;
  for (const Tick& tick : ticks) letters = std::max(letters, width_of(tick.text, 1));
  return letters;
}

void add_curves(Script& script, const Panel& panel, std::size_t p) {
  std::string plots;
  for (std::size_t c = 0; c < panel.curves.size(); ++c) {
    const Curve& curve = panel.curves[c];
    const std::string name = "$p" + std::to_string(p) + "c" + std::to_string(c);
    script.out() << name << " << EOD\n";
    for (std::size_t i = 0; i < curve.x.size(); ++i)
      script.out() << Script::number(curve.x[i]) << ' ' << Script::number(curve.y[i])
                   << (curve.error.empty() ? "" : ' ' + Script::number(curve.error[i])) << '\n';
    script.out() << "EOD\n";
    plots += (c == 0 ? "plot " : ", \\\n  ") + name + " using " + (curve.error.empty() ? "1:2" : "1:2:3") +
             " with " + style_of(curve, script.letters()) +
             (curve.title.empty() ? " notitle" : " title " + Script::quoted(curve.title));
  }
  script.out() << plots << "\nunset label\nunset arrow\n";
}

void add_panel(Script& script, const Panel& panel, std::size_t p, std::size_t n) {
  const bool dots = std::any_of(panel.curves.begin(), panel.curves.end(), has_dots);
  Place place;
  place.x = scale_of(panel.x, numbers_of(panel, true), dots ? 0.05 : 0);
  place.y = scale_of(panel.y, numbers_of(panel, false), panel.labels.empty() ? 0.05 : 0.18);
  std::vector<std::string> legend;
  for (const Curve& curve : panel.curves)
    if (!curve.title.empty()) legend.push_back(curve.title);
  const Box cell = script.cell(p, n);
  const auto ticks = [&](const Axis& axis, const Scale& scale, double most) {
    return axis.logarithmic ? ticks_of(scale, axis.unit, most) : std::vector<Tick>();
  };
  const std::vector<Tick> y_ticks = ticks(panel.y, place.y, script.letters() ? 8 : 12);
  place.area = script.frame(cell, panel.title, panel.x.label, panel.y.label, legend, widest(y_ticks));
  set_axis(script, 'y', panel.y, place.y, y_ticks);
  set_axis(script, 'x', panel.x, place.x,
           ticks(panel.x, place.x, place.area.width() / (7 * script.letter())));
  add_labels(script, panel, place);
  add_curves(script, panel, p);
}

void add_panels(Script& script, const Plot& plot) {
  const std::size_t n = plot.panels.size();
  for (std::size_t p = 0; p < n; ++p) {
    Panel panel = plot.panels[p];
    if (n == 1) panel.title = plot.title;
    add_panel(script, panel, p, n);
  }
  if (n > 1) script.out() << "unset multiplot\n";
}

}  // namespace
}  // namespace moe::plotting

namespace moe {

std::string gnuplot_script(const Plot& plot, const std::string& terminal) {
  plotting::Script script(plot, terminal);
  if (!plot.panels.empty())
    plotting::add_panels(script, plot);
  else if (!plot.map.values.empty())
    plotting::add_map(script, plot.map, plot.title);
  else if (!plot.bars.values.empty())
    plotting::add_bars(script, plot.bars, plot.title);
  return script.out().str();
}

}  // namespace moe
