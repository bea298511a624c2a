#include <map>
#include <sstream>

#include "run.h"

using namespace moe;

namespace {

/// The examples in the help of a verb, without the program's name.
std::vector<std::string> examples(const Scratch& folder, const std::string& verb) {
  const std::string mark = "Example: moe-oracle ";
  std::vector<std::string> found;
  std::istringstream help(run(folder, verb + " --help").out);
  for (std::string line; std::getline(help, line);)
    if (const std::size_t at = line.find(mark); at != std::string::npos)
      found.push_back(line.substr(at + mark.size()));
  return found;
}

/// How wide a terminal shows a line: its code points.
std::ptrdiff_t letters_in(const std::string& line) {
  return std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

const std::vector<std::string> kVerbs{"law", "capacity", "roofline", "compare", "iso", "sweep", "explain"};

}  // namespace

TEST_CASE("studies: every example in the help of a verb runs") {
  const Scratch folder;
  for (const std::string& verb : kVerbs) {
    const auto all = examples(folder, verb);
    CHECK(!all.empty());
    for (const std::string& example : all) {
      CAPTURE(example);
      const Done done = run(folder, example);
      CHECK(done.code == 0);
      CHECK(done.err.empty());
      CHECK(!done.out.empty());
      std::istringstream lines(example.find("--csv") == std::string::npos ? done.out : "");
      for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        CHECK(letters_in(line) <= 80);
      }
    }
  }
}

TEST_CASE("studies: every command of the README's list of experiments works") {
  const std::string text = read_text(MOE_ROOT "/README.md");
  const std::size_t from = text.find("```\n", text.find("## Experiments with sizes")) + 4;
  std::istringstream lines(text.substr(from, text.find("```", from) - from));
  std::size_t commands = 0;
  for (std::string line; std::getline(lines, line); ++commands) {
    CAPTURE(line);
    REQUIRE(line.starts_with("./oracle "));
    const Done done = run(Scratch(), line.substr(9, line.find("  ") - 9));
    CHECK(done.code == 0);
    CHECK(!done.out.empty());
  }
  CHECK(commands == kVerbs.size());
}

TEST_CASE("studies: the first example of each verb as JSON, as CSV and as a plot") {
  const Scratch folder;
  for (const std::string& verb : kVerbs) {
    const std::string example = examples(folder, verb).at(verb == "law" ? 1 : 0);
    CAPTURE(example);
    CHECK(parse_json(run(folder, example + " --json").out, "out").is_object());
    const std::string csv = run(folder, example + " --csv").out;
    CHECK(csv.find(',') < csv.find('\n'));
    CHECK(std::count(csv.begin(), csv.end(), '\n') > 1);
    for (const char* file : {"a.svg", "a.png"}) {
      CHECK(run(folder, example + " --plot " + file).code == 0);
      CHECK(read_text(folder / file).size() > 2000);
    }
    CHECK(run(folder, example + " --plot -").out.size() > run(folder, example).out.size() + 500);
    const Done without = run(folder, example + " --plot b.svg", "PATH=/nowhere ");
    CHECK(without.code == 3);
    CHECK(without.out.empty());
    CHECK(is_one_line(without.err));
    CHECK(without.err.find("gnuplot-nox") != std::string::npos);
  }
}

