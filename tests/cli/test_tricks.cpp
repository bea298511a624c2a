#include <doctest/doctest.h>

#include <fstream>

#include "moe/answer.h"
#include "moe/check.h"
#include "moe/tensor_json.h"
#include "run.h"

// Answers that are not what they seem: right ones that look wrong, which pass, and wrong ones that look right, which do not.
using namespace moe;

namespace {

using Tensors = std::map<std::string, Array>;

/// What the golden file expects of presets/mixtral, in a format.
Tensors expected(Format format = Format::F32) {
  const CheckCase c = read_check_cases(kMixtral).front();
  Tensors all;
  for (const auto& [name, a] : c.expected) all[name] = is_real(a.format) ? converted(a, format, name) : a;
  return all;
}
Tensors only(const Tensors& from, const std::vector<std::string>& names) {
  Tensors some;
  for (const std::string& name : names) some[name] = from.at(name);
  return some;
}
/// An f32 tensor, all of which is multiplied.
Array scaled(const Array& a, double factor) {
  std::vector<float> values;
  for (Index i = 0; i < a.size(); ++i) values.push_back(static_cast<float>(a.real(i) * factor));
  Array b{Format::F32, a.dims, {}, {}};
  b.bytes.resize(values.size() * sizeof(float));
  std::memcpy(b.bytes.data(), values.data(), b.bytes.size());
  return b;
}
/// All its numbers, rounded to another format.
Array through(const Array& a, Format format) {
  const Array narrow = converted(a, format, "a");
  std::vector<double> values(static_cast<std::size_t>(a.size()));
  narrow.reals(0, values);
  return converted(array_of(a.dims, values.data()), a.format, "a");
}
Json answer_of(const Tensors& tensors) {
  TensorWriter write("");
  Json json{{"id", "presets/mixtral"}, {"tensors", Json::object()}};
  for (const auto& [name, a] : tensors) json["tensors"][name] = write(name, a);
  return json;
}
Done check_of(const Json& answer, const std::string& more = "") {
  const Scratch folder;
  std::ofstream(folder / "a.json") << answer.dump();
  return run(folder, "check presets/mixtral --got a.json " + more);
}
Done check_of(const Tensors& tensors, const std::string& more = "") {
  return check_of(answer_of(tensors), more);
}

/// A program that gives this answer to whatever it is asked.
std::string replays(const Scratch& folder, const Tensors& tensors) {
  std::ofstream(folder / "line") << answer_of(tensors).dump() << '\n';
  return "--exec 'while read -r request; do cat line; done'";
}

}  // namespace

TEST_CASE("tricks: answers of other programs get the verdict that is right") {
  const Scratch folder;
  for (const auto& [file, id, code] : {std::tuple("exact-halves.through-scores.f32", "exact/halves", 0),
                                       {"ties-zero-token.y-of-experts-2-3", "ties/zero-token", 0},
                                       {"presets-mixtral.wrong-y-and-empty-f16", "presets/mixtral", 1},
                                       {"presets-mixtral.bf16-y-ids-weights", "presets/mixtral", 0},
                                       {"presets-mixtral.logits-bf16-in-f32", "presets/mixtral", 0},
                                       {"range-sigmoid-edges.f32", "range/sigmoid-edges", 0},
                                       {"range-large-logits.f64", "range/large-logits", 0},
                                       {"shapes-model-12.bf16-loss", "shapes/model-12", 0},
                                       {"presets-mixtral.y-shortest-f32-digits", "presets/mixtral", 0}}) {
    const std::string answer = file;
    CAPTURE(answer);
    const Done done =
        run(folder, std::string("check ") + id + " --got '" MOE_ROOT "/tests/answers/" + file + ".json'");
    CAPTURE(done.out);
    CHECK(done.code == code);
    CHECK(done.err.empty());
  }
}

TEST_CASE("tricks: the right answers that the wrong ones are made of pass") {
  CHECK(check_of(expected()).code == 0);
  CHECK(check_of(only(expected(), {"y"})).code == 0);
  CHECK(check_of(expected(Format::F64)).code == 0);
}

