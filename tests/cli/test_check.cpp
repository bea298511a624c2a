#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "moe/file.h"
#include "moe/json.h"
#include "run.h"

// `check`, as a user meets it: answers from files, from programs that behave and from programs that do not.
using namespace moe;

namespace {

const std::string kGolden = MOE_ROOT "/golden/";

/// How many cases the files of a folder of golden/ hold.
Index cases_in(const std::string& folder) {
  Index cases = 0;
  for (const auto& file : std::filesystem::directory_iterator(kGolden + folder))
    cases += parse_json(read_text(file.path()), "golden")["numberOfCases"].get<Index>();
  return cases;
}

/// An answer in `folder` that is right: what `run` writes.
void write_answer(const Scratch& folder, const std::string& path, const std::string& options = "") {
  REQUIRE(run(folder, "run mixtral --backward --out '" + path + "' " + options).code == 0);
}

Done check_exec(const Scratch& folder, const std::string& command, const std::string& more = "") {
  return run(folder, "check " + kMixtral + " --timeout 1 --exec '" + command + "' " + more);
}

void check_backend_cpu(const std::string& dtype, int skipped) {
  const Scratch folder;
  const Done done = run(folder, "check " + kGolden + " --backend cpu --random 50 --json --dtype " + dtype);
  CHECK(done.code == 0);
  const Json report = parse_json(done.out, "report");
  const Json& counts = report["counts"];
  CHECK(counts["FAIL"] == 0);
  CHECK(counts["FLAG"] == 0);
  int declined = 0;  // by what it does not compute, which is this and nothing else
  for (const Json& c : report["cases"])
    for (const char* field : {"router.input = \"own\"",
                              "router.score_offset = ",
                              "router.score_function = \"identity\"",
                              "router.choice = \"given\"",
                              "router.second_policy = \"threshold\"",
                              "router.renorm = \"sparsemixer\"",
                              "noise.kind = \"gumbel\"",
                              "noise.kind = \"input_jitter\"",
                              "capacity.priority = \"random\"",
                              "combine.norm = \"rms\"",
                              "combine.rest = \"x\"",
                              "experts.latent_norm = \"rms\"",
                              "experts.output_norm = \"rms\"",
                              "experts.softcap_gate = ",
                              "experts.softcap_up = ",
                              "experts.identity_gives = \"zero\"",
                              "aux.f_stage = \"post_drop_first\"",
                              "aux.divisor = \"kept\"",
                              "aux.p_source = \"softmax_of_scores\"",
                              "aux.earlier_tokens = ",
                              "aux.masked = true",
                              "aux.z_of = \"clean\"",
                              "aux.load_against = \"last_chosen\""})
      if (c["status"] == "SKIPPED" &&
          c["reason"].get<std::string>().find(std::string("backend cpu does not compute ") + field) !=
              std::string::npos)
        ++declined;
  CHECK(declined > 0);
  CHECK(counts["SKIPPED"] == skipped + declined);
  const std::string list = run(folder, "golden list").out;
  const auto cases = static_cast<int>(std::count(list.begin(), list.end(), '\n'));
  CHECK(cases > 270);
  CHECK(counts["PASS"].get<int>() + counts["LOW-POWER"].get<int>() == cases + 50 - skipped - declined);
}

}  // namespace

TEST_CASE("check: backend cpu passes the corpus in f32") { check_backend_cpu("f32", 0); }
TEST_CASE("check: backend cpu passes the corpus in bf16 where it holds the inputs") {
  check_backend_cpu("bf16", 12);
}

TEST_CASE("check: the reference passes its own corpus") {
  const Scratch folder;
  const Done done =
      run(folder, "check " + kGolden + "presets/mixtral.json worked/layer --backend reference --random 20");
  CAPTURE(done.out);
  CHECK(done.code == 0);
  CHECK(done.out.find("22 cases: ") != std::string::npos);
  CHECK(done.out.find("FAIL") == std::string::npos);
  CHECK(run(folder, "check random/19 --backend reference").code == 0);
  const Done presets = run(folder, "check " + kGolden + "presets --backend reference");
  CHECK(presets.code == 0);
  const std::string all = std::to_string(cases_in("presets"));
  CHECK(presets.out.find(all + " cases: " + all + " PASS") != std::string::npos);
  const Done nothing = run(folder, "check . --backend reference");
  CHECK(nothing.code == 2);
  CHECK(nothing.err.find("must be a folder with golden files") != std::string::npos);
}

