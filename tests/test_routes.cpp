#include <random>

#include "moe/routes.h"
#include "moe/safetensors.h"
#include "scratch.h"

using namespace moe;

namespace {

constexpr Index kWidth = 64;

Config router_of(const std::string& preset, Index T, Index D, Index E, Index K) {
  Config c = load_config(preset).config;
  c.shape = {T, D, 1, E, K, 1};
  return c;
}

/// A layer's inputs with these tokens and this router.
Inputs inputs_with(const Config& config, const Matrix<double>& x, const Matrix<double>& w) {
  Inputs inputs = seeded_inputs(config);
  inputs[Tensor::x] = array_of({x.rows(), x.cols()}, x.data());
  inputs[Tensor::router_weight] = array_of({w.rows(), w.cols()}, w.data());
  return inputs;
}

Matrix<double> floats(std::mt19937& random, Index rows, Index cols) {
  std::uniform_real_distribution<float> number(-1, 1);
  Matrix<double> m(rows, cols);
  for (Index i = 0; i < m.size(); ++i) m.data()[i] = static_cast<double>(number(random));
  return m;
}

Matrix<Index> chosen(const std::vector<std::vector<double>>& rows) { return matrix(rows).cast<Index>(); }

const Profile& f32() { return profile_called("fp32_any_order"); }

RoutesVerdict by_logits(const Config& config, const std::vector<std::vector<double>>& ids,
                        const std::vector<std::vector<double>>& z, const Matrix<double>& b = {}) {
  return judge_routes(config, chosen(ids), matrix(z), b, f32());
}

std::string text_fault(const std::string& name, const std::string& text, Index width) {
  const Scratch folder;
  std::ofstream(folder / name) << text;
  const std::string said = error_of([&] { read_recording(folder / name, "router.topk_ids", width); });
  return said.substr(std::min(said.size(), (folder / "").size()));
}

}  // namespace

TEST_CASE("routes: a flip is wrong where its margin exceeds what f32 logits may be off, and nowhere else") {
  std::mt19937 random(7);
  const Config config = router_of("mixtral", 1, kWidth, 4, 1);
  int wrong = 0, within = 0;
  for (int i = 0; i < 100; ++i) {
    CAPTURE(i);
    const Matrix<double> x = floats(random, 1, kWidth);
    Matrix<double> w = floats(random, 4, kWidth);
    // Experts 0 and 1 are the best, and differ in one weight.
    for (Index d = 0; d < kWidth; ++d)
      w(0, d) = std::copysign(w(0, d), x(0, d)), w(1, d) = w(0, d), w(2, d) = w(3, d) = -w(0, d);
    // Two sums of D products in f32, each off by g sum_d |x_d w_d| at most, g = D u / (1 - D u): Higham, in whatever order.
    const double g = kWidth * 0x1p-24 / (1 - kWidth * 0x1p-24), sum = (x.row(0).cwiseProduct(w.row(0))).sum();
    const double off = 2 * g * sum;
    const double wanted = off * std::exp2(std::uniform_real_distribution<double>(-6, 6)(random));
    w(1, 0) = static_cast<double>(static_cast<float>(w(0, 0) - wanted / x(0, 0)));
    const double margin = (w(0, 0) - w(1, 0)) * x(0, 0);
    if (margin > 0.9 * off && margin < 1.25 * off) continue;  // the scores' rounding may decide, too
    const RoutesVerdict verdict = judge_routes(config, chosen({{1}}), inputs_with(config, x, w), f32());
    CHECK(verdict.wrong.size() == (margin > off ? 1 : 0));
    if (margin > 0 && margin < off) CHECK(verdict.flips == 1);
    ++(margin > off ? wrong : within);
  }
  CHECK(wrong > 30);
  CHECK(within > 30);
}

