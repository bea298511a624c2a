#include "moe/encode.h"
#include "support.h"

using namespace moe;

TEST_CASE("encode: SHA-256 of nothing and of \"abc\" (FIPS 180-4)") {
  CHECK(sha256(std::string()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256(std::string("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("encode: base64 of RFC 4648, and back") {
  const std::vector<std::pair<std::string, std::string>> known{
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, code] : known) {
    CHECK(base64(std::as_bytes(std::span(text))) == code);
    const std::vector<std::byte> back = from_base64(code, "b64");
    CHECK(std::string(reinterpret_cast<const char*>(back.data()), back.size()) == text);
  }
  for (const std::string bad : {"Zg", "Zg=", "Z===", "****", "Zm9v=", "===="}) {
    CAPTURE(bad);
    CHECK(error_of([&] { from_base64(bad, "y.b64"); }) == "y.b64: must be base64 with padding");
  }
}