TEST_CASE("check: an answer from a file, in every form that there is") {
  if (!MOE_HAS_BALL) return;
  const Scratch folder;
  REQUIRE(run(folder, "golden write mixtral --out g.json").code == 0);
  for (const std::string name : {"answer.json", "answer.safetensors"}) {
    CAPTURE(name);
    write_answer(folder, name, "--scalar float");
    const Done done = run(folder, "check g.json --got " + name + " --profile fp32_any_order");
    CAPTURE(done.out);
    CHECK(done.code == 0);
    CHECK(done.out.find("PASS") != std::string::npos);
  }
}

TEST_CASE("check: answers from a folder by their ids, and what has none is skipped") {
  if (!MOE_HAS_BALL) return;
  const Scratch folder;
  REQUIRE(run(folder, "golden write mixtral --out g.json").code == 0);
  std::filesystem::create_directories(folder / "got/run");
  write_answer(folder, "got/run/mixtral.json");
  const Done done = run(folder, "check g.json presets/switch --got got");
  CAPTURE(done.out);
  CHECK(done.code == 0);
  CHECK(done.out.find("2 cases: 1 PASS, 1 SKIPPED") != std::string::npos);
  CHECK(run(folder, "check presets/switch --got got").code == 3);
}

TEST_CASE("check: a wrong answer is exit 1, and the reports say what is wrong") {
  if (!MOE_HAS_BALL) return;
  const Scratch folder;
  REQUIRE(run(folder, "golden write mixtral --out g.json").code == 0);
  write_answer(folder, "wrong.json", "--set experts.activation=gelu_tanh");
  const Done done = run(folder, "check g.json --got wrong.json --report r.json");
  CHECK(done.code == 1);
  CHECK(done.out.find("expert.hidden [") != std::string::npos);
  CHECK(done.out.find("moe-oracle check g.json") != std::string::npos);
  const Json report = parse_json(read_text(folder / "r.json"), "r.json");
  CHECK(report["format"] == "moe-check");
  CHECK(report["command"] == "moe-oracle check g.json --got wrong.json");
  CHECK(report["cases"][0]["status"] == "FAIL");
  const Done page = run(folder, "check g.json --got wrong.json --report r.html --json");
  CHECK(page.code == 1);
  CHECK(parse_json(page.out, "stdout")["cases"][0]["id"] == "run/mixtral");
  const std::string html = read_text(folder / "r.html");
  CHECK(html.starts_with("<!DOCTYPE html>"));
  CHECK(html.find("run/mixtral") != std::string::npos);
}

TEST_CASE("check: the command that checks the worst again says all that decides, as a shell takes it") {
  const Scratch folder;
  const std::string how = "--profile fp32_any_order --mode pinned";
  const Done done = run(folder, "check presets/mixtral " + how + " --exec \"exit 1; 'x y'\"");
  CHECK(done.code == 1);
  CAPTURE(done.out);
  CHECK(done.out.find("moe-oracle check presets/mixtral --exec 'exit 1; '\\''x y'\\''' " + how) !=
        std::string::npos);
}

TEST_CASE("check: stated budgets give the same verdicts as computed ones") {
  if (!MOE_HAS_BALL) return;
  const Scratch folder;
  REQUIRE(run(folder, "golden write mixtral --budgets fp32_any_order --out g.json").code == 0);
  REQUIRE(run(folder, "golden verify g.json").code == 0);
  write_answer(folder, "answer.safetensors", "--scalar float");
  for (const std::string mode : {"end-to-end", "auto"}) {
    CAPTURE(mode);
    const Done done = run(
        folder, "check g.json --got answer.safetensors --profile fp32_any_order --mode " + mode + " --json");
    CHECK(done.code == 0);
  }
  write_answer(folder, "wrong.safetensors", "--scalar float --set experts.activation=gelu_tanh");
  CHECK(run(folder, "check g.json --got wrong.safetensors --profile fp32_any_order --mode end-to-end").code ==
        1);
}

