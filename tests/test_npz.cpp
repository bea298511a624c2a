#include "moe/npz.h"
#include "npz.h"

using namespace moe;

namespace {

/// A file with one member y.npy, read.
Array only(const std::string& content, zip_int32_t method = ZIP_CM_STORE) {
  const Scratch folder;
  write_zip(folder / "a.npz", {{"y.npy", content}}, method);
  const Arrays arrays = read_npz(folder / "a.npz");
  REQUIRE(arrays.size() == 1);
  CHECK(arrays[0].first == "y");
  return arrays[0].second;
}
/// The error of reading it, from the member's name on.
std::string refusal(const std::string& content) {
  const std::string message = error_of([&] { only(content); });
  return message.substr(std::min(message.find("y.npy"), message.size()));
}
std::string refusal_of_header(const std::string& header) {
  return refusal(npy(header, bytes_of<double>({1, 2})));
}

/// A 32-bit field of the archive's directory (APPNOTE.TXT 4.3.12), `offset` bytes after its signature.
void set_field(std::string& bytes, std::size_t offset, std::uint32_t value) {
  std::memcpy(&bytes[bytes.find("PK\1\2") + offset], &value, sizeof value);
}
constexpr std::size_t kCompressedSize = 20, kSize = 24;

}  // namespace

TEST_CASE("npz: every format, stored and deflated, in the order of the file") {
  const std::vector<double> reals{1.5, -0.0, HUGE_VAL};
  const std::vector<float> floats{1.5F, -0.0F, HUGE_VALF};
  const std::vector<std::uint16_t> halves{0x3e00, 0x8000, 0x7c00}, brains{0x3fc0, 0x8000, 0x7f80};
  const Scratch folder;
  for (const zip_int32_t method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    write_zip(folder / "a.npz",
              {{"z/f64.npy", npy(npy_header("<f8", "(3,)"), bytes_of(reals))},
               {"f32.npy", npy(npy_header("<f4", "(3, 1)"), bytes_of(floats))},
               {"f16.npy", npy(npy_header("<f2", "(1, 3)"), bytes_of(halves))},
               {"bf16.npy", npy(npy_header("<V2", "(3,)"), bytes_of(brains))},
               {"again.npy", npy(npy_header("|V2", "(3,)"), bytes_of(brains))}},
              method);
    const Arrays arrays = read_npz(folder / "a.npz");
    REQUIRE(arrays.size() == 5);
    CHECK(arrays[0].first == "z/f64");
    CHECK(arrays[1].second.dims == Dims{3, 1});
    const Format formats[] = {Format::F64, Format::F32, Format::F16, Format::BF16, Format::BF16};
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      const Array& a = arrays[i].second;
      CHECK(a.format == formats[i]);
      CHECK(a.real(0) == 1.5);
      CHECK(std::signbit(a.real(1)));
      CHECK(a.real(2) == HUGE_VAL);
    }
  }
}

TEST_CASE("npz: integers and booleans") {
  CHECK(only(npy(npy_header("<i4", "(2,)"), bytes_of<std::int32_t>({-7, INT32_MAX}))).integer(0) == -7);
  CHECK(only(npy(npy_header("<i8", "(2,)"), bytes_of<std::int64_t>({-7, INT64_MAX}))).integer(1) ==
        INT64_MAX);
  CHECK(only(npy(npy_header("|u1", "(2,)"), "\x01\xff")).integer(1) == 255);
  const Array kept = only(npy(npy_header("|b1", "(2,)"), std::string("\1\0", 2)));
  CHECK(kept.format == Format::U8);
  CHECK(kept.integer(0) == 1);
  CHECK(kept.integer(1) == 0);
}

TEST_CASE("npz: single numbers, empty arrays, the header in other words, versions 1 to 3") {
  CHECK(only(npy(npy_header("<f8", "()"), bytes_of<double>({4.5}))).real(0) == 4.5);
  CHECK(only(npy(npy_header("<f8", "()"), bytes_of<double>({4.5}))).dims.empty());
  CHECK(only(npy(npy_header("<f8", "(2, 0)"), "")).dims == Dims{2, 0});
  for (const char version : {'\1', '\2', '\3'}) {
    const std::string header = "{ \"shape\":(2 ,3),\"fortran_order\" :False, 'descr':'|u1'}   ";
    CHECK(only(npy(header, "abcdef", version)).dims == Dims{2, 3});
  }
}

