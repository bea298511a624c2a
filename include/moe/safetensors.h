#pragma once

#include <map>
#include <memory>
#include <utility>

#include "moe/array.h"
#include "moe/file.h"

/// The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes without holes.
namespace moe {

/// Named arrays in the order of a file.
using Arrays = std::vector<std::pair<std::string, Array>>;

/// A safetensors file, its header read and checked; a tensor's bytes are read when asked for. Throws Error for a
/// truncated or oversized header, an unknown format, a shape that does not fit its bytes, overlaps, holes, duplicates.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return file_->path(); }
  bool has(const std::string& name) const { return entries_.count(name) > 0; }
  /// What __metadata__ says of `key`; empty where it says nothing.
  std::string metadata(const std::string& key) const;
  std::vector<std::string> names() const;
  /// The tensor `name`; throws Error where there is none, or where its format is not one of ours.
  Array load(const std::string& name) const;

 private:
  struct Entry {
    std::string format;
    Dims dims;
    std::size_t begin = 0, end = 0;
  };
  std::unique_ptr<InputFile> file_;
  std::size_t data_ = 0;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// The same bytes for the same arrays, whatever else is in the world. `metadata` becomes __metadata__, unless it is empty.
void write_safetensors(const std::string& path, const Arrays& arrays,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace moe