TEST_CASE("check: a program that hangs, crashes, floods, lies or says nothing fails, and never holds us up") {
  const Scratch folder;
  const auto fails = [&](const std::string& command, const std::string& reason) {
    CAPTURE(command);
    const Done done = check_exec(folder, command);
    CAPTURE(done.out);
    CHECK(done.code == 1);
    CHECK(done.out.find(reason) != std::string::npos);
    CHECK(done.err.empty());
  };
  fails("sleep 600", "nothing within 1 s");
  fails("exit 3", "exited with status 3");
  fails("kill -9 $$", "killed by signal 9");
  fails("yes | tr -d \"\\n\"", "");
  fails("echo hello", "not JSON");
  fails("echo \"{}\"", "");
  fails("echo \"{\\\"id\\\": \\\"other\\\", \\\"tensors\\\": {}}\"", "other");
  for (const std::string command : {"no-such-program 2>/dev/null", "/ 2>/dev/null"}) {
    const Done done = check_exec(folder, command);
    CHECK(done.code == 3);
    CHECK(is_one_line(done.err));
    CHECK(done.err.find("must be a command that /bin/sh finds") != std::string::npos);
  }
}

TEST_CASE("check: a program that dies is asked three times, and the cases of its deaths fail") {
  const Scratch folder;
  const Done done = run(folder, "check " + kGolden + "presets --json --exec 'read -r line; exit 3'");
  CHECK(done.code == 1);
  const Json counts = parse_json(done.out, "report")["counts"];
  CHECK(counts["FAIL"] == 3);
  const Index cases = cases_in("presets");
  CHECK(counts["SKIPPED"] == cases - 3);
  CHECK(run(folder, "check " + kGolden + "presets --exec 'read -r line; exit 3'")
            .out.find("SKIPPED    " + std::to_string(cases - 3) + " cases, presets/") != std::string::npos);
}

TEST_CASE("check: a program that refuses is skipped, but right for an invalid case") {
  const Scratch folder;
  write(folder / "refuse",
        "while read -r line; do id=${line#*\\\"id\\\":\\\"}; echo \"{\\\"id\\\":\\\"${id%%\\\"*}\\\","
        "\\\"error\\\":\\\"no\\\"}\"; done\n");
  CHECK(check_exec(folder, "sh refuse").code == 3);
  const Done done = run(folder, "check " + kGolden + "invalid/inputs.json --exec 'sh refuse'");
  CAPTURE(done.out);
  CHECK(done.code == 0);
}

TEST_CASE("check: bad usage and bad files are one line") {
  const Scratch folder;
  write(folder / "empty.json", "");
  write(folder / "cut.safetensors", std::string("\x08\0\0", 3));
  write(folder / "p.json", "{\"inside\": \"f12\"}");
  write_answer(folder, "answer.json");
  for (const std::string arguments : {"check",
                                      "check presets/mixtral",
                                      "check --got answer.json",
                                      "check presets/nothing --got answer.json",
                                      "check presets/mixtral --got nothing.json",
                                      "check presets/mixtral --got answer.json --exec true",
                                      "check presets/mixtral --got answer.json --mode slow",
                                      "check presets/mixtral --got answer.json --profile fp12",
                                      "check presets/mixtral --got answer.json --profile p.json",
                                      "check presets/mixtral --got answer.json --random 3",
                                      "check presets/mixtral --backend tpu",
                                      "check presets/mixtral --backend cpu --dtype f8",
                                      "check presets/mixtral --got answer.json --dtype f31",
                                      "check presets/mixtral --got answer.json",
                                      "check presets/mixtral --got answer.json --fresh",
                                      "check presets/mixtral --exec true --seed 3",
                                      "check presets/mixtral --exec true --require grad.y",
                                      "check --backend reference --random 0",
                                      "check presets/mixtral presets/switch --got answer.json",
                                      "check presets/mixtral --backend reference --report r.txt",
                                      "check answer.json --backend reference"}) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments);
    CHECK(done.code == 2);
    CHECK(is_one_line(done.err));
    CHECK(done.out.empty());
  }
  CHECK(run(folder, "check presets/mixtral --backend cuda", kWithoutGpu).code == 3);
  CHECK(run(folder, "check presets/mixtral --backend cpu --dtype f64").code == 3);
  for (const std::string file : {"empty.json", "cut.safetensors"}) {
    CAPTURE(file);
    const Done done = run(folder, "check presets/mixtral --got " + file);
    CHECK(done.code == 1);
    CHECK(done.out.find("FAIL") != std::string::npos);
  }
}