TEST_CASE("studies: bad usage is exit 2 and one line") {
  const Scratch folder;
  for (const std::string arguments : {"law moore",
                                      "law --active 0",
                                      "law --active 1e9x",
                                      "law --active nan",
                                      "law --active ''",
                                      "law hoffmann --active 1e9",
                                      "law ludziejewski --active 1e9 --tokens 1e10 --experts 0.5",
                                      "law --budget 1e21 --active 1e9",
                                      "law abnar --budget 1e21",
                                      "law --budget -1",
                                      "law --plot a.svg",
                                      "law --active 1e9 --tokens 1e10 --plot a.pdf",
                                      "capacity",
                                      "capacity nothing",
                                      "capacity --experts 8",
                                      "capacity --experts 8 --top-k 9",
                                      "capacity mixtral-8x7b --experts 8",
                                      "capacity dense",
                                      "capacity mixtral-8x7b --groups 3",
                                      "capacity mixtral-8x7b --trials 1",
                                      "capacity mixtral-8x7b --factor -1",
                                      "roofline",
                                      "roofline nothing",
                                      "roofline mixtral-8x7b --hw abacus",
                                      "roofline mixtral-8x7b --peak 1T",
                                      "roofline mixtral-8x7b --dtype f7",
                                      "roofline mixtral-8x7b --ctx -1",
                                      "compare",
                                      "compare mixtral-8x7b nothing",
                                      "compare dense --run",
                                      "iso nothing",
                                      "iso mixtral-8x7b --match luck",
                                      "iso mixtral-8x7b --experts 0",
                                      "iso mixtral-8x7b --experts 8 --top-k 9",
                                      "iso dense",
                                      "sweep mixtral-8x7b --experts 8:",
                                      "sweep mixtral-8x7b --experts 8:64",
                                      "sweep mixtral-8x7b --experts 64:8:*2",
                                      "sweep mixtral-8x7b --experts 8:64:*1",
                                      "sweep mixtral-8x7b --experts 1:9999999:+1",
                                      "sweep mixtral-8x7b --granularity 3",
                                      "sweep mixtral-8x7b --factor 1,,2",
                                      "sweep mixtral-8x7b --value luck",
                                      "sweep mixtral-8x7b --plot a.svg",
                                      "sweep mixtral-8x7b --experts 1 --top-k 2",
                                      "explain",
                                      "explain nothing",
                                      "explain mixtral-8x7b --ctx x",
                                      "explain ''",
                                      "explain --budget x",
                                      "explain --budget 0",
                                      "explain nothing --budget 1e11",
                                      "explain mixtral-8x7b --budget 1e11 --ctx 1",
                                      "explain mixtral-8x7b --budget 1e11 --plot -",
                                      "explain --budget 1e11 --strict",
                                      "explain --budget 1e11 --json --csv",
                                      "explain --total 1T",
                                      "explain --active 1T",
                                      "explain --total 13B --active 47B",
                                      "explain mixtral-8x7b --total 47B --active 13B",
                                      "law --json --csv",
                                      "law --budget 1e21 --json --plot -"}) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK(is_one_line(done.err));
  }
}

TEST_CASE("studies: law lists its laws, and says what it cannot evaluate and what it extrapolates") {
  const Json laws = json_of("law hoffmann");
  REQUIRE(laws.is_array());
  CHECK(laws[0]["constants"]["alpha"] == 0.34);
  const Json at = json_of("law --active 1e9 --tokens 20G --experts 8");
  for (const Json& law : at["laws"]) {
    if (law["law"] == "ludziejewski") CHECK(std::abs(law["dense_size"].get<double>() - 1.76e9) < 5e6);
    if (law["law"] == "abnar") CHECK(law["validity"] == "needs --total");
    if (law["law"] == "clark:s-base") CHECK(law["validity"] == "tokens 2e+10 is outside [1.3e+11, 1.3e+11]");
  }
  const Json best = json_of("law ludziejewski --budget 1e21 --experts 8")["best"][0];
  CHECK(std::abs(best["active"].get<double>() - 3.79e9) < 5e6);
  CHECK(best["validity"] == "extrapolated");
}

TEST_CASE("studies: single-model verbs always say what the parameters are") {
  for (const std::string verb : {"capacity", "roofline", "iso", "sweep", "explain"}) {
    CAPTURE(verb);
    const Json json = json_of(verb + " mixtral-8x7b");
    CHECK(json["model"] == "mixtral-8x7b");
    CHECK(json["params"]["total"] == 46702792704);
    CHECK(json["params"]["active"]["full"] == 12879925248);
    CHECK(json["params"]["active"]["no_embed"].is_number_integer());
    CHECK(json["params"]["active"]["no_embed_head"].is_number_integer());
  }
}

TEST_CASE("studies: capacity by formula, by chance and by the router, of a model or of numbers") {
  const Json json = json_of("capacity --experts 64 --top-k 1 --factor 1.25 --trials 20");
  CHECK(json["slots"] == 80);
  CHECK(std::abs(100 * json["dropped"]["expected"].get<double>() - 0.127) < 5e-4);
  for (const char* experiment : {"by_chance", "by_router"}) {
    const Json& e = json["dropped"][experiment];
    CHECK(std::abs(e["mean"].get<double>() - 0.0012713) < 4 * e["standard_error"].get<double>());
  }
  const Json few = json_of("capacity mixtral-8x7b --tokens 16")["distinct experts"];
  CHECK(std::abs(few["expected"].get<double>() - 8 * (1 - std::pow(0.75, 16))) < 1e-9);
  CHECK(json_of("capacity --experts 64 --top-k 2 --without-k")["slots"] == 80);
}

TEST_CASE("studies: roofline has the crossover of a named machine, or of a given one") {
  const Json json = json_of("roofline deepseek-v3");
  CHECK(std::llround(json["crossover_batch"]["experts"].get<double>()) == 9447);
  CHECK(std::llround(json["crossover_batch"]["dense"].get<double>()) == 295);
  const Json given = json_of("roofline mixtral-8x7b --peak 3T --bandwidth 300G --dtype int8");
  CHECK(given["crossover_batch"]["experts"] == 20);
  CHECK(given["crossover_batch"]["dense"] == 5);
}