TEST_CASE("routes: choices by logits that were added up in f32, in any order, are not wrong") {
  std::mt19937 random(8);
  const Config config = router_of("mixtral", 400, kWidth, 64, 8);
  const Matrix<double> x = floats(random, 400, kWidth), w = floats(random, 64, kWidth);
  for (const Index step : {1, 63, 5}) {  // through the products, modulo their number
    Matrix<float> z(400, 64);
    for (Index t = 0; t < 400; ++t)
      for (Index e = 0; e < 64; ++e) {
        float sum = 0;
        for (Index i = 0, d = 0; i < kWidth; ++i, d = (d + step) % kWidth)
          sum += static_cast<float>(x(t, d)) * static_cast<float>(w(e, d));
        z(t, e) = sum;
      }
    const IdMatrix ids = choose_experts(Matrix<double>(z.cast<double>()), 8);
    const RoutesVerdict verdict = judge_routes(config, ids.cast<Index>(), inputs_with(config, x, w), f32());
    CHECK(verdict.wrong.empty());
    CHECK(verdict.certain + verdict.ambiguous + verdict.tied == 400);
    CHECK(verdict.certain > 390);
  }
}

TEST_CASE("routes: recorded logits are what they are") {
  const Config config = router_of("mixtral", 5, 1, 4, 2);
  const std::vector<double> apart{3, 2, 1, 0}, tied{3, 1, 1, 0};
  const RoutesVerdict v =
      by_logits(config, {{1, 0}, {0, 2}, {0, 2}, {0, 0}, {0, 4}}, {apart, apart, tied, apart, apart});
  CHECK(v.certain == 1);
  CHECK(v.tied == 1);
  CHECK(v.flips == 1);
  REQUIRE(v.wrong.size() == 3);
  CHECK(v.wrong[0].token == 1);
  CHECK(v.wrong[0].chosen == std::vector<Index>{0, 2});
  CHECK(v.wrong[0].right == std::vector<Index>{0, 1});
  CHECK(v.wrong[0].margin == 1);  // of 1 and 2
  CHECK(v.wrong[0].bound == 0);
  CHECK(v.wrong[0].are_experts);
  CHECK(v.wrong[1].token == 3);
  CHECK_FALSE(v.wrong[1].are_experts);
  CHECK(v.wrong[2].token == 4);
  CHECK_FALSE(v.wrong[2].are_experts);
}

TEST_CASE("routes: a wrong choice is as far off as the worst of its experts") {
  const RoutesVerdict v = by_logits(router_of("mixtral", 1, 1, 4, 2), {{0, 3}}, {{3, 2, 1, 0}});
  REQUIRE(v.wrong.size() == 1);
  CHECK(v.wrong[0].margin == 2);
  CHECK(v.judged() == 1);
}

TEST_CASE("routes: a skipped token has no choice, and half a choice is wrong") {
  const Config config = router_of("mixtral", 2, 1, 4, 2);
  const RoutesVerdict v = by_logits(config, {{-1, -1}, {0, -1}}, {{3, 2, 1, 0}, {3, 2, 1, 0}});
  CHECK(v.skipped == 1);
  CHECK(v.wrong.size() == 1);
}

TEST_CASE("routes: a bias and groups decide, and scores may be off") {
  Config config = router_of("deepseek_v3", 1, 1, 8, 2);
  config.router.n_group = 4, config.router.topk_group = 2, config.router.group_score_n = 1;
  const Matrix<double> b = matrix({{0, 0, 0, 0, 0, 0, 0.5, 0}});
  const std::vector<double> z{2, 1.9, 1, 0, 0, 0, 0, 0};
  CHECK(by_logits(config, {{0, 6}}, {z}, b).certain == 1);
  CHECK(by_logits(config, {{0, 1}}, {z}, b).wrong.size() == 1);
  CHECK(by_logits(config, {{0, 1}}, {z}, matrix({{0, 0, 0, 0, 0, 0, 0, 0}})).certain == 1);
  // sigmoid(2) is as far from 0.5 + b as f32 can hardly tell.
  const double near = 1 / (1 + std::exp(-2.0)) - 0.5 + 1e-9;
  const RoutesVerdict open =
      by_logits(config, {{6, 7}}, {{2, -9, -9, -9, -9, -9, 0, -1}}, matrix({{0, 0, 0, 0, 0, 0, near, 0}}));
  CHECK(open.wrong.size() == 1);  // its second choice
  config.shape.top_k = 1;
  for (const double id : {0.0, 6.0})
    CHECK(by_logits(config, {{id}}, {{2, -9, -9, -9, -9, -9, 0, -9}}, matrix({{0, 0, 0, 0, 0, 0, near, 0}}))
              .ambiguous == 1);
}

