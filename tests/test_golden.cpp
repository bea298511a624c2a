#include <set>

#include "../src/golden/families.h"
#include "moe/config_json.h"
#include "moe/corpus.h"
#include "moe/golden.h"
#include "moe/scalar/ball.h"
#include "moe/tensor_json.h"
#include "scratch.h"

using namespace moe;

namespace {

/// The case `id` of the corpus.
GoldenCase case_called(const std::string& id) {
  for (const GoldenFile& file : corpus())
    for (const GoldenCase& c : file.cases)
      if (c.id == id) return c;
  throw Error(id, id + " is not in the corpus");
}

Json rendered(const GoldenCase& c) {
  const GoldenFile file{"f.json", {c}};
  return parse_json(render(file, {prove(c)}).text, "f.json")["groups"][0]["cases"][0];
}

}  // namespace

// Numbers that were computed elsewhere, with Arb at 72 bits and in plain Python, before this code existed.
TEST_CASE("golden: the worked example, all of its 162 numbers") {
  const Certified proof = *prove(case_called("worked/layer")).certified;
  const std::vector<std::pair<std::string, std::vector<double>>> known{
#include "worked_example.inc"
  };
  std::size_t compared = 0;
  for (const auto& tensor : known) {
    const std::vector<double>& values = tensor.second;
    CAPTURE(tensor.first);
    if (tensor.first == "sigmoid of expert.gate") {
      Ball::bits = 128;
      const std::vector<double> gate = values_in(proof.arrays, "expert.gate");
      for (std::size_t i = 0; i < values.size(); ++i)
        CHECK(correctly_rounded(sigmoid(Ball(gate.at(i)))).value() == values[i]);
    } else {
      CHECK(values_in(proof.arrays, tensor.first) == values);
    }
    compared += values.size();
  }
  CHECK(compared == 162);
}

// C = 2 for expert 0, the scores are 1 / (1 + exp(-|x|)), y = 3 x times the score for the two tokens that are kept there.
TEST_CASE("golden: the worked overflow, by hand") {
  const Certified proof = *prove(case_called("worked/overflow")).certified;
  CHECK(values_in(proof.arrays, "dispatch.kept") == std::vector<double>{1, 1, 0, 0, 1});
  CHECK(values_in(proof.arrays, "dispatch.counts") == std::vector<double>{4, 1});
  CHECK(values_in(proof.arrays, "expert.out") == std::vector<double>{3, 6, 5});
  CHECK(values_in(proof.arrays, "y") ==
        std::vector<double>{2.193175735890015, 5.284782467867295, 0, 0, 3.6552928931500244});
  CHECK(values_in(proof.arrays, "grad.experts.down") ==
        std::vector<double>{2.4926527345857696, 0.7310585786300049});
}

// 60 % of the tokens at p = (0.51, 0.49), 40 % at (0.01, 0.99): 2 (0.6 0.31 + 0.4 0.69), where uniform traffic gives 1.
TEST_CASE("golden: a balance below that of uniform traffic is proven to be 0.924") {
  const Certified proof = *prove(case_called("losses/below-uniform")).certified;
  CHECK(values_in(proof.arrays, "loss.balance") == std::vector<double>{0.924});
  CHECK(values_in(proof.arrays, "dispatch.counts") == std::vector<double>{3, 2});
  CHECK(values_in(prove(case_called("losses/balanced")).certified->arrays, "loss.balance") ==
        std::vector<double>{1});
}

TEST_CASE("golden: the worked expert, by hand: 4 silu(2) (-1)") {
  CHECK(values_in(prove(case_called("worked/expert")).certified->arrays, "y") ==
        std::vector<double>{-7.046376623823059});
}

TEST_CASE("golden: a tie at the boundary is acceptable either way, with y for the other choice") {
  const Json json = rendered(case_called("ties/boundary"));
  CHECK(json["result"] == "acceptable");
  CHECK(json["stages"]["router.topk_ids"]["data"] == Json({2, 1, 0, 2}));
  REQUIRE(json["alternatives"].size() == 1);
  CHECK(json["alternatives"][0]["router.topk_ids"]["data"] == Json({2, 3, 0, 2}));
  const Json &y = json["stages"]["y"]["data"], &other = json["alternatives"][0]["y"]["data"];
  CHECK(y[0] != other[0]);
  CHECK(y[4] == other[4]);  // the second token has no tie
  CHECK(json["cert"]["gradient"]["validity"] == "branch");
}

