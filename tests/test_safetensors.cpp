#include <fstream>

#include "moe/safetensors.h"
#include "scratch.h"

using namespace moe;

namespace {

void write(const std::string& path, const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), 8) << header << data;
}

std::string error_with(const std::string& header, const std::string& data) {
  const Scratch folder;
  const std::string path = folder / "t.safetensors";
  write(path, header, data);
  const std::string error = error_of([&] {
    const SafetensorsFile file(path);
    for (const std::string& name : file.names()) file.load(name);
  });
  return error.starts_with(path) ? error.substr(path.size()) : error;
}

const std::string kEight(8, 'x');

}  // namespace

TEST_CASE("safetensors: what is written reads back, in every format, and by others' rules") {
  const Scratch folder;
  const std::string path = folder / "t.safetensors";
  const double reals[] = {1, -2.5, 3};
  const std::int32_t ids[] = {4, 5};
  const Array f64 = array_of({3}, reals);
  write_safetensors(path, {{"a", f64},
                           {"b", array_of({2, 1}, ids)},
                           {"c", converted(f64, Format::BF16, "c")},
                           {"none", array_of({0, 4}, reals)}});
  const SafetensorsFile file(path);
  CHECK(file.names() == std::vector<std::string>{"a", "b", "c", "none"});
  CHECK(file.load("a").real(1) == -2.5);
  CHECK(file.load("b").integer(1) == 5);
  CHECK(file.load("b").dims == Dims{2, 1});
  CHECK(file.load("c").format == Format::BF16);
  CHECK(file.load("none").size() == 0);
  CHECK(read_text(path).size() % 2 == 0);
  CHECK(read_text(path)[0] % 8 == 0);  // the header is padded to a multiple of 8
}

TEST_CASE("safetensors: a header by hand, with metadata") {
  CHECK(error_with(R"({"__metadata__":{"by":"hand"},"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})",
                   kEight) == "no error");
  CHECK(error_with(R"({"x":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})", kEight) == "no error");
}

TEST_CASE("safetensors: truncated and oversized headers") {
  const Scratch folder;
  std::ofstream(folder / "short") << "abc";
  CHECK(error_of([&] { SafetensorsFile(folder / "short"); }).ends_with("it ends before the header's length"));
  std::ofstream(folder / "long") << std::string(8, '\x7f');
  CHECK(error_of([&] { SafetensorsFile(folder / "long"); }).find("must not exceed the file or 100 MB") !=
        std::string::npos);
}

TEST_CASE("safetensors: offsets that overlap, leave holes, overrun or do not fit the shape") {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"x":{"dtype":"F32","shape":[1],"data_offsets":)" + a +
           R"(},"y":{"dtype":"F32","shape":[1],"data_offsets":)" + b + "}}";
  };
  CHECK(error_with(two("[0,4]", "[4,8]"), kEight) == "no error");
  CHECK(error_with(two("[0,4]", "[0,4]"), kEight).find("without holes or overlaps") != std::string::npos);
  CHECK(error_with(two("[0,4]", "[5,9]"), kEight + "x").find("without holes or overlaps") !=
        std::string::npos);
  CHECK(error_with(two("[4,8]", "[8,12]"), kEight + "xxxx").find("without holes or overlaps") !=
        std::string::npos);
  CHECK(error_with(two("[0,4]", "[4,8]"), "xxxx") == ": size = 4 of the data must be 8");
  CHECK(error_with(two("[0,4]", "[4,8]"), kEight + "x") == ": size = 9 of the data must be 8");
  CHECK(error_with(two("[0,4]", "[4,7]"), "xxxxxxx") == ": y: data_offsets must span dtype times shape");
  CHECK(error_with(two("[4,0]", "[4,8]"), kEight) == ": x: data_offsets must span dtype times shape");
}

TEST_CASE("safetensors: headers that are not what they should be") {
  CHECK(error_with("[]", "") == ": header must be an object");
  CHECK(error_with("{", "").find("header: must be JSON") != std::string::npos);
  CHECK(error_with(R"({"x":{"dtype":"F64","shape":[1]}})", kEight) ==
        ": x must have exactly dtype, shape and two data_offsets");
  CHECK(error_with(R"({"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8],"extra":1}})", kEight) ==
        ": x must have exactly dtype, shape and two data_offsets");
  CHECK(error_with(R"({"x":{"dtype":"F64","shape":[-1],"data_offsets":[0,8]}})", kEight) ==
        ": x = -1 must be a whole number");
  CHECK(error_with(R"({"x":{"dtype":"F64","shape":[1.0],"data_offsets":[0,8]}})", kEight) ==
        ": x = 1.0 must be a whole number");
  CHECK(error_with(R"({"x":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", kEight) ==
        ": x: dtype = F8_E4M3 must be one of F64, F32, F16, BF16, I32, I64, U8");
  CHECK(
      error_with(
          R"({"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})",
          kEight)
          .find("must not appear twice") != std::string::npos);
  CHECK(error_with(R"({"x":{"dtype":"F64","shape":[4611686018427387904,4],"data_offsets":[0,8]}})", kEight) ==
        ": x: the product of the sizes must fit 64 bits");
}

TEST_CASE("safetensors: a missing tensor is an error with the file's name") {
  const Scratch folder;
  write_safetensors(folder / "t.safetensors", {});
  CHECK(error_of([&] { SafetensorsFile(folder / "t.safetensors").load("y"); }) ==
        (folder / "t.safetensors") + ": must hold a tensor y");
}
