#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "moe/array.h"
#include "moe/file.h"

/// The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes without holes.
namespace moe {

/// What of a file is read: for the name of each tensor, how many elements it may have; nothing where it is not needed.
using Needs = std::function<std::optional<Index>(const std::string& name)>;
/// What stands for a tensor that is not needed, and of which nothing but the name was read.
inline Array not_needed() { return {Format::U8, {0}, {}, {}}; }
/// Throws Error at `where` for a shape of more than `most` elements.
void require_at_most(Index most, const Dims& dims, const std::string& where);

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
  /// The shape of the tensor `name`; throws Error where there is none.
  const Dims& dims(const std::string& name) const { return entry(name).dims; }
  /// Its dtype as the format spells it, as in "BF16" or "U8".
  const std::string& dtype(const std::string& name) const { return entry(name).format; }
  /// The tensor `name`; throws Error where there is none, or where its format is not one of ours.
  Array load(const std::string& name) const;
  /// Its bytes, whatever its format.
  std::vector<std::byte> bytes(const std::string& name) const;

 private:
  struct Entry {
    std::string format;
    Dims dims;
    std::size_t begin = 0, end = 0;
  };
  const Entry& entry(const std::string& name) const;

  std::unique_ptr<InputFile> file_;
  std::size_t data_ = 0;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// The same bytes for the same arrays, whatever else is in the world. `metadata` becomes __metadata__, unless it is empty.
void write_safetensors(const std::string& path, const Arrays& arrays,
                       const std::map<std::string, std::string>& metadata = {});
/// The same without metadata, at the end of a temporary file.
void write_safetensors(TemporaryFile& file, const Arrays& arrays);

}  // namespace moe
