#include <map>

#include "../scratch.h"
#include "../svg.h"
#include "moe/file.h"
#include "moe/plot.h"

using namespace moe;

namespace {

Plot lines(const std::string& title) {
  const Curve curve{"it's", {1, 10, 100, 1000}, {2, NAN, 4, 8}, Mark::LineAndDots, 3};
  return {title, {{"", {"x", true}, {"y", false}, {curve}, {{10, 3, "here"}}}}, {}, {}};
}

/// Is every quote of the script closed on its line, that is, is no text able to end its own?
bool quotes_are_closed(const std::string& script) {
  std::istringstream all(script);
  for (std::string line; std::getline(all, line);)
    if (std::count(line.begin(), line.end(), '\'') % 2 != 0) return false;
  return true;
}

}  // namespace

TEST_CASE("plot: nothing in a text is a command to gnuplot") {
  const Scratch folder;
  const std::string victim = folder / "victim";
  const std::string attack =
      "'; system('touch " + victim + "') `touch " + victim + "` \"\n!touch " + victim + "\nEOD\n";
  Plot plot = lines(attack);
  plot.panels[0].x.label = plot.panels[0].curves[0].title = plot.panels[0].labels[0].text = attack;
  CHECK(quotes_are_closed(gnuplot_script(plot, "svg")));
  for (const char* path : {"a.svg", "a.png"}) draw(plot, folder / path);
  draw(plot, "-");
  Plot map;
  map.map = {attack, attack, {attack}, {attack, "b"}, {attack}, {{1, 2}}, {{attack, attack}}};
  draw(map, folder / "b.svg");
  Plot bars;
  bars.bars = {attack, {attack}, {attack, "b"}, {{1}, {2}}, 0};
  draw(bars, folder / "c.svg");
  CHECK(!std::filesystem::exists(victim));
}

TEST_CASE("plot: as svg, as png, and as letters") {
  const Scratch folder;
  CHECK(draw(lines("a title & <more"), folder / "a.svg").empty());
  const std::string svg = read_text(folder / "a.svg");
  CHECK(svg.starts_with("<?xml"));
  CHECK(svg.find("</svg>") != std::string::npos);
  CHECK(svg.find("a title &amp; &lt;more") != std::string::npos);
  CHECK(svg.find("it\u2019s") != std::string::npos);
  draw(lines("t"), folder / "a.png");
  CHECK(read_text(folder / "a.png").starts_with("\x89PNG\r\n"));
  const std::string letters = draw(lines("a title"), "-");
  CHECK(letters.find("a title") != std::string::npos);
  CHECK(letters.find("here") != std::string::npos);
  CHECK(letters.find('\x1b') == std::string::npos);
  std::istringstream all(letters);
  for (std::string line; std::getline(all, line);)
    CHECK(line.size() <= 82);  // 80 letters; the apostrophe has three bytes
}

TEST_CASE("plot: a map has a colour for each pair, and bars a box for each part") {
  const Scratch folder;
  Plot map;
  map.title = "map";
  map.map = {"experts",   "choices",       {"parameters", true},
             {"8", "64"}, {"1", "2", "4"}, {{1, 2}, {3, NAN}, {5, 6}}};
  draw(map, folder / "map.svg");
  CHECK(read_text(folder / "map.svg").find("</svg>") != std::string::npos);
  CHECK(draw(map, "-").find("experts") != std::string::npos);
  Plot bars;
  bars.title = "bars";
  bars.bars = {"%", {"params", "active"}, {"routed", "attention"}, {{90, 50}, {10, 50}}, 100};
  draw(bars, folder / "bars.svg");
  CHECK(read_text(folder / "bars.svg").find("attention") != std::string::npos);
}

TEST_CASE("plot: a map prints what its cells hold, where they hold it, and frames the marked one") {
  const Scratch folder;
  Plot map;
  map.map = {
      "x", "y", {"v"}, {"a", "b"}, {"one", "two", "six"}, {{1, 2}, {3, NAN}, {5, 6}}, {}, std::pair(1, 0)};
  map.map.texts = {{"v1", "v2"}, {"v3", ""}, {"v5", "v6"}};
  draw(map, folder / "map.svg");
  const std::string svg = read_text(folder / "map.svg");
  std::map<std::string, DrawnText> at;
  for (const DrawnText& t : texts_of(svg)) at[t.text] = t;
  for (const char* cell : {"v1", "v2", "v3", "v5", "v6"}) REQUIRE(at.count(cell) == 1);
  CHECK(std::abs(at["v3"].x - at["a"].x) < 0.5);  // in its column, as its words are
  CHECK(std::abs(at["v6"].x - at["b"].x) < 0.5);
  CHECK(std::abs(at["v3"].y - at["two"].y) < 6);
  CHECK(std::abs(at["v6"].y - at["six"].y) < 6);
  CHECK(at["v1"].y > at["v3"].y);
  CHECK(gnuplot_script(map, "svg").find("from first 0-0.5,first 1-0.5 to first 0+0.5,first 1+0.5 front") !=
        std::string::npos);
  const std::string letters = draw(map, "-");
  CHECK(letters.find("[v3]") != std::string::npos);
  CHECK(letters.find("v6") != std::string::npos);
  CHECK(text_over_text(svg) == "");

  map.map.rows.resize(1), map.map.values.resize(1), map.map.texts.resize(1), map.map.marked.reset();
  draw(map, folder / "row.svg");  // one row has its colours, too
  CHECK(read_text(folder / "row.svg").find("rgb( 68,   1,  84)") != std::string::npos);
  map.map.columns.resize(60, "c");  // where they do not fit, a scale of colours tells the values
  map.map.values[0].resize(60, 4), map.map.texts[0].resize(60, "v4");
  draw(map, folder / "many.svg");
  for (const DrawnText& t : texts_of(read_text(folder / "many.svg"))) CHECK(t.text != "v4");
}

