#include "../scratch.h"
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
  map.map = {attack, attack, attack, {attack, "b"}, {attack}, {{1, 2}}, false};
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
  map.map = {"experts", "choices", "parameters", {"8", "64"}, {"1", "2", "4"}, {{1, 2}, {3, NAN}, {5, 6}},
             true};
  draw(map, folder / "map.svg");
  CHECK(read_text(folder / "map.svg").find("</svg>") != std::string::npos);
  CHECK(draw(map, "-").find("experts") != std::string::npos);
  Plot bars;
  bars.title = "bars";
  bars.bars = {"%", {"params", "active"}, {"routed", "attention"}, {{90, 50}, {10, 50}}, 100};
  draw(bars, folder / "bars.svg");
  CHECK(read_text(folder / "bars.svg").find("attention") != std::string::npos);
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
