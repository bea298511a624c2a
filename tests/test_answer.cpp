#include "moe/answer.h"
#include "moe/tensor_json.h"
#include "npz.h"

using namespace moe;

namespace {

Answer parsed(const std::string& text) { return answer_from_json(parse_json(text, "a.json"), "a.json"); }
std::string refusal(const std::string& text) {
  return error_of([&] { parsed(text); });
}
void put(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("answer: tensors in their order, under any names, non-finite elements included") {
  const Answer answer = parsed(
      R"({"id": "a/b", "note": 1, "tensors": {"y": {"dtype": "f32", "shape": [2, 2], "data": [0.5, "NaN", "Infinity", -0.0]},
          "my.own": {"dtype": "bf16", "shape": [2], "b64": "gD8AwA=="}, "dispatch.order": {"dtype": "i64", "shape": [0], "data": []}}})");
  REQUIRE(answer.tensors.size() == 3);
  CHECK(answer.error.empty());
  CHECK(answer.failure.empty());
  const auto& [name, y] = answer.tensors[0];
  CHECK(name == "y");
  CHECK(y.format == Format::F32);
  CHECK(y.dims == Dims{2, 2});
  CHECK(y.real(0) == 0.5);
  CHECK(std::isnan(y.real(1)));
  CHECK(y.real(2) == HUGE_VAL);
  CHECK(std::signbit(y.real(3)));
  CHECK(values_in(answer.tensors, "my.own") == std::vector<double>{1, -2});
  CHECK(tensor_in(answer.tensors, "dispatch.order").size() == 0);
  CHECK(parsed(R"({"tensors": {}})").tensors.empty());
}

TEST_CASE("answer: a case may be refused with a sentence") {
  const Answer answer = parsed(R"({"id": "invalid/k", "error": "top_k = 9 must be at most 8"})");
  CHECK(answer.error == "top_k = 9 must be at most 8");
  CHECK(answer.tensors.empty());
}

TEST_CASE("answer: whatever is neither is refused") {
  CHECK(refusal("[]") == "a.json: an answer must be an object");
  CHECK(refusal(R"({"id": 3, "tensors": {}})") == "a.json: id must be a string");
  CHECK(refusal(R"({"id": "a"})") == "a.json: an answer must have either tensors or error");
  CHECK(refusal(R"({"tensors": {}, "error": "x"})") == "a.json: an answer must have either tensors or error");
  CHECK(refusal(R"({"error": ""})") == "a.json: error must be a sentence");
  CHECK(refusal(R"({"error": null})") == "a.json: error must be a sentence");
  CHECK(refusal(R"({"tensors": []})") == "a.json: tensors must be an object");
  CHECK(refusal(R"({"tensors": {"y": {}, "y": {}}})") == "a.json: \"y\" must not appear twice in one object");
  CHECK(refusal(R"({"tensors": {)").starts_with("a.json: must be JSON: "));
}

TEST_CASE("answer: a tensor that does not fit together is refused by name") {
  const auto refused = [](const std::string& tensor) {
    return refusal(R"({"tensors": {"y": )" + tensor + "}}");
  };
  CHECK(refused("3") == "a.json: y must be an object");
  CHECK(refused(R"({"shape": [1], "data": [1]})") == "a.json: y must have a string dtype");
  CHECK(refused(R"({"dtype": "float32", "shape": [1], "data": [1]})") ==
        "a.json: y must have a dtype of f64, f32, f16, bf16, i32, i64, u8, not float32");
  CHECK(refused(R"({"dtype": "f32", "shape": [2], "data": [1]})") ==
        "a.json: y must hold as many elements as its shape");
  CHECK(refused(R"({"dtype": "f64", "shape": [4294967296, 4294967296], "data": [1]})") ==
        "a.json: y.shape: the product of the sizes must fit 64 bits");
  CHECK(refused(R"({"dtype": "f64", "shape": [1], "data": [1], "sha256": "00"})") ==
        "a.json: y must have the sha256 that it states");
  CHECK(refused(R"({"dtype": "i32", "shape": [1], "data": [4294967297]})") ==
        "a.json: y must hold numbers in the range of its dtype, not 4294967297");
  CHECK(refused(R"({"dtype": "f64", "shape": [1], "data": [null]})") ==
        "a.json: y must hold numbers, not null");
  // As many elements as one likes, for nothing.
  CHECK(refused(R"({"dtype": "i64", "shape": [1152921504606846975],
                    "recipe": {"rng": "philox4x32-10", "seed": "0x1", "tensor": 1, "case": 1, "bits": 8, "scaleLog2": -6}})") ==
        "a.json: y must have data, b64 or file");
}