TEST_CASE("studies: roofline says how many devices the weights take, where they do not fit into one") {
  const auto text = [](const std::string& arguments) { return run(Scratch(), "roofline " + arguments).out; };
  const Json machine = json_of("roofline deepseek-v3")["machine"];
  CHECK(machine["name"] == "h100");
  CHECK(machine["peak"] == 989e12);
  CHECK(machine["bandwidth"] == 3.35e12);
  CHECK(machine["memory"] == 80e9);
  CHECK(machine["source"].get<std::string>().starts_with("NVIDIA H100"));
  CHECK(json_of("roofline deepseek-v3")["devices"] == 17);
  CHECK(json_of("roofline deepseek-v3 --dtype int8 --hw mi300x")["devices"] == 4);
  CHECK(json_of("roofline mixtral-8x7b --expert-dtype mxfp4")["devices"] == 1);
  CHECK(!json_of("roofline deepseek-v3 --hw cpu").contains("devices"));
  CHECK(!json_of("roofline deepseek-v3 --hw cpu")["machine"].contains("memory"));
  CHECK(has(text("deepseek-v3"), "17 such devices"));
  CHECK(has(text("deepseek-v3"), "1.342 TB"));
  CHECK(!has(text("mixtral-8x7b --expert-dtype mxfp4"), "devices"));
  CHECK(!has(text("deepseek-v3 --hw cpu"), "devices"));
  CHECK(!has(text("deepseek-v3 --peak 1P --bandwidth 1T"), "devices"));
}

TEST_CASE("studies: roofline of a machine in a file, as README describes it") {
  const std::string readme = read_text(MOE_ROOT "/README.md");
  const std::size_t from = readme.find("{\n  \"name\": \"mine\""), to = readme.find("\n}\n", from);
  REQUIRE(to != std::string::npos);
  const Scratch folder;
  write(folder / "mine.json", readme.substr(from, to + 3 - from));
  for (const std::string name : {"mine.json", "./mine.json"}) {
    const Done done = run(folder, "roofline mixtral-8x7b --json --hw " + name);
    CHECK(done.code == 0);
    const Json json = parse_json(done.out, "stdout");
    CHECK(json["machine"]["name"] == "mine");
    CHECK(json["machine"]["memory"] == 48e9);
    CHECK(json["machine"]["peak_fp8"] == 200e12);
    CHECK(json["devices"] == 2);
  }
  write(folder / "mine.json", R"({"name": "mine", "peak": 0})");
  for (const std::string name : {"mine.json", "nowhere.json", "./mine", "."}) {
    CAPTURE(name);
    const Done done = run(folder, "roofline mixtral-8x7b --hw " + name);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK(is_one_line(done.err));
  }
  CHECK(has(run(folder, "roofline mixtral-8x7b --hw mine.json").err,
            "mine.json: peak = 0 must be a positive number"));
}

TEST_CASE("studies: the steps of an explanation are the counts, for every published model") {
  const Json models = parse_json(run(Scratch(), "models --json").out, "models");
  int explained = 0;
  for (const Json& row : models.is_array() ? models : models["models"]) {
    const std::string id = row.contains("id") ? row["id"] : row["model"];
    CAPTURE(id);
    const Json json = json_of("explain " + id);
    Json value;
    for (const Json& step : json["steps"]) value[step["what"].get<std::string>()] = step["value"];
    CHECK(value["total"] == json["params"]["total"]);
    CHECK(value["active, no_embed"] == json["params"]["active"]["no_embed"]);
    Index sum = 0;
    for (const auto& [what, n] : value.items())
      if (what == "of all layers with experts" || what == "to their width and back" ||
          what == "shared experts" || what == "routers" || what == "dense blocks" ||
          what.starts_with("attention") || what == "norms" || what == "input table" || what == "head")
        sum += n.get<Index>();
    CHECK(sum == json["params"]["total"]);
    const Json& used = value["of which a token uses"];
    if (!used.is_null())
      CHECK(json["params"]["total"].get<Index>() - value["of all layers with experts"].get<Index>() +
                used.get<Index>() ==
            json["params"]["active"]["full"].get<Index>());
    ++explained;
  }
  CHECK(explained >= 60);
}

