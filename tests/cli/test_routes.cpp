#include <doctest/doctest.h>

#include "moe/check.h"
#include "moe/safetensors.h"
#include "run.h"

// Recorded routes, as a user asks about them.
using namespace moe;

namespace {

/// A trace of 8 tokens of a preset, whose ids and logits are a recording of one layer.
void record(const Scratch& folder, const std::string& arguments, const std::string& name) {
  const Done done = run(folder, "run " + arguments + " --tokens 8 --out " + name);
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
}

}  // namespace

TEST_CASE("routes: a layer's own are right by its logits, and by its inputs") {
  const Scratch folder;
  record(folder, "mixtral", "t.safetensors");
  const Done by_logits = run(folder, "routes check mixtral --ids t.safetensors --logits t.safetensors");
  CHECK(by_logits.code == 0);
  CHECK(by_logits.err.empty());
  CHECK(has(by_logits.out, "PASS as f32: none of 8 choices is wrong\n"));
  const CheckCase c = read_check_cases(kMixtral).front();
  Arrays inputs;
  for (const auto& [id, a] : c.golden.inputs) inputs.emplace_back(name_of(id), a);
  write_safetensors(folder / "in.safetensors", inputs);
  REQUIRE(run(folder, "run --case presets/mixtral --out g.safetensors").code == 0);
  const std::string by_inputs =
      "routes check mixtral --ids g.safetensors --input in.safetensors --weights in.safetensors";
  CHECK(run(folder, by_inputs).code == 0);
  CHECK(run(folder, by_inputs + " --profile bf16_every_op --json").code == 0);
}

TEST_CASE("routes: those of other logits are wrong, and named") {
  const Scratch folder;
  record(folder, "mixtral", "t.safetensors");
  record(folder, "mixtral --seed 2", "other.safetensors");
  const std::string wrong = "routes check mixtral --ids t.safetensors --logits other.safetensors";
  const Done done = run(folder, wrong);
  CHECK(done.code == 1);
  CHECK(has(done.out, "layer 0, token "));
  CHECK(has(done.out, "choices are wrong\n"));
  const Done json = run(folder, wrong + " --json");
  CHECK(json.code == 1);
  const Json document = parse_json(json.out, "stdout");
  CHECK(document["status"] == "FAIL");
  CHECK_FALSE(document["layers"][0]["wrong"].empty());
}

TEST_CASE("routes: with a bias, which stands beside the logits") {
  const Scratch folder;
  record(folder, "deepseek_v3", "t.safetensors");
  const Done without = run(folder, "routes check deepseek_v3 --ids t.safetensors --logits t.safetensors");
  CHECK(without.code == 2);
  CHECK(has(without.err, "t.safetensors: must hold router.selection_bias of shape [1,"));
}

TEST_CASE("routes: every layer has its own choices, logits and biases") {
  const Scratch folder;
  std::vector<double> z;  // two tokens of two layers: falling and rising, rising and falling
  for (const int rises : {0, 1, 1, 0})
    for (int e = 0; e < 8; ++e) z.push_back(rises != 0 ? e : 7 - e);
  std::vector<double> b(16);
  b[8 + 2] = 5;  // lifts expert 2 in layer 1
  write_safetensors(folder / "z.safetensors", {{"router.logits", array_of({2, 2, 8}, z.data())},
                                               {"router.selection_bias", array_of({2, 8}, b.data())}});
  write(folder / "ids.jsonl", "[[0, 1], [2, 7]]\n[[7, 6], [0, 2]]\n");
  write(folder / "swapped.jsonl", "[[2, 7], [0, 1]]\n[[7, 6], [0, 2]]\n");
  const std::string check =
      "routes check mixtral --set router.selection_bias=true --logits z.safetensors --ids ";
  const Done right = run(folder, check + "ids.jsonl");
  CAPTURE(right.err);
  CHECK(right.code == 0);
  CHECK(has(right.out, "none of 4 choices is wrong\n"));
  const Done wrong = run(folder, check + "swapped.jsonl");
  CHECK(wrong.code == 1);
  CHECK(has(wrong.out, "layer 0, token 0 goes to {2, 7}, not {0, 1}: these are "));
  CHECK(has(wrong.out, "layer 1, token 0 goes to {0, 1}, not {2, 7}: these are "));
  CHECK(has(wrong.out, "2 of 4 choices are wrong\n"));
  write(folder / "twice.jsonl", "[[0, 0], [2, 7]]\n[[7, 6], [0, 2]]\n");
  CHECK(
      has(run(folder, check + "twice.jsonl").out,
          "layer 0, token 0 goes to {0, 0}, not {0, 1}: experts must differ, and be some of the layer's\n"));
}

TEST_CASE("routes: what is wrong is one line") {
  const Scratch folder;
  record(folder, "mixtral", "t.safetensors");
  write(folder / "half.csv", "0,1.5\n");
  write(folder / "short.csv", "0,1\n");
  write(folder / "one.csv", "0,1\n");
  write(folder / "skipped.csv", "-1,-1\n");
  write(folder / "z.csv", "7,6,5,4,3,2,1,0\n");
  write(folder / "nan.csv", "7,6,5,4,3,2,1,nan\n");
  for (const auto& [arguments, said] : std::vector<std::pair<std::string, std::string>>{
           {"routes", "routes needs one of check"},
           {"routes chek", "did you mean check?"},
           {"routes check mixtral --ids t.safetensors", "needs one of --logits and --input"},
           {"routes check mixtral --ids half.csv --logits t.safetensors",
            "1.5 must be the number of an expert"},
           {"routes check mixtral --ids short.csv --logits t.safetensors", "must be [1,1,"},
           {"routes check mixtral --ids t.safetensors --logits t.safetensors --seed 3",
            "beside --logits only"},
           {"routes check mixtral --ids skipped.csv --logits z.csv",
            "must hold a choice; all tokens are skipped"},
           {"routes check mixtral --ids one.csv --logits nan.csv", "nan must be finite"},
           {"routes check mixtral --ids none.csv --logits t.safetensors", "none.csv"}}) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments);
    CHECK(done.code == 2);
    CHECK(is_one_line(done.err));
    CHECK(has(done.err, said));
  }
}
