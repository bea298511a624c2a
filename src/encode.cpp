#include "moe/encode.h"

#include <openssl/evp.h>

#include <array>
#include <climits>

#include "moe/error.h"

namespace moe {

std::string sha256(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1)
    throw CannotRun("sha256: OpenSSL refused to hash");
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) {
    hex += "0123456789abcdef"[digest.at(i) >> 4];
    hex += "0123456789abcdef"[digest.at(i) & 15];
  }
  return hex;
}

std::string sha256(const std::string& text) { return sha256(std::as_bytes(std::span(text))); }

std::string base64(std::span<const std::byte> bytes) {
  if (bytes.size() > INT_MAX) throw Error("base64", "base64: at most 2^31 - 1 bytes at once");
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::vector<std::byte> from_base64(const std::string& text, const std::string& field) {
  const std::size_t end = std::min(text.find('='), text.size()), padding = text.size() - end;
  const bool whole = text.size() % 4 == 0 && text.size() <= INT_MAX && padding <= 2 &&
                     text.find_first_not_of('=', end) == std::string::npos;
  std::vector<std::byte> bytes(text.size() / 4 * 3);
  const int length = whole ? EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                             reinterpret_cast<const unsigned char*>(text.data()),
                                             static_cast<int>(text.size()))
                           : -1;
  if (length < 0) throw Error(field, field + ": must be base64 with padding");
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace moe