TEST_CASE("plot: names of dots lie over no dot and no other name, in a crowd and at the edges") {
  const Scratch folder;
  Panel panel{"crowd", {"x", true}, {"y", true, false, "FLOP"}, {}, {}};
  for (int i = 0; i < 12; ++i) {
    const double x = std::pow(10, 3 + 0.05 * i + (i > 9 ? 1 : 0)), y = std::pow(10, 9 + 0.02 * (i % 4));
    panel.curves.push_back({"", {x}, {y}, Mark::Dots, i});
    panel.labels.push_back({x, y, "a model called " + std::to_string(i)});
  }
  draw({"crowd", {panel}, {}, {}}, folder / "a.svg");
  const std::string svg = read_text(folder / "a.svg");
  std::size_t names = 0, dots = 0;
  for (const DrawnText& t : texts_of(svg)) {
    if (!t.text.starts_with("a model")) continue;
    ++names;
    const std::string mark = "<use xlink:href='#gpPt6' transform='translate(";
    for (std::size_t at = svg.find(mark); at != std::string::npos; at = svg.find(mark, at + 1), ++dots) {
      const double x = std::stod(svg.substr(at + mark.size(), 20)),
                   y = std::stod(svg.substr(svg.find(',', at) + 1, 20));
      CHECK(!(x > t.left && x < t.right && y > t.top && y < t.bottom));
    }
  }
  CHECK(names == 12);
  CHECK(dots == 12 * 12);
  CHECK(text_over_text(svg) == "");
}

TEST_CASE("plot: a logarithmic axis has several ticks with their prefix, however short it is") {
  const auto ticks = [](double least, double most, const std::string& unit) {
    const Curve curve{"", {least, most}, {1, 2}};
    const std::string script =
        gnuplot_script({"t", {{"", {"x", true, false, unit}, {"y"}, {curve}, {}}}, {}, {}}, "svg");
    const std::size_t from = script.find("set xtics (");
    return script.substr(from, script.find('\n', from) - from);
  };
  CHECK(ticks(1e9, 5e11, "").find("'10 B' 1e+10, '100 B' 1e+11") != std::string::npos);
  CHECK(ticks(1e9, 5e11, "B").find("'10 G' 1e+10, '100 G' 1e+11") != std::string::npos);
  CHECK(ticks(2.1e9, 7e9, "FLOP").find("'3 G' 3e+09, '4 G' 4e+09") != std::string::npos);
  CHECK(ticks(1.30e12, 1.36e12, "B").find("'1.32 T' 1.32e+12") != std::string::npos);
  const std::string many = ticks(1e-30, 1e30, "");
  CHECK(std::count(many.begin(), many.end(), ',') < 20);
}

TEST_CASE("plot: a file is whole or not there, and only svg and png are known") {
  const Scratch folder;
  CHECK(error_of([&] { draw(lines("t"), folder / "a.pdf"); }).ends_with("must be -, or end in .svg or .png"));
  CHECK(error_of([&] { draw(lines("t"), ".svg"); }).ends_with("must be -, or end in .svg or .png"));
  CHECK(error_of([&] { draw(lines("t"), folder / "no/where.svg"); }).find("no/where.svg") !=
        std::string::npos);
  CHECK(folder.files() == 0);
}

TEST_CASE("plot: without gnuplot it says which package has it") {
  const Scratch folder;
  const std::string path = std::getenv("PATH");
  setenv("PATH", (folder / "").c_str(), 1);
  CHECK_THROWS_WITH_AS(draw(lines("t"), folder / "a.svg"), doctest::Contains("gnuplot-nox"), CannotRun);
  setenv("PATH", path.c_str(), 1);
  CHECK(folder.files() == 0);
}