TEST_CASE("studies: the stories have the published numbers") {
  const Json all = json_of("explain mixtral-8x7b");
  std::map<std::string, Json> stories;
  for (const Json& story : all["stories"]) {
    CHECK(stories.emplace(story["title"].get<std::string>(), story).second);
    for (const Json& step : story["steps"]) CHECK(step["kind"] != "");
  }
  const auto value = [&](const char* title, std::size_t n) { return stories.at(title)["steps"][n]["value"]; };
  CHECK(value("Is the MLP two thirds of a block?", 0) == 2. / 3);
  CHECK(value("Is the MLP two thirds of a block?", 4) == 11274289152. / (11274289152. + 1342177280));
  CHECK(value("What do 1e11 FLOPs per token buy?", 0) == 5e10);
  CHECK(value("Why do 46.7 B parameters hold 12.88 B active ones?", 2) == 12879925248);
  CHECK(value("What do 137 B parameters buy at 8 B active?", 0) == 137e9 / 8e9);
  const char* shazeer = "What did the 137 B model of Shazeer et al. 2017 compute?";
  CHECK(value(shazeer, 0) == 137577381888);
  CHECK(stories.at(shazeer)["moral"].get<std::string>().starts_with(
      "9.7 million multiply-adds a timestep, not 8 billion"));
  const char* textbook = "Is a token's share of the experts of a layer k x 2 x tokens x d_model x d_expert?";
  CHECK(value(textbook, 0) == 2 * 2LL * 4096 * 14336);
  CHECK(value(textbook, 1) == 3LL * 2 * 2 * 4096 * 14336);
}

TEST_CASE("studies: explain answers for a budget, and for any total and active") {
  const Json of_model = json_of("explain mixtral-8x7b --budget 1e11");
  CHECK(of_model["params"]["total"] == 46702792704);
  CHECK(of_model["budget"] == 1e11);
  CHECK(!of_model.contains("steps"));
  const Json& steps = of_model["stories"][0]["steps"];
  CHECK(steps[0]["value"] == 5e10);
  CHECK(steps[1]["kind"] == "model");
  CHECK(std::abs(steps[1]["value"].get<double>() / (5e10 * 46702792704. / 12748587008.) - 1) < 1e-15);

  const Json of_numbers = json_of("explain --total 1T --active 8B --budget 160G");
  REQUIRE(of_numbers["stories"].size() == 2);
  CHECK(of_numbers["total"] == 1e12);
  CHECK(of_numbers["active"] == 8e9);
  CHECK(of_numbers["stories"][0]["steps"][0]["value"] == 125);
  CHECK(of_numbers["stories"][0]["steps"][1]["value"] == 16e9);
  CHECK(of_numbers["stories"][1]["steps"][1]["value"] == 1e13);

  const Done text = run(Scratch(), "explain --budget 3k"),
             dense = run(Scratch(), "explain --total 7 --active 7");
  CHECK(text.out.starts_with("What do 3000 FLOPs per token buy?\n"));
  CHECK(!has(text.out, "sparse"));
  CHECK(has(dense.out, "That is a dense model"));
  CHECK(run(Scratch(), "explain --total 1T --active 8B --csv")
            .out.starts_with("what,symbols,numbers,value,kind\n"
                             "parameters for each active one,"));
}

TEST_CASE("studies: a twin differs by the rounding of its width, and by nothing if it is the model") {
  const Json twins = json_of("iso mixtral-8x7b")["twins"];
  REQUIRE(twins.size() == 4);
  for (const Json& twin : twins) CHECK(std::abs(twin["off by"].get<double>()) < 1e-4);
  const Json same = json_of("iso mixtral-8x7b --match total --experts 8 --top-k 2")["twins"];
  CHECK(same[1]["F"] == 14336);
  CHECK(same[1]["total"] == 46702792704);
}

TEST_CASE("studies: sweep has the model itself as a point, and one for each combination") {
  const Json points = json_of(
      "sweep mixtral-8x7b --experts 8:32:*2 --top-k 1,2 --granularity 1,2 --factor 1.25 --ctx 4096,8192")
      ["points"];
  CHECK(points.size() == 3 * 2 * 2 * 2);
  int found = 0;
  for (const Json& p : points) {
    CHECK(p["padded"].get<double>() > p["forward"].get<double>());
    if (p["experts"] != 8 || p["top_k"] != 2 || p["granularity"] != 1 || p["ctx"] != 4096) continue;
    CHECK(p["total"] == 46702792704);
    CHECK(std::llround(p["forward"].get<double>() / 1e6) == 26571);
    ++found;
  }
  CHECK(found == 1);
}

TEST_CASE("studies: what compare runs is counted as the formula counts it") {
  const Json json = json_of("compare olmoe-1b-7b --run --tokens 16");
  REQUIRE(json["run"].size() == 2);
  for (const Json& run : json["run"]) {
    CHECK(run["counted"] == run["by formula"]);
    CHECK(run["seconds"].get<double>() > 0);
  }
  const double ratio = json["run"][1]["counted"].get<double>() / json["run"][0]["counted"].get<double>();
  CHECK(std::abs(ratio - 1) < 0.01);
  CHECK(json["models"][0]["params"]["total"].get<Index>() >
        json["models"][1]["params"]["total"].get<Index>());
}