TEST_CASE("npz: columns become rows") {
  CHECK(only(npy(npy_header("|u1", "(2, 3)", true), "adbecf")).bytes ==
        only(npy(npy_header("|u1", "(2, 3)"), "abcdef")).bytes);
  std::vector<std::int64_t> columns;
  for (Index k = 0; k < 4; ++k)
    for (Index j = 0; j < 3; ++j)
      for (Index i = 0; i < 2; ++i) columns.push_back(100 * i + 10 * j + k);
  const Array a = only(npy(npy_header("<i8", "(2, 3, 4)", true), bytes_of(columns)));
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j)
      for (Index k = 0; k < 4; ++k) CHECK(a.integer((i * 3 + j) * 4 + k) == 100 * i + 10 * j + k);
  CHECK(only(npy(npy_header("<f8", "(0, 3)", true), "")).bytes.empty());
  std::string long_columns;  // more than are read at a time
  for (Index j = 0; j < 1000; ++j)
    for (Index i = 0; i < 300; ++i) long_columns += static_cast<char>((7 * i + j) % 100);
  const Array b = only(npy(npy_header("|u1", "(300, 1000)", true), long_columns));
  bool same = true;
  for (Index i = 0; i < 300; ++i)
    for (Index j = 0; j < 1000; ++j) same = same && b.integer(i * 1000 + j) == (7 * i + j) % 100;
  CHECK(same);
}

TEST_CASE("npz: other types of elements are refused by name") {
  for (const std::string descr : {">f8", "|O", "<f16", "<u4", "<c8", "|V3", "|S2"})
    CHECK(refusal_of_header(npy_header(descr, "(2,)")) ==
          "y.npy must have a descr of <f8, <f4, <f2, <V2 (bf16), <i4, <i8, |u1 or |b1, not \"" + descr + '"');
  CHECK(refusal_of_header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }")
            .starts_with(
                "y.npy must have a header with descr, fortran_order and shape, not \"{'descr': [('a'"));
}