TEST_CASE("tricks: no other tensor loosens y") {
  const Tensors right = expected();
  Tensors wrong = only(right, {"y"});
  wrong["y"] = scaled(wrong["y"], 1 + 0x1p-11);
  CHECK(check_of(wrong).code == 1);
  const Array narrow = converted(right.at("y"), Format::BF16, "y");
  const Array empty{Format::F16, {0}, {}, {}};
  for (const auto& [name, a] : {std::pair("out", narrow),
                                {"zzz", empty},
                                {"expert.gate", empty},
                                {"loss.task", narrow},
                                {"router.logits", empty}}) {
    const std::string other = name;
    CAPTURE(other);
    Tensors more = wrong;
    more[name] = a;
    CHECK(check_of(more).code == 1);
  }
  Tensors task = wrong;
  task["loss.task"] = converted(right.at("loss.task"), Format::BF16, "loss.task");
  CHECK(check_of(task).code == 1);
  Tensors narrow_weights =
      wrong;  // weights may be in bf16 where y is not: then y follows from them, and only from them
  narrow_weights["router.topk_weights"] = converted(right.at("router.topk_weights"), Format::BF16, "w");
  CHECK(check_of(narrow_weights).code == 1);
}

TEST_CASE("tricks: the format of y is not what its numbers are") {
  const Tensors right = expected();
  Tensors as_f32 = only(right, {"y"});
  as_f32["y"] = through(right.at("y"), Format::BF16);
  const Done f32 = check_of(as_f32);
  CHECK(f32.code == 1);
  CHECK(has(f32.out, "--dtype bf16"));
  CHECK(check_of(as_f32, "--dtype bf16").code == 0);
  Tensors as_f64 = only(expected(Format::F64), {"y"});
  as_f64["y"] = through(as_f64["y"], Format::F32);
  CHECK(check_of(as_f64).code == 1);
  as_f32["y"] = scaled(right.at("y"), 1 + 0x1p-6);
  CHECK(check_of(as_f32, "--dtype bf16").code == 1);
  as_f32["y"] = scaled(as_f32["y"], 0);
  CHECK(check_of(as_f32).code == 1);
  CHECK(check_of(as_f32, "--dtype bf16").code == 1);
}

TEST_CASE("tricks: an answer without what the case demands is partial") {
  const Tensors right = expected();
  const auto partial = [](const Done& done, const std::string& missing) {
    CHECK(done.code == 1);
    CHECK(has(done.out, "PARTIAL"));
    CHECK(has(done.out, missing + (has(missing, ",") ? " were not returned" : " was not returned")));
  };
  for (const std::string name : {"router.topk_ids", "dispatch.counts", "loss.task", "grad.x"}) {
    CAPTURE(name);
    partial(check_of(only(right, {name})), "y");
  }
  partial(check_of(Tensors{}), "y");
  partial(check_of(Tensors{{"Y", right.at("y")}, {"y ", right.at("y")}, {"output", right.at("y")}}), "y");
  partial(check_of(only(right, {"y"}), "--require grad.x,router.topk_ids"), "grad.x, router.topk_ids");
  CHECK(check_of(only(right, {"y", "grad.x"}), "--require grad.x").code == 0);
  CHECK(has(check_of(only(right, {"y"})).out, "not returned: "));
}

TEST_CASE("tricks: a y that is none") {
  const Tensors right = expected();
  for (const Array& y :
       {Array{Format::F32, {0}, {}, {}}, scaled(right.at("y"), 0), scaled(right.at("y"), NAN),
        scaled(right.at("y"), HUGE_VAL), right.at("router.topk_ids"), right.at("grad.x")})
    CHECK(check_of(Tensors{{"y", y}}).code == 1);
  Tensors transposed = only(right, {"y"});
  std::swap(transposed["y"].dims[0], transposed["y"].dims[1]);
  CHECK(check_of(transposed).code == 1);
}

TEST_CASE("tricks: a name twice is refused") {
  const Scratch folder;
  const std::string once = answer_of(only(expected(), {"y"})).dump();
  const std::size_t y = once.find("\"y\":");
  const std::string tensor = once.substr(y, once.rfind("}}") - y);
  std::ofstream(folder / "a.json") << once.substr(0, y) << tensor << ',' << tensor << "}}";
  const Done done = run(folder, "check presets/mixtral --got a.json");
  CHECK(done.code == 1);
  CHECK(has(done.out, "\"y\" must not appear twice"));
}

