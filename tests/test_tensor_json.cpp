#include "moe/tensor_json.h"
#include "scratch.h"

using namespace moe;

namespace {

Array back(const Json& json, const std::string& document = "f.json") {
  return array_from_json("y", json, document);
}
Array ramp(Index n) {
  std::vector<double> values(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) at(values, i) = static_cast<double>(i) / 3;
  return array_of({n}, values.data());
}
std::string error_with(const char* key, const Json& value) {
  TensorWriter write("");
  Json json = write("y", ramp(3));
  json[key] = value;
  return error_of([&] { back(json); });
}

}  // namespace

TEST_CASE("tensor_json: inline to 4,096 elements, base64 to 65,536, a sidecar beyond") {
  const Scratch folder;
  TensorWriter write("big.safetensors");
  CHECK(write("y", ramp(4096)).contains("data"));
  CHECK(write("y", ramp(4097)).contains("b64"));
  CHECK(write("y", ramp(65536)).contains("b64"));
  CHECK(write.large().empty());
  const Json large = write("y", ramp(65537));
  CHECK(large["file"] == "big.safetensors");
  write_safetensors(folder / "big.safetensors", write.large());
  for (const Index n : {0, 1, 4096, 4097, 65536, 65537})
    CHECK(back(write("y", ramp(n)), folder / "f.json").bytes == ramp(n).bytes);
}

TEST_CASE("tensor_json: axes by name, integers as integers, signed zeros and non-finite values as they are") {
  TensorWriter write("");
  const double values[] = {-0.0, std::nan(""), HUGE_VAL, -HUGE_VAL};
  const Json json = write("y", array_of({1, 4}, values));
  CHECK(json["axes"] == Json({"token", "model"}));
  CHECK(print_json(json["data"]) == "[\n -0.0,\n \"NaN\",\n \"Infinity\",\n \"-Infinity\"\n]\n");
  const Array a = back(json);
  CHECK(std::signbit(a.real(0)));
  CHECK(std::isnan(a.real(1)));
  CHECK(a.real(3) == -HUGE_VAL);
  const std::uint8_t kept[] = {1, 0};
  CHECK(back(write("dispatch.kept", array_of({2}, kept))).integer(0) == 1);
}

TEST_CASE("tensor_json: a recipe stands with its numbers, and alone where they are too many") {
  TensorWriter write("");
  const Array recipe{Format::BF16, {70000}, {}, Recipe{{kDefaultSeed, 3, 4}, 9}};
  const Json json = write("y", recipe);
  CHECK(!json.contains("file"));
  CHECK(json["recipe"] == Json({{"rng", "philox4x32-10"},
                                {"seed", "0x00000007000007e8"},
                                {"tensor", 3},
                                {"case", 4},
                                {"bits", 8},
                                {"scaleLog2", -9}}));
  CHECK(back(json).real(69999) == recipe.real(69999));
  const Array few{Format::BF16, {2}, {}, Recipe{{1, 2, 3}, 6}};
  CHECK(write("y", few).contains("data"));
}

TEST_CASE("tensor_json: a decimal is the nearest number of its dtype, a fraction no integer") {
  const auto read = [](const char* dtype, const char* decimal) {
    return back({{"dtype", dtype}, {"shape", {1}}, {"data", {Json::parse(decimal)}}}).real(0);
  };
  CHECK(read("f32", "0.20241182") == static_cast<double>(0.20241182F));
  CHECK(read("bf16", "0.333") == 0x1.54p-2);
  CHECK(read("f16", "65519.99") == 65504);
  CHECK(read("f16", "1e-9") == 0);
  CHECK(read("bf16", "1.00390625") == 1);                  // between 1 and 1 + 2^-7: to even
  CHECK(read("bf16", "1.003906250000001") == 1 + 0x1p-7);  // rounded once, not by way of f32
  CHECK(error_of([] {
          back({{"dtype", "u8"}, {"shape", {1}}, {"data", {0.5}}});
        }) == "f.json: y must have whole numbers where it has 0.5");
}

TEST_CASE("tensor_json: what does not fit together is refused by name") {
  CHECK(error_with("data", {1, 2}) == "f.json: y must hold as many elements as its shape");
  CHECK(error_with("data", {1, 2, "x"}) == "f.json: y must hold numbers, not \"x\"");
  CHECK(error_with("data", {0, 0, 1}) == "f.json: y must have the sha256 that it states");
  CHECK(error_with("shape", {-3}) == "f.json: y must have sizes of at least 0");
  CHECK(error_with("shape", {1.5}) == "f.json: y must have whole numbers where it has 1.5");
  CHECK(error_with("dtype", "f99") ==
        "f.json: y must have a dtype of f64, f32, f16, bf16, i32, i64, u8, not f99");
  for (const auto& [dtype, value] : {std::pair("u8", Json(256)),
                                     {"u8", -1},
                                     {"i32", 4294967297},
                                     {"f32", 3.5e38},
                                     {"f16", 65520.0},
                                     {"bf16", -3.4e38}})
    CHECK(error_of([&, name = dtype, json = value] {
            back({{"dtype", name}, {"shape", {1}}, {"data", {json}}});
          }) == "f.json: y must hold numbers in the range of its dtype, not " + value.dump());
  CHECK(error_of([] {
          back({{"dtype", "f64"}, {"shape", {1LL << 32, 1LL << 32}}, {"data", {1}}});
        }) == "f.json: y.shape: the product of the sizes must fit 64 bits");
  CHECK(error_with("recipe", {{"rng", "mt19937"}, {"seed", "0x1"}}) ==
        "f.json: y must have a recipe of philox4x32-10 with 8 bits and a seed in hexadecimal");
  Json recipe{{"rng", "philox4x32-10"}, {"seed", "0x1"}, {"tensor", 2}, {"case", 3}, {"bits", 8},
              {"scaleLog2", -6}};
  CHECK(error_with("recipe", recipe) == "f.json: y must have dtype bf16, which is what recipes make");
  CHECK(error_of([&] {
          back({{"dtype", "bf16"}, {"shape", {2}}, {"data", {1, 2}}, {"recipe", recipe}});
        }) == "f.json: y must have the elements that its recipe makes");
  recipe["scaleLog2"] = 2000;
  CHECK(error_with("recipe", recipe) ==
        "f.json: y must have a recipe with scaleLog2 in [-100, 100], not 2000");
  recipe["scaleLog2"] = -6, recipe["tensor"] = -1;
  CHECK(error_with("recipe", recipe) ==
        "f.json: y must have a recipe with tensor in [0, 4294967295], not -1");
  CHECK(error_of([] {
          back({{"dtype", "f64"}, {"shape", {1}}, {"b64", ""}});
        }) == "f.json: y must hold as many elements as its shape");
  CHECK(error_of([] { back(Json(3)); }) == "f.json: y must be an object");
  CHECK(error_of([] {
          back({{"dtype", "f64"}, {"shape", {1}}});
        }) == "f.json: y must have data, b64, file or recipe");
  CHECK(error_of([] {
          back({{"dtype", "f64"}, {"shape", {1}}, {"b64", "AAAA"}});
        }) == "f.json: y must hold as many elements as its shape");
  CHECK(error_of([] {
          back({{"dtype", "f64"}, {"shape", {1}}, {"file", "../../etc/nowhere"}}, "/tmp/f.json");
        }).starts_with("/tmp/nowhere: must be a readable file"));
}