TEST_CASE(
    "golden: three equal logits for two slots leave two more choices, equal experts give equal outputs") {
  CHECK(rendered(case_called("ties/three-way"))["alternatives"].size() == 2);
  const Json same = rendered(case_called("ties/duplicate-experts"));
  REQUIRE(same["alternatives"].size() == 1);
  for (const Json& alternative : same["alternatives"])
    CHECK(alternative["y"]["data"] == same["stages"]["y"]["data"]);
}

namespace {

/// Experts with these logits, two choices each, and a capacity of one.
GoldenCase full_experts(const char* order) {
  return CaseBuilder("mixtral", "ties/full", "")
      .set("shape.top_k=2")
      .set("capacity.mode=fixed")
      .set("capacity.fixed=1")
      .set(order)
      .logits({{1, 1, 0}, {2, 0, 1}});
}

}  // namespace

TEST_CASE("golden: a tie inside the choice is open where its order decides what is dropped") {
  // Token 0 prefers experts 0 and 1 alike, token 1 expert 0. Choice by choice, whoever comes first in token 0's slots keeps
  // its place; token by token both do.
  const Json json = rendered(full_experts("capacity.order=choice_major"));
  CHECK(json["result"] == "acceptable");
  CHECK(json["cert"]["gradient"]["validity"] == "branch");
  CHECK(json["stages"]["dispatch.kept"]["data"] == Json({1, 1, 0, 1}));
  REQUIRE(json["alternatives"].size() == 1);
  CHECK(json["alternatives"][0]["router.topk_ids"]["data"] == Json({1, 0, 0, 2}));
  CHECK(json["alternatives"][0]["dispatch.kept"]["data"] == Json({1, 0, 1, 1}));
  CHECK(json["alternatives"][0]["loss.total"]["data"] != json["stages"]["loss.total"]["data"]);
  const Json settled = rendered(full_experts("capacity.order=token_major"));
  CHECK(settled["result"] == "valid");
  CHECK(settled["cert"]["gradient"]["validity"] == "differentiable");
}

TEST_CASE("golden: a tie of priorities is open, and so are more ties than can be listed") {
  const Json scores = rendered(case_called("capacity/equal-scores"));
  CHECK(scores["result"] == "acceptable");
  REQUIRE(scores["alternatives"].size() == 1);
  CHECK(scores["alternatives"][0]["router.topk_ids"] == scores["stages"]["router.topk_ids"]);
  CHECK(scores["alternatives"][0]["dispatch.kept"]["data"] == Json({0, 1, 1, 1}));
  const Json many = rendered(CaseBuilder("mixtral", "ties/many", "")
                                 .set("shape.top_k=4")
                                 .logits({{0, 0, 0, 0, 0, 0, 0, 0}}));  // 70 choices
  CHECK(many["result"] == "acceptable");
  CHECK(many["alternatives"].size() == 16);
  CHECK(many["moreAlternatives"] == true);
}

TEST_CASE("golden: tensors of several cases do not meet in one sidecar") {
  TensorWriter write("s.safetensors");
  const Array large = array_of({70000}, std::vector<double>(70000).data());
  write.begin("a/");
  CHECK(write("y", large)["tensor"] == "a/y");
  write.begin("b/");
  CHECK(write("y", large)["tensor"] == "b/y");
  CHECK(write.large().size() == 2);
}

TEST_CASE("golden: an invalid case names the field, and has no stages") {
  const Json json = rendered(case_called("invalid/k-above-e"));
  CHECK(json["result"] == "invalid");
  CHECK(json["error"]["field"] == "shape.top_k");
  CHECK(!json.contains("stages"));
}

TEST_CASE("golden: a case that ought to be refused and is not breaks the certificate") {
  GoldenCase c = case_called("worked/layer");
  c.invalid = true;
  CHECK_THROWS_AS(prove(c), CertificateBroken);
}

TEST_CASE("golden: a case that is flagged exact and is not breaks the certificate") {
  GoldenCase c = case_called("exact/relu-gated");
  CHECK(!prove(c).exact.empty());
  set_field(c.config, "experts.activation=silu");
  CHECK_THROWS_AS(prove(c), CertificateBroken);
}

TEST_CASE("golden: a number that is not proven says enclosure") {
  GoldenCase c = case_called("worked/expert");
  ProvenCase proof = prove(c);
  proof.certified->refused.push_back({"y", 0, -7.5, -7.25});
  const RenderedFile file = render({"f.json", {c}}, {proof});
  const Json json = parse_json(file.text, "f.json")["groups"][0]["cases"][0];
  CHECK(json["stages"]["y"]["cert"] == "enclosure");
  CHECK(json["stages"]["y"]["enclosures"] == Json::array({{{"index", 0}, {"low", -7.5}, {"high", -7.25}}}));
  CHECK(json["stages"]["expert.out"]["cert"] == "rne64");
  CHECK(json["cert"]["refused"] == 1);
  CHECK(file.proven == file.numbers - 1);
}

