#include "../svg.h"
#include "run.h"

using namespace moe;

namespace {

std::string svg_of(const std::string& arguments) {
  const Scratch folder;
  const Done done = run(folder, arguments + " --plot a.svg");
  CAPTURE(arguments);
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  return read_text(folder / "a.svg");
}

bool has_text(const std::string& svg, const std::string& text) {
  for (const DrawnText& t : texts_of(svg))
    if (t.text == text) return true;
  return false;
}

}  // namespace

TEST_CASE("plots: no text lies over another or leaves the page, in any kind of plot") {
  for (const std::string arguments :
       {"compare mixtral-8x7b deepseek-v3",
        "compare mixtral-8x7b deepseek-v3 qwen3-235b-a22b olmoe-1b-7b gpt-oss-120b", "iso mixtral-8x7b",
        "iso deepseek-v3 --match flops --experts 64 --top-k 2",
        "iso gpt-oss-120b --match memory --expert-dtype mxfp4",
        "sweep mixtral-8x7b --experts 8:128:*2 --top-k 1,2,4",
        "sweep deepseek-v3 --granularity 1,2,4,8 --shared 0:2:+1",
        "sweep olmoe-1b-7b --experts 8:64:*2 --factor 1,1.25,1.5 --value dropped",
        "sweep olmoe-1b-7b --experts 8:512:*2 --top-k 1:24:+1 --value forward",
        "law --active 1e9 --total 5.67e9 --tokens 20G --experts 8", "law ludziejewski --budget 1e21",
        "capacity --experts 64 --top-k 1 --factor 1.25", "capacity mixtral-8x7b --tokens 16",
        "capacity deepseek-v3 --tokens 512 --groups 8 --trials 10", "roofline mixtral-8x7b",
        "roofline deepseek-v3", "roofline deepseek-v3 --hw cpu --dtype int8 --ctx 1024", "roofline dense",
        "explain deepseek-v3"}) {
    CAPTURE(arguments);
    CHECK(text_over_text(svg_of(arguments)) == "");
  }
}

TEST_CASE("plots: a map of sweep prints the values, marks the model, and ignores no axis") {
  const std::string grid = "sweep mixtral-8x7b --experts 8:32:*2 --top-k 1,2";
  const std::string chosen = svg_of(grid);
  CHECK(has_text(chosen, "Mixtral-8x7B with other experts: parameters for each active one"));
  CHECK(has_text(chosen, "3.63"));  // 46.7 / 12.88
  CHECK(has_text(chosen, "experts E; framed: the model itself"));
  const std::string total = svg_of(grid + " --value total");
  CHECK(has_text(total, "46.7 B"));
  CHECK(has_text(total, "1, 2"));  // one row, as K changes no total
  CHECK(!has_text(total, "2"));
  CHECK(has_text(svg_of(grid + " --value forward"), "26.6 GFLOP"));
  const std::string other = svg_of("sweep mixtral-8x7b --experts 16,32 --top-k 1,2");
  CHECK(has_text(other, "experts E"));
  CHECK(has(run(Scratch(), grid + " --plot -").out, "[3.63]"));
}

TEST_CASE("plots: the roofline of a machine has its ridge, and the experts at each batch") {
  const std::string svg = svg_of("roofline mixtral-8x7b --peak 300T --bandwidth 3T");
  int ticks = 0;
  for (const DrawnText& ridge : texts_of(svg))
    for (const DrawnText& tick : texts_of(svg))  // of the left panel
      if (ridge.text == "ridge 100 FLOP/byte" && tick.text == "100" && tick.x < 450) {
        CHECK(std::abs(ridge.x - tick.x) < 20);
        ++ticks;
      }
  CHECK(ticks == 1);
  CHECK(has_text(svg, "given: 300 TFLOP/s, 3 TB/s"));
  CHECK(has_text(svg, "experts, 2 of 8 a token"));
  CHECK(has_text(svg, "dense twin"));
  // T* = 100 b E / (2 K) = 400: the first batch beyond it is the last that is marked; of the dense twin 100, so 256
  CHECK(has_text(svg, "1024"));
  CHECK(!has_text(svg, "4096"));
  std::vector<DrawnText> batches;
  for (const DrawnText& t : texts_of(svg))
    if (t.text == "256") batches.push_back(t);
  REQUIRE(batches.size() == 2);
  CHECK(std::abs(batches[0].x - batches[1].x) > 20);  // the experts read four times as many bytes
}

TEST_CASE("plots: capacity marks what was asked, with an error bar where it was drawn") {
  const std::string asked = svg_of("capacity --experts 64 --top-k 1 --factor 1.25 --trials 4");
  CHECK(has_text(asked, "0.127 % dropped"));
  CHECK(has_text(asked, "20.1 % idle"));
  CHECK(has_text(asked, "64 at T = 4,096"));
  CHECK(has_text(asked, "by our router, 4 batches"));
  const std::string not_drawn = svg_of("capacity --experts 64 --top-k 1 --factor 1.25 --trials 0");
  CHECK(has_text(not_drawn, "0.127 % dropped"));
  CHECK(!has_text(not_drawn, "by our router, 4 batches"));
}

TEST_CASE("plots: a terminal shows every name of iso and compare, in 80 columns") {
  for (const std::string arguments : {"iso mixtral-8x7b", "compare olmoe-1b-7b deepseek-v3"}) {
    const std::string all = run(Scratch(), arguments + " --plot -").out,
                      letters = all.substr(run(Scratch(), arguments).out.size());
    CAPTURE(letters);
    CHECK(!has(letters, "\\x"));  // no form feed or other command
    for (const char* name : {"iso" == arguments.substr(0, 3) ? "Mixtral-8x7B" : "olmoe-1b-7b",
                             "iso" == arguments.substr(0, 3) ? "dense, equal flops" : "dense twin"})
      CHECK(has(letters, name));
  }
}