TEST_CASE("routes: what chooses by more than logits is refused by name") {
  Config noisy = router_of("mixtral", 1, 1, 4, 2);
  noisy.noise.kind = NoiseKind::Gumbel;
  CHECK(error_of([&] {
          by_logits(noisy, {{0, 1}}, {{3, 2, 1, 0}});
        }) == "noise.kind = gumbel is in no recording");
  Config given = router_of("mixtral", 1, 1, 4, 2);
  given.router.choice = Choice::Given;
  CHECK(error_of([&] {
          by_logits(given, {{0, 1}}, {{3, 2, 1, 0}});
        }) == "router.choice = given leaves the router nothing to choose");
}

TEST_CASE("recording: lines of text, and tensors by their name or alone") {
  const Scratch folder;
  std::ofstream(folder / "a.csv") << "0, 1,2,3\n4,5,6,7\r\n\n";
  const Array csv = read_recording(folder / "a.csv", "router.topk_ids", 2);
  CHECK(csv.dims == Dims{2, 2, 2});
  CHECK(csv.real(5) == 5);
  std::ofstream(folder / "a.jsonl") << "[[0, 1], [2, 3]]\n[[4, 5], [6, 7]]\n";
  const Array lists = read_recording(folder / "a.jsonl", "router.topk_ids", 2);
  CHECK(lists.dims == Dims{2, 2, 2});
  CHECK(lists.real(6) == 6);
  std::ofstream(folder / "b.jsonl") << "[0, 1]\n";
  CHECK(read_recording(folder / "b.jsonl", "router.topk_ids", 2).dims == Dims{1, 1, 2});
  const std::vector<double> numbers(12);
  write_safetensors(folder / "one.safetensors", {{"experts", array_of({3, 4}, numbers.data())}});
  CHECK(read_recording(folder / "one.safetensors", "router.topk_ids", 4).dims == Dims{3, 1, 4});
  write_safetensors(folder / "two.safetensors", {{"router.topk_ids", array_of({1, 3, 4}, numbers.data())},
                                                 {"router.logits", array_of({3, 4}, numbers.data())}});
  CHECK(read_recording(folder / "two.safetensors", "router.topk_ids", 4).dims == Dims{1, 3, 4});
  CHECK(error_of([&] { read_recording(folder / "two.safetensors", "ids", 4); }) ==
        (folder / "two.safetensors") +
            ": must have a tensor ids, or one alone; it has \"router.logits\", \"router.topk_ids\"");
  CHECK(error_of([&] { read_recording(folder / "one.safetensors", "ids", 5); }) ==
        (folder / "one.safetensors") + ": experts: shape = [3,4] must be [T,5] or [T,L,5]");
}

TEST_CASE("recording: what is wrong is named with its line") {
  CHECK(text_fault("a.csv", "0,1\n0,x\n", 2) == "a.csv:2: \"x\" must be a number");
  CHECK(text_fault("a.csv", "0,1\n0,\n", 2) == "a.csv:2: must hold 2 numbers for each layer, not 1");
  CHECK(text_fault("a.csv", "0,1\n0,1,2\n", 2) == "a.csv:2: must hold 2 numbers for each layer, not 3");
  CHECK(text_fault("a.csv", "0,1\n0,1,2,3\n", 2) == "a.csv:2: must hold 1 layers as the lines before, not 2");
  CHECK(text_fault("a.csv", "0,,1\n", 2) == "a.csv:1: \"\" must be a number");
  CHECK(text_fault("a.csv", "\n", 2) == "a.csv: must have a line for each token");
  CHECK(text_fault("a.jsonl", "{}\n", 2) == "a.jsonl:1: {} must be a list");
  CHECK(text_fault("a.jsonl", "[0, 1, 2]\n", 2) == "a.jsonl:1: must hold 2 numbers for each layer, not 3");
  CHECK(text_fault("a.jsonl", "[[0, 1], 2]\n", 2) == "a.jsonl:1: 2 must be a number");
  CHECK(text_fault("a.jsonl", "[[[0], 1]]\n", 2) == "a.jsonl:1: [[0],1] must be a number");
  CHECK(text_fault("a.jsonl", "[\"0\", 1]\n", 2) == "a.jsonl:1: \"0\" must be a number");
  CHECK(text_fault("a.jsonl", "[]\n", 2) == "a.jsonl:1: must hold 2 numbers for each layer, not 0");
}