TEST_CASE("golden: a case of results alone states no gradient and no row, and says so") {
  const Scratch folder;
  GoldenCase c = CaseBuilder("deepseek_v3", "full/small", "")
                     .flag("FullSize")
                     .set("router.n_group=1")
                     .set("shape.top_k=2")
                     .results_only();
  const GoldenFile file{folder / "f.json", {c}};
  const std::vector<ProvenCase> proofs{prove(c)};
  const RenderedFile text = render(file, proofs);
  const Json json = parse_json(text.text, "f.json")["groups"][0]["cases"][0];
  CHECK(json["extent"] == "results");
  for (const auto& [name, tensor] : json["stages"].items())
    CHECK((name.starts_with("router.") || name.starts_with("dispatch.") || name.starts_with("loss.") ||
           name == "y"));
  CHECK(json["stages"].contains("y"));
  CHECK(!json["cert"].contains("gradient"));
  Index numbers = 0;
  for (const auto& [name, a] : proofs.front().certified->arrays) numbers += is_real(a.format) ? a.size() : 0;
  CHECK(json["cert"]["numbers"] == numbers);
  write_golden(file.path, text);
  CHECK(verify_file(file.path, [](Index, Index) {}).different == 0);
}

TEST_CASE("golden: a case of the corpus says what it detects, in three digits, others do not") {
  GoldenCase c = case_called("worked/layer");
  const Json detection = rendered(c)["detection"];
  const Detection all = detection_of(config_from_json(c.config), c.inputs);
  CHECK(detection["mistakes"] == all.mistakes);
  CHECK(detection["caught"] == all.caught);
  CHECK(detection["least"]["mistake"] == all.hardest);
  CHECK(std::abs(detection["least"]["ratio"].get<double>() / all.least_ratio - 1) <= 0.005);
  CHECK(all.caught > 20);
  c.detection = false;
  CHECK(!rendered(c).contains("detection"));
  for (const GoldenFile& file : corpus())
    for (const GoldenCase& other : file.cases)
      CHECK(other.detection == (!other.invalid && !other.results_only));
}

TEST_CASE("golden: a recipe too large to draw has no sha256, and reads back") {
  TensorWriter write("s.safetensors");
  const Array large{Format::BF16, {Index{1} << 20, Index{1} << 20}, {}, Recipe{{1, 3, 0}, 12}};
  const Json json = write("experts.up", large);
  CHECK(!json.contains("sha256"));
  CHECK(write.large().empty());
  const Array back = array_from_json("experts.up", json, "f.json");
  CHECK(back.real((Index{1} << 40) - 1) == large.real((Index{1} << 40) - 1));
  CHECK(write("x", Array{Format::BF16, {2, 40000}, {}, Recipe{{1, 1, 0}, 6}}).contains("sha256"));
}

TEST_CASE("golden: a file reads back as the cases that made it, and proves to the same bytes") {
  const Scratch folder;
  const GoldenFile file{
      folder / "f.json",
      {case_called("ties/boundary"), case_called("capacity/by-weight"), case_called("invalid/x-nan")}};
  std::vector<ProvenCase> proofs;
  for (const GoldenCase& c : file.cases) proofs.push_back(prove(c));
  write_golden(file.path, render(file, proofs));
  const CorpusTotals totals = verify_file(file.path, [](Index, Index) {});
  CHECK(totals.different == 0);
  CHECK(totals.cases == 3);
}

TEST_CASE("golden: files that are none are refused with what they lack") {
  const Scratch folder;
  const auto error_with = [&](const std::string& text) {
    OutputFile file(folder / "f.json");
    file.write(text);
    file.commit();
    const std::string error = error_of([&] { read_golden(folder / "f.json"); });
    return error.substr(std::min(error.size(), (folder / "f.json").size()));
  };
  CHECK(error_with("{}") == ": must have format");
  CHECK(error_with(R"({"format":"moe-golden","formatVersion":"2.0.0"})") ==
        ": format must be moe-golden, version 1");
  CHECK(error_with(R"({"format":"moe-golden","formatVersion":"1.0.0","groups":3})") ==
        ": groups = 3 must be an array");
  CHECK(error_with(R"({"format":"moe-golden","formatVersion":"1.0.0","groups":[{"cases":[3]}]})") ==
        ": must have id");
}
