#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Plots, drawn by gnuplot as a program of its own.
namespace moe {

enum class Mark { Line, Dashes, Dots, Rings, LineAndDots };  // rings: around dots of another curve

/// Points in the order in which they are joined; one that is not finite leaves a gap. Curves of the same colour number
/// have the same of nine colours that colour-blind people can tell apart. A curve without a title is not in the legend.
struct Curve {
  std::string title;
  std::vector<double> x, y;
  Mark mark = Mark::Line;
  int colour = 0;
  std::vector<double> error = {};  // of each y, drawn as a bar; none if empty
};

enum class Beside { Any, Above, Below };

/// Text beside a point, on the side that is asked for unless there is no room: never over a dot or another text if any
/// place near by is free.
struct PointLabel {
  double x, y;
  std::string text;
  Beside side = Beside::Any;
};

struct Axis {
  std::string label;  // with its unit
  bool logarithmic = false;
  bool from_zero = false;
  std::string unit = {};  // as in moe::amount, of which a logarithmic axis prints the k, M, G, ...
};

/// Two axes and what is drawn between them.
struct Panel {
  std::string title;
  Axis x, y;
  std::vector<Curve> curves;
  std::vector<PointLabel> labels;
};

/// A number for each pair of two lists of words, as colours; one that is not finite is left white. Its text stands in
/// its cell where the texts of all cells fit.
struct HeatMap {
  std::string x_label, y_label;
  Axis value;
  std::vector<std::string> columns, rows;
  std::vector<std::vector<double>> values;                         // [row][column]
  std::vector<std::vector<std::string>> texts = {};                // [row][column]
  std::optional<std::pair<std::size_t, std::size_t>> marked = {};  // row and column of a cell in a frame
};

/// For each word of a list, parts of a whole, one on the other, with the name of a part in it where it fits.
struct Bars {
  std::string y_label;
  std::vector<std::string> columns, parts;
  std::vector<std::vector<double>> values;  // [part][column]
  double top = 0;                           // of the axis; 0: as the bars are
};

/// One page: panels side by side (below each other on a terminal), else a map, else bars.
struct Plot {
  std::string title;
  std::vector<Panel> panels;
  HeatMap map;
  Bars bars;
};

/// What gnuplot is told: nothing in it is read as a command, whatever the texts of the plot contain. `terminal` is svg,
/// png or dumb, letters on a terminal.
std::string gnuplot_script(const Plot& plot, const std::string& terminal);

/// Draws into FILE.svg or FILE.png, whole or not at all, or, for "-", returns letters 79 columns wide. Throws Error for
/// another ending, and CannotRun where there is no gnuplot.
std::string draw(const Plot& plot, const std::string& path);

}  // namespace moe
