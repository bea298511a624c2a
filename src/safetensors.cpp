#include "moe/safetensors.h"

#include <algorithm>

#include "moe/json.h"

namespace moe {
namespace {

constexpr std::size_t kMaxHeader = 100'000'000;  // the limit of the format's own reader

/// A whole number of the header; 2^63 and above do not occur in a file that exists.
std::size_t whole(const nlohmann::json& value, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > INT64_MAX)
    throw Error(where, where + " = " + value.dump() + " must be a whole number");
  return value.get<std::size_t>();
}

const FormatInfo* known_format(const std::string& name) {
  for (const FormatInfo& f : kFormats)
    if (name == f.safetensors) return &f;
  return nullptr;
}

/// What write_safetensors() writes, into an OutputFile or a TemporaryFile.
template <typename File>
void put(File& file, const Arrays& arrays, const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t offset = 0;
  for (const auto& [name, a] : arrays) {
    if (header.contains(name)) throw std::logic_error("two tensors of a file are called " + name);
    header[name] = {{"dtype", info_of(a.format).safetensors},
                    {"shape", a.dims},
                    {"data_offsets", {offset, offset + a.bytes.size()}}};
    offset += a.bytes.size();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(text);
  for (const auto& [name, a] : arrays) file.write(a.bytes);
}

}  // namespace

void require_at_most(Index most, const Dims& dims, const std::string& where) {
  if (product(dims, where) > most)
    throw Error(where, where + ": shape = " + shape_text(dims) + " must not have more than the " +
                           std::to_string(most) + " elements that are needed");
}

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(std::make_unique<InputFile>(path)) {
  std::uint64_t length = 0;
  if (file_->size() < sizeof length)
    throw Error(path, path + ": must be safetensors: it ends before the header's length");
  file_->read(0, std::as_writable_bytes(std::span(&length, 1)));
  require(length <= kMaxHeader && length <= file_->size() - sizeof length, path + ": header length", length,
          "must not exceed the file or 100 MB");
  std::string text(length, '\0');
  file_->read(sizeof length, std::as_writable_bytes(std::span(text)));
  data_ = sizeof length + length;

  const nlohmann::json header = parse_sorted_json(text, path + ": header");
  if (!header.is_object()) throw Error(path, path + ": header must be an object");
  for (const auto& [name, json] : header.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, value] : json.items())
        if (value.is_string()) metadata_[key] = value;
      continue;
    }
    const std::string where = path + ": " + name;
    const bool complete = json.is_object() && json.size() == 3 && json.contains("dtype") &&
                          json.contains("shape") && json.contains("data_offsets") &&
                          json["dtype"].is_string() && json["shape"].is_array() &&
                          json["data_offsets"].is_array() && json["data_offsets"].size() == 2;
    if (!complete) throw Error(where, where + " must have exactly dtype, shape and two data_offsets");
    Entry entry{
        json["dtype"], {}, whole(json["data_offsets"][0], where), whole(json["data_offsets"][1], where)};
    for (const nlohmann::json& size : json["shape"])
      entry.dims.push_back(static_cast<Index>(whole(size, where)));
    const FormatInfo* format = known_format(entry.format);
    const Index size = product(entry.dims, where);
    if (format != nullptr && (entry.end < entry.begin || size > INT64_MAX / 8 ||
                              entry.end - entry.begin != static_cast<std::size_t>(size * format->bytes)))
      throw Error(where, where + ": data_offsets must span dtype times shape");
    entries_.emplace(name, std::move(entry));
  }
  std::vector<std::pair<std::size_t, std::size_t>> spans;
  for (const auto& [name, entry] : entries_) spans.emplace_back(entry.begin, entry.end);
  std::sort(spans.begin(), spans.end());
  std::size_t covered = 0;
  for (const auto& [begin, end] : spans) {
    if (begin != covered || end < begin)
      throw Error(path, path + ": data_offsets " + std::to_string(begin) + " must continue at " +
                            std::to_string(covered) + ", without holes or overlaps");
    covered = end;
  }
  require(covered == file_->size() - data_, path + ": size", file_->size() - data_, "of the data must be ",
          covered);
}

std::string SafetensorsFile::metadata(const std::string& key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? "" : found->second;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const SafetensorsFile::Entry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw Error(name, path() + ": must hold a tensor " + name);
  return found->second;
}

Array SafetensorsFile::load(const std::string& name) const {
  const Entry& entry = this->entry(name);
  const FormatInfo* format = known_format(entry.format);
  if (format == nullptr)
    throw Error(name, path() + ": " + name + ": dtype = " + entry.format +
                          " must be one of F64, F32, F16, BF16, I32, I64, U8");
  return {static_cast<Format>(format - kFormats.data()), entry.dims, bytes(name), {}};
}

std::vector<std::byte> SafetensorsFile::bytes(const std::string& name) const {
  const Entry& entry = this->entry(name);
  std::vector<std::byte> all(entry.end - entry.begin);
  file_->read(data_ + entry.begin, all);
  return all;
}

void write_safetensors(const std::string& path, const Arrays& arrays,
                       const std::map<std::string, std::string>& metadata) {
  OutputFile file(path);
  put(file, arrays, metadata);
  file.commit();
}

void write_safetensors(TemporaryFile& file, const Arrays& arrays) { put(file, arrays, {}); }

}  // namespace moe
