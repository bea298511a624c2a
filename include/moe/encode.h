#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

/// Bytes as text: digests and base64, by OpenSSL.
namespace moe {

/// The SHA-256 of `bytes` in lower-case hexadecimal.
std::string sha256(std::span<const std::byte> bytes);
std::string sha256(const std::string& text);

/// Base64 with padding (RFC 4648 section 4), and back. `field` names it in the Error for text that is not.
std::string base64(std::span<const std::byte> bytes);
std::vector<std::byte> from_base64(const std::string& text, const std::string& field);

}  // namespace moe