TEST_CASE("answer: the same from a file of each kind") {
  const Scratch folder;
  const double values[] = {1.5, -2, std::nan("")};
  const std::int32_t ids[] = {3, 1};
  const Arrays arrays{{"router.topk_ids", array_of({2, 1}, ids)}, {"y", array_of({1, 3}, values)}};
  write_safetensors(folder / "a.safetensors", arrays);
  write_zip(folder / "a.npz",
            {{"router.topk_ids.npy", npy(npy_header("<i4", "(2, 1)"), bytes_of<std::int32_t>({3, 1}))},
             {"y.npy", npy(npy_header("<f8", "(1, 3)"), bytes_of<double>({1.5, -2, std::nan("")}))}},
            ZIP_CM_DEFLATE);
  TensorWriter write("");
  Json json{{"tensors", Json::object()}};
  for (const auto& [name, a] : arrays) json["tensors"][name] = write(name, a);
  put(folder / "a.json", print_json(json));
  put(folder / "beside.json",
      R"({"tensors": {"y": {"dtype": "f64", "shape": [1, 3], "file": "/elsewhere/a.safetensors"},
      "ids": {"dtype": "i32", "shape": [2, 1], "file": "a.safetensors", "tensor": "router.topk_ids"}}})");

  for (const char* name : {"a.json", "a.safetensors", "a.npz"}) {
    const Answer answer = read_answer(folder / name);
    REQUIRE(answer.tensors.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(answer.tensors[i].first == arrays[i].first);
      CHECK(answer.tensors[i].second.format == arrays[i].second.format);
      CHECK(answer.tensors[i].second.dims == arrays[i].second.dims);
      CHECK(answer.tensors[i].second.bytes == arrays[i].second.bytes);
    }
  }
  const Answer beside = read_answer(folder / "beside.json");
  CHECK(tensor_in(beside.tensors, "y").bytes == arrays[1].second.bytes);
  CHECK(tensor_in(beside.tensors, "ids").bytes == arrays[0].second.bytes);
}

TEST_CASE("answer: files that are not answers are refused by name") {
  const Scratch folder;
  CHECK(error_of([&] { read_answer(folder / "a.pt"); }) ==
        (folder / "a.pt") + ": must be an answer in .json, .safetensors or .npz");
  CHECK(error_of([&] { read_answer(folder / "a.json"); }) ==
        (folder / "a.json") + ": must be a readable file: No such file or directory");
  const double values[] = {1, 2};
  const std::string path = folder / "a.safetensors";
  write_safetensors(path, {{"y", array_of({2}, values)}});
  damage(path, [](std::string& bytes) { bytes.pop_back(); });
  CHECK(error_of([&] { read_answer(path); }) == path + ": size = 15 of the data must be 16");
  write_safetensors(path, {{"y", array_of({2}, values)}});
  damage(path, [](std::string& bytes) { bytes.replace(bytes.find("F64"), 3, "C64"); });
  CHECK(error_of([&] { read_answer(path); }) ==
        path + ": y: dtype = C64 must be one of F64, F32, F16, BF16, I32, I64, U8");
}

TEST_CASE("answer: of what is not needed only the name is read, and no more than is needed") {
  const Scratch folder;
  const double values[] = {1, 2};
  const std::string path = folder / "a.safetensors";
  write_safetensors(path, {{"other", array_of({2}, values)}, {"y", array_of({2}, values)}});
  damage(path, [](std::string& bytes) { bytes.replace(bytes.find("F64"), 3, "C64"); });  // the first is other
  put(folder / "a.json", R"({"tensors": {"other": {"dtype": "f64", "shape": [1], "file": "nowhere"},
      "y": {"dtype": "f64", "shape": [2], "data": [1, 2]}}})");
  const auto only_y = [](Index most) {
    return [most](const std::string& name) { return name == "y" ? std::optional(most) : std::nullopt; };
  };
  for (const char* name : {"a.safetensors", "a.json"}) {
    CAPTURE(name);
    const Answer answer = read_answer(folder / name, only_y(2));
    CHECK(tensor_in(answer.tensors, "other").size() == 0);
    CHECK(tensor_in(answer.tensors, "y").real(1) == 2);
    CHECK(error_of([&] { read_answer(folder / name, only_y(1)); }) ==
          (folder / name) + ": y: shape = [2] must not have more than the 1 elements that are needed");
  }
}

TEST_CASE("answer: a path made of an id cannot leave its folder") {
  const Scratch folder;
  put(folder / "top.json", "{}");
  put(folder / "got/a..b/c d.json", "{}");
  CHECK(find_answer(folder / "got", "a..b/c d") == folder / "got/a..b/c d.json");
  for (const std::string& id : {std::string("../top"), std::string("a..b/../../top"), folder / "top",
                                std::string(".."), std::string("top\0x", 5)}) {
    CAPTURE(id);
    CHECK(error_of([&] { find_answer(folder / "got", id); }).starts_with("id = "));
  }
  CHECK(error_of([&] { require_stays_inside("../top"); }) ==
        "id = \"../top\" must be a path inside of a folder: not absolute, without .. and without NUL");
}

TEST_CASE("answer: a case's file in a folder is found by its id") {
  const Scratch folder;
  put(folder / "ties/equal.json", "{}");
  put(folder / "ties/ulp.safetensors", "");
  put(folder / "top.npz", "");
  put(folder / "got/ties/equal.pt", "");
  CHECK(find_answer(folder / "", "ties/equal") == folder / "ties/equal.json");
  CHECK(find_answer(folder / ".", "ties/ulp") == folder / "./ties/ulp.safetensors");
  CHECK(find_answer(folder / "", "top") == folder / "top.npz");
  CHECK(!find_answer(folder / "", "ties").has_value());
  CHECK(!find_answer(folder / "", "top/of").has_value());
  CHECK(!find_answer(folder / "got", "ties/equal").has_value());
  put(folder / "ties/equal.npz", "");
  CHECK(error_of([&] { find_answer(folder / "", "ties/equal"); }) ==
        (folder / "ties/equal.json") + ": must be the only answer to ties/equal, beside it is " +
            (folder / "ties/equal.npz"));
  CHECK(error_of([&] {
          find_answer(folder / "", std::string(300, 'x'));
        }).ends_with("must be a path that can be searched: File name too long"));
}
