#pragma once

#include <zip.h>

#include <fstream>

#include "moe/npz.h"
#include "scratch.h"

/// .npz files as NumPy writes them, made by libzip, and their bytes changed.
namespace moe {

/// A .npy file: `header` without the padding that NumPy adds, then the elements.
inline std::string npy(const std::string& header, const std::string& elements, char version = 1) {
  const std::string text = header + '\n';
  std::string file = "\x93NUMPY" + std::string{version, '\0'};
  for (std::size_t i = 0; i < (version == 1 ? 2 : 4); ++i)
    file += static_cast<char>((text.size() >> 8 * i) & 0xff);
  return file + text + elements;
}
inline std::string npy_header(const std::string& descr, const std::string& shape, bool by_columns = false) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (by_columns ? "True" : "False") +
         ", 'shape': " + shape + ", }";
}
template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline void write_zip(const std::string& path,
                      const std::vector<std::pair<std::string, std::string>>& members,
                      zip_int32_t method = ZIP_CM_STORE) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  REQUIRE(archive != nullptr);
  for (const auto& [name, content] : members) {
    zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
    REQUIRE(index >= 0);
    REQUIRE(zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), method, 0) == 0);
  }
  REQUIRE(zip_close(archive) == 0);
}

/// Rewrites the file; `change` gets its bytes.
template <typename Change>
void damage(const std::string& path, Change change) {
  std::string bytes = read_text(path);
  change(bytes);
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace moe