TEST_CASE("npz: a header that is none is refused") {
  const std::string rule = "y.npy must have a header with descr, fortran_order and shape, not ";
  for (const std::string header :
       {"", "{", "{}", "{'descr': '<f8'}", "{'descr", "{'descr': '<f8", "[1]", "{,}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), } x",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}",
        "{'descr': '<f8', 'fortran_order': None, 'shape': (2,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2 3)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 2}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775808,)}"}) {
    CAPTURE(header);
    CHECK(refusal_of_header(header).starts_with(rule));
  }
  CHECK(refusal(npy(std::string(100'000, ' '), "", 2)) == "y.npy must have a header of at most 65,535 bytes");
  CHECK(refusal(npy(npy_header("<f8", "()"), "12345678", 4)) ==
        "y.npy must be .npy of version 1.0, 2.0 or 3.0");
  CHECK(refusal("NUMPY is not here") == "y.npy must be .npy of version 1.0, 2.0 or 3.0");
  CHECK(refusal("\x93NUMPY\x01\x01 and more") == "y.npy must be .npy of version 1.0, 2.0 or 3.0");
  CHECK(refusal("\x93NUM") == "y.npy must not end early");
  CHECK(refusal(npy(npy_header("<f8", "()"), "").substr(0, 40)) == "y.npy must not end early");
}

TEST_CASE("npz: a shape must take as many bytes as there are") {
  const std::string elements = bytes_of<double>({1, 2});
  for (const std::string shape : {"(1,)", "(3,)", "()", "(0,)", "(2305843009213693954,)"})
    CHECK(refusal(npy(npy_header("<f8", shape), elements))
              .starts_with("y.npy must have as many bytes as its shape"));
  CHECK(refusal(npy(npy_header("<f8", "(4294967296, 4294967296)"), elements)) ==
        "y.npy: the product of the sizes must fit 64 bits");
}

TEST_CASE("npz: what a member claims of its size is not believed") {
  const Scratch folder;
  const std::string path = folder / "a.npz";
  const auto claim = [&](const std::string& content, std::size_t field, std::uint32_t value) {
    write_zip(path, {{"y.npy", content}}, ZIP_CM_DEFLATE);
    damage(path, [&](std::string& bytes) { set_field(bytes, field, value); });
    return error_of([&] { read_npz(path); });
  };
  const std::string header = npy_header("|u1", "(1000,)"), bomb = npy(header, std::string(1'000'000, 'x'));
  CHECK(claim(bomb, kSize, static_cast<std::uint32_t>(npy(header, "").size() + 1000)) ==
        path + ": y.npy must not hold more than its shape");
  CHECK(claim(bomb, kSize, 4'000'000'000)
            .starts_with(path + ": y.npy cannot have 4000000000 bytes in a file of "));
  CHECK(claim(bomb, kCompressedSize, 4'000'000).find(": y.npy cannot have ") != std::string::npos);
  const std::string small = npy(header, std::string(999, 'x'));
  CHECK(
      claim(small, kSize, static_cast<std::uint32_t>(small.size() + 1)).starts_with(path + ": y.npy must "));
}

TEST_CASE("npz: damage is noticed, wherever it is") {
  const Scratch folder;
  const std::string path = folder / "a.npz";
  const auto after = [&](auto change) {
    write_zip(path, {{"y.npy", npy(npy_header("|u1", "(9,)"), "a payload")}, {"z.npy", "not reached"}});
    damage(path, change);
    return error_of([&] { read_npz(path); });
  };
  CHECK(after([](std::string& bytes) { bytes[bytes.find("payload")] = 'P'; }) ==
        path + ": y.npy must be readable: CRC error");
  CHECK(after([](std::string& bytes) {
          bytes.resize(bytes.size() - 1);
        }).starts_with(path + ": must be npz: "));
  CHECK(after([](std::string& bytes) { bytes.resize(100); }).starts_with(path + ": must be npz: "));
  CHECK(after([](std::string& bytes) { bytes.clear(); }) == path + ": must be npz: it is empty");
  CHECK(after([](std::string& bytes) {
          const std::size_t second = bytes.rfind("z.npy");
          bytes[second] = 'y';
        }) == path + ": y.npy must not appear twice");
  CHECK(after([](std::string& bytes) { bytes[bytes.find("PK\1\2") + 10] = 12; }) ==  // bzip2
        path + ": y.npy must be stored or deflated");
}

TEST_CASE("npz: a directory that names one member many times is refused") {
  const Scratch folder;
  const std::string path = folder / "a.npz";
  write_zip(path, {{"y0.npy", npy(npy_header("|u1", "(5000,)"), std::string(5000, 'x'))}});
  damage(path, [](std::string& bytes) {
    const std::size_t begin = bytes.find("PK\1\2"), end = bytes.find("PK\5\6");
    std::string entry = bytes.substr(begin, end - begin);
    entry[entry.find("y0.npy") + 1] = '1';
    bytes.insert(end, entry);
    const std::size_t record = end + entry.size();  // APPNOTE.TXT 4.3.16: the entries, twice, and their bytes
    bytes[record + 8] = bytes[record + 10] = 2;
    const auto size = static_cast<std::uint32_t>(2 * entry.size());
    std::memcpy(&bytes[record + 12], &size, sizeof size);
  });
  CHECK(error_of([&] {
          read_npz(path);
        }).starts_with(path + ": y1.npy must not share its bytes with another: a file of "));
}

TEST_CASE("npz: what is not needed is not read, and no more is read than is needed") {
  const Scratch folder;
  const std::string path = folder / "a.npz";
  write_zip(path, {{"spoiled.npy", npy(npy_header("|u1", "(9,)"), "a payload")},
                   {"none.npy", "is not .npy at all"},
                   {"y.npy", npy(npy_header("|u1", "(3,)"), "abc")}});
  damage(path, [](std::string& bytes) { bytes[bytes.find("payload")] = 'P'; });
  const auto read = [&](Index most) {
    return read_npz(
        path, [&](const std::string& name) { return name == "y" ? std::optional(most) : std::nullopt; });
  };
  const Arrays arrays = read(3);
  REQUIRE(arrays.size() == 3);
  for (std::size_t i = 0; i < 2; ++i) CHECK(arrays[i].second.size() == 0);
  CHECK(arrays[2].first == "y");
  CHECK(arrays[2].second.integer(2) == 'c');
  CHECK(error_of([&] { read(2); }) ==
        path + ": y.npy: shape = [3] must not have more than the 2 elements that are needed");
}

TEST_CASE("npz: other members and other files are refused, an empty archive is not") {
  const Scratch folder;
  write_zip(folder / "a.npz", {{"readme.txt", "hello"}});
  CHECK(error_of([&] { read_npz(folder / "a.npz"); }) ==
        (folder / "a.npz") + ": readme.txt must be a member that ends in .npy");
  CHECK(error_of([&] { read_npz(folder / "b.npz"); }) ==
        (folder / "b.npz") + ": must be a readable file: No such file or directory");
  CHECK(error_of([&] { read_npz(folder / ""); }).ends_with("it is not a regular file"));
  std::ofstream(folder / "c.npz") << "PK\5\6" << std::string(18, '\0');  // what zipfile writes for no members
  CHECK(read_npz(folder / "c.npz").empty());
}
