#include "moe/inputs.h"
#include "support.h"

using namespace moe;

TEST_CASE("inputs: the power of two of seeded weights") {
  Config config =
      load_config("mixtral", {"shape.hidden_size=32", "shape.ffn_size=64", "experts.bias=per_expert"}).config;
  std::map<std::string, InputInfo> info;
  for (const InputInfo& i : inputs_of(config)) info.emplace(name_of(i.id), i);
  CHECK(info.at("x").shift == 6);
  CHECK(info.at("dy").shift == 6);
  CHECK(info.at("router.weight").shift == 6 + 3);  // floor(log2 32) = 5, (5 + 1) div 2
  CHECK(info.at("experts.down").shift == 6 + 3);   // floor(log2 64) = 6, 7 div 2
  CHECK(info.at("experts.down_bias").shift == 10);
  CHECK(info.at("experts.down").dims == Dims{8, 32, 64});
  CHECK(info.at("dy").stream == 6);
  CHECK(info.at("experts.down_bias").stream == 12);
}

TEST_CASE("inputs: a dense layer has no router, an ungated one no gate") {
  CHECK(seeded_inputs(small("dense")).count(Tensor::router_weight) == 0);
  CHECK(seeded_inputs(small("switch")).count(Tensor::experts_gate) == 0);
  CHECK(seeded_inputs(small("mixtral")).size() == 6);
}

TEST_CASE("inputs: uniform noise is the bits of the stream without a sign, from 0 to below 1") {
  const Inputs inputs = seeded_inputs(small("gshard", {"shape.num_tokens=64"}), 11, 3);
  const Array& u = inputs.at(Tensor::noise_second_policy);
  const Recipe signed_bits{{11, 33, 3}, 8};
  for (Index i = 0; i < 64; ++i) {
    const double value = signed_bits.value(static_cast<std::uint64_t>(i));
    CHECK(u.real(i) == (value < 0 ? value + 1 : value));
  }
  CHECK(seeded_inputs(small("shazeer2017")).at(Tensor::noise_gaussian_learned).recipe->stream.tensor == 32);
}

TEST_CASE("inputs: (S3) given experts by hand: of those that are left, the number that the stream says") {
  const Config config = small("mixtral", {"router.choice=given", "shape.num_experts=5", "shape.top_k=3"});
  const Array given = seeded_inputs(config, 11, 3).at(Tensor::router_given_ids);
  const Stream stream{11, 39, 3};
  REQUIRE(given.dims == Dims{5, 3});
  for (Index t = 0; t < 5; ++t) {
    std::vector<std::int64_t> left{0, 1, 2, 3, 4};
    for (Index k = 0; k < 3; ++k) {
      const auto taken =
          left.begin() + static_cast<Index>(stream.word(static_cast<std::uint64_t>(t * 3 + k))) % (5 - k);
      CHECK(given.integer(t * 3 + k) == *taken);
      left.erase(taken);
    }
  }
}

TEST_CASE("inputs: (S4) three tokens of four count") {
  const Config config = small("mixtral", {"aux.0.masked=true"});
  const Array mask = seeded_inputs(config, 11, 3).at(Tensor::aux_token_mask);
  const Stream stream{11, 42, 3};
  REQUIRE(mask.dims == Dims{5});
  const Array many = drawn_flags(stream, {4096});
  Index counted = 0;
  for (Index t = 0; t < 4096; ++t) counted += many.integer(t);
  CHECK(std::abs(counted - 3072) < 120);  // four standard deviations
  for (Index t = 0; t < 5; ++t)
    CHECK(mask.integer(t) == (stream.word(static_cast<std::uint64_t>(t)) < 0xc0000000u ? 1 : 0));
}

TEST_CASE("inputs: params give rows and columns of the right expert, made as asked, and tick") {
  const Config config = small("mixtral");
  const Inputs inputs = seeded_inputs(config);
  int ticks = 0;
  const auto params = params_of<double>(
      config, inputs,
      [](Tensor id, Index i, double value) {
        return id == Tensor::experts_down && i == 3 * 42 + 7 ? 1000 : value;
      },
      [&] { ++ticks; });
  double row[7], column[6];
  at(params.expert, 3).down.row(1, row);  // flat 3 (D F) + 1 F + 0 = 126 + 7
  at(params.expert, 3).down.column(2, column);
  CHECK(row[0] == 1000);
  CHECK(row[1] == inputs.at(Tensor::experts_down).real(134));
  CHECK(column[4] == inputs.at(Tensor::experts_down).real(126 + 4 * 7 + 2));
  CHECK(ticks == 2);
  CHECK(params.router.rows == 4);
  CHECK(at(params.expert, 0).up_bias.rows == 0);
}