TEST_CASE("tricks: right results of wrong choices, and right choices with wrong results") {
  Tensors wrong = only(expected(), {"y", "router.topk_ids", "router.topk_weights"});
  Array& ids = wrong["router.topk_ids"];
  std::int32_t first = 0;
  std::memcpy(&first, ids.bytes.data(), sizeof first);
  first = (first + 1) % 4;
  std::memcpy(ids.bytes.data(), &first, sizeof first);
  CHECK(check_of(wrong).code == 1);
  Tensors gradient = only(expected(), {"y", "grad.x"});
  gradient["grad.x"] = scaled(gradient["grad.x"], 1 + 0x1p-10);
  CHECK(check_of(gradient).code == 1);
}

TEST_CASE("tricks: six digits are not those of f32") {
  Json answer = answer_of(only(expected(), {"y"}));
  for (Json& number : answer["tensors"]["y"]["data"]) {
    std::ostringstream text;
    text << number.get<double>();
    number = std::stod(text.str());
  }
  answer["tensors"]["y"].erase("sha256");
  const Done done = check_of(answer);
  CHECK(done.code == 1);
  CHECK(has(done.out, "was printed with 6 digits; f32 needs 9"));
}

TEST_CASE("tricks: a profile of one's own has a name of its own") {
  const Scratch folder;
  std::ofstream(folder / "p.json") << R"({"name": "fp32_any_order", "inside": "bf16", "result": "bf16"})";
  const Done done = run(folder, "check presets/mixtral --backend reference --profile p.json");
  CHECK(done.code == 2);
  CHECK(is_one_line(done.err));
  CHECK(has(done.err, "fp32_any_order"));
}

TEST_CASE("tricks: what was read from disk does not answer what is drawn now") {
  const Scratch folder;
  const std::string reader = replays(folder, expected());
  CHECK(run(folder, "check presets/mixtral " + reader).code == 0);  // plain --exec does not stop it
  for (const std::string seed : {"--seed 1", "--seed 2"}) {
    const Done fresh = run(folder, "check presets/mixtral --fresh " + seed + " " + reader);
    CHECK(fresh.code == 1);
    CHECK(fresh.out == run(folder, "check presets/mixtral --fresh " + seed + " " + reader).out);
  }
  CHECK(has(run(folder, "check presets/mixtral --fresh --backend reference").out, "inputs of --seed "));
  CHECK(run(folder, "check " MOE_ROOT "/golden/presets --fresh --backend reference").code == 0);
}

TEST_CASE("tricks: an answer to other inputs is no answer") {
  const Scratch folder;
  REQUIRE(run(folder, "run --case presets/mixtral --backward --out right.safetensors").code == 0);
  CHECK(run(folder, "check presets/mixtral --got right.safetensors").code == 0);
  REQUIRE(run(folder, "run --case presets/mixtral --out right.json").code == 0);
  CHECK(run(folder, "check presets/mixtral --got right.json").code == 0);
  REQUIRE(run(folder, "run mixtral --backward --out other.safetensors").code == 0);
  for (const std::string verb : {"check", "diagnose"}) {
    const Done done = run(folder, verb + " presets/mixtral --got other.safetensors");
    CHECK(done.code == 2);
    CHECK(is_one_line(done.err));
    CHECK(has(done.err, "other inputs"));
  }
}

TEST_CASE("tricks: refusing everything passes nothing, and a refusal beside a PASS is said last") {
  const Scratch folder;
  std::ofstream(folder / "refuse")
      << "while read -r line; do id=${line#*\\\"id\\\":\\\"}; "
         "echo \"{\\\"id\\\":\\\"${id%%\\\"*}\\\",\\\"error\\\":\\\"no\\\"}\"; done\n";
  const Done all = run(folder, "check presets/mixtral --exec 'sh refuse'");
  CHECK(all.code == 3);
  CHECK_FALSE(has(all.out, "PASS"));
  const std::string answer = answer_of(expected()).dump();
  std::ofstream(folder / "one") << answer << '\n';
  const Done some =
      run(folder, "check presets/mixtral presets/switch --exec 'read -r line; cat one; exec sh refuse'");
  CHECK(some.code == 0);
  CHECK(some.out.ends_with("declined: presets/switch\n"));
}
