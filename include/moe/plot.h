#pragma once

#include <string>
#include <vector>

/// Plots, drawn by gnuplot as a program of its own.
namespace moe {

enum class Mark { Line, Dashes, Dots, LineAndDots };

/// Points in the order in which they are joined; one that is not finite leaves a gap. Curves of the same colour number have
/// the same of nine colours that colour-blind people can tell apart. A curve without a title is not in the legend.
struct Curve {
  std::string title;
  std::vector<double> x, y;
  Mark mark = Mark::Line;
  int colour = 0;
};

/// Text beside a point.
struct PointLabel {
  double x, y;
  std::string text;
};

struct Axis {
  std::string label;  // with its unit
  bool logarithmic = false;
  bool from_zero = false;
};

/// Two axes and what is drawn between them.
struct Panel {
  std::string title;
  Axis x, y;
  std::vector<Curve> curves;
  std::vector<PointLabel> labels;
};

/// A number for each pair of two lists of words, as colours; one that is not finite is left white.
struct HeatMap {
  std::string x_label, y_label, value_label;
  std::vector<std::string> columns, rows;
  std::vector<std::vector<double>> values;  // [row][column]
  bool logarithmic = false;
};

/// For each word of a list, parts of a whole, one on the other.
struct Bars {
  std::string y_label;
  std::vector<std::string> columns, parts;
  std::vector<std::vector<double>> values;  // [part][column]
  double top = 0;                           // of the axis; 0: as the bars are
};

/// One page: panels side by side, else a map, else bars.
struct Plot {
  std::string title;
  std::vector<Panel> panels;
  HeatMap map;
  Bars bars;
};

/// What gnuplot is told: nothing in it is read as a command, whatever the texts of the plot contain. `terminal` is svg, png
/// or dumb, letters on a terminal.
std::string gnuplot_script(const Plot& plot, const std::string& terminal);

/// Draws into FILE.svg or FILE.png, whole or not at all, or, for "-", returns letters 79 columns wide. Throws Error for
/// another ending, and CannotRun where there is no gnuplot.
std::string draw(const Plot& plot, const std::string& path);

}  // namespace moe
