#include "moe/npz.h"

#include <zip.h>

#include <charconv>
#include <set>

#include "moe/json.h"

namespace moe {
namespace {

constexpr std::size_t kMaxNpyHeader = 65535;  // what version 1 can hold
constexpr std::uint64_t kMaxDeflate =
    1032;  // deflate cannot shrink more than 1032 to 1 (zlib's technical details)

struct Descr {
  std::string_view text;
  Format format;
};
constexpr std::array<Descr, 9> kDescrs{{{"<f8", Format::F64},
                                        {"<f4", Format::F32},
                                        {"<f2", Format::F16},
                                        {"<V2", Format::BF16},  // how ml_dtypes' bfloat16 is written
                                        {"|V2", Format::BF16},  // the same, loaded and saved again
                                        {"<i4", Format::I32},
                                        {"<i8", Format::I64},
                                        {"|u1", Format::U8},
                                        {"|b1", Format::U8}}};

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

/// One member of an archive, read from its start once it is open; its errors name file and member.
class Member {
 public:
  Member(zip_t* archive, zip_uint64_t index, const InputFile& file) : archive_(archive), index_(index) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(archive, index, 0, &stat) != 0)
      throw Error(file.path(), file.path() + ": must be npz: " + zip_strerror(archive));
    name_ = stat.name, size_ = stat.size, stored_ = stat.comp_size, where_ = file.path() + ": " + name_;
    if (!name_.ends_with(".npy")) refuse("must be a member that ends in .npy");
    name_.resize(name_.size() - 4);
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE)
      refuse("must be stored or deflated");
    if (stored_ > file.size() || size_ / kMaxDeflate > stored_)
      refuse("cannot have " + std::to_string(size_) + " bytes in a file of " + std::to_string(file.size()));
  }

  const std::string& name() const { return name_; }
  const std::string& where() const { return where_; }
  std::uint64_t stored() const { return stored_; }  // its bytes in the archive
  std::uint64_t size() const { return size_; }
  [[noreturn]] void refuse(const std::string& rule) const { throw Error(where_, where_ + ' ' + rule); }

  void open() {
    file_.reset(zip_fopen_index(archive_, index_, 0));
    if (file_ == nullptr) refuse(std::string("must be readable: ") + zip_strerror(archive_));
  }
  void read(std::span<std::byte> to) {
    while (!to.empty()) {
      const std::size_t n = read_some(to);
      if (n == 0) refuse("must not end early");
      to = to.subspan(n);
    }
  }
  /// Nothing may follow; with that libzip has also compared the checksum.
  void finish() {
    std::byte more{};
    if (read_some(std::span(&more, 1)) != 0) refuse("must not hold more than its shape");
  }

 private:
  std::size_t read_some(std::span<std::byte> to) {
    const zip_int64_t n = zip_fread(file_.get(), to.data(), to.size());
    if (n < 0) refuse(std::string("must be readable: ") + zip_file_strerror(file_.get()));
    return static_cast<std::size_t>(n);
  }

  zip_t* archive_;
  zip_uint64_t index_;
  std::string name_, where_;
  std::uint64_t size_ = 0, stored_ = 0;
  std::unique_ptr<zip_file_t, CloseMember> file_;
};

/// The header of a .npy member, a literal of Python: {'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }.
class Header {
 public:
  Header(std::string_view text, const Member& member) : all_(text), rest_(text), member_(member) {
    std::set<std::string, std::less<>> seen;
    expect("{");
    while (!take("}")) {
      const std::string key = quoted();
      if (!seen.insert(key).second) refuse();
      expect(":");
      read(key);
      if (!take(",") && !rest_.starts_with('}')) refuse();
    }
    if (seen.size() != 3 || rest_.find_first_not_of(" \n") != std::string_view::npos) refuse();
  }

  Format format = Format::F64;
  bool by_columns = false;
  Dims dims;

 private:
  [[noreturn]] void refuse() const {
    member_.refuse("must have a header with descr, fortran_order and shape, not " + shown(Json(all_)));
  }
  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }
  bool take(std::string_view token) {
    skip_spaces();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    skip_spaces();
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) refuse();
  }
  std::string quoted() {
    const std::string quote = rest_.substr(0, 1) == "\"" ? "\"" : "'";
    expect(quote);
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos) refuse();
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    skip_spaces();
    return text;
  }

  void read(const std::string& key) {
    if (key == "descr")
      read_descr(quoted());
    else if (key == "shape")
      read_shape();
    else if (key == "fortran_order")
      read_order();
    else
      refuse();
  }
  void read_descr(const std::string& text) {
    for (const Descr& known : kDescrs) {
      format = known.format;
      if (text == known.text) return;
    }
    member_.refuse("must have a descr of <f8, <f4, <f2, <V2 (bf16), <i4, <i8, |u1 or |b1, not " +
                   shown(Json(text)));
  }
  void read_order() {
    by_columns = take("True");
    if (!by_columns) expect("False");
  }
  void read_shape() {
    expect("(");
    while (!take(")")) {
      Index size = 0;
      const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0) refuse();
      rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
      dims.push_back(size);
      if (!take(",") && !rest_.starts_with(')')) refuse();
    }
  }

  std::string_view all_, rest_;
  const Member& member_;
};

/// Reads elements that stand column by column, a part at a time, and puts each where it belongs in row-major order.
void read_by_columns(Member& member, Array& a) {
  constexpr std::size_t kPart = 1 << 17;  // elements
  const auto bytes = static_cast<std::size_t>(info_of(a.format).bytes);
  const auto axes = static_cast<Index>(a.dims.size());
  std::vector<Index> step(a.dims.size(), 1), index(a.dims.size());
  for (Index d = axes - 2; d >= 0; --d) at(step, d) = at(step, d + 1) * at(a.dims, d + 1);
  std::vector<std::byte> part(std::min(a.bytes.size(), kPart * bytes));
  Index to = 0;
  for (std::size_t left = a.bytes.size(); left > 0; left -= part.size()) {
    part.resize(std::min(part.size(), left));
    member.read(part);
    for (std::size_t from = 0; from < part.size(); from += bytes) {
      std::memcpy(&a.bytes[static_cast<std::size_t>(to) * bytes], &part[from], bytes);
      for (Index d = 0; d < axes; ++d) {  // the next element's index: the first axis runs fastest
        to += at(step, d);
        if (++at(index, d) < at(a.dims, d)) break;
        to -= at(a.dims, d) * at(step, d);
        at(index, d) = 0;
      }
    }
  }
}

/// Format: numpy.lib.format. Magic, version, length of the header (2 bytes in version 1, 4 after it), header, elements.
Array read_npy(Member& member, const std::optional<Index>& most) {
  member.open();
  std::array<unsigned char, 8> start{};
  member.read(std::as_writable_bytes(std::span(start)));
  const int version = start[6];
  if (std::memcmp(start.data(), "\x93NUMPY", 6) != 0 || version < 1 || version > 3 || start[7] != 0)
    member.refuse("must be .npy of version 1.0, 2.0 or 3.0");
  std::uint32_t length = 0;
  const std::size_t wide = version == 1 ? 2 : 4;
  member.read(std::as_writable_bytes(std::span(&length, 1)).first(wide));
  if (length > kMaxNpyHeader) member.refuse("must have a header of at most 65,535 bytes");
  std::string text(length, '\0');
  member.read(std::as_writable_bytes(std::span(text)));

  const Header header(text, member);
  Array a{header.format, header.dims, {}, {}};
  const Index size = product(a.dims, member.where()), bytes = info_of(a.format).bytes;
  const std::uint64_t before = start.size() + wide + length;
  if (size > INT64_MAX / 8 || member.size() != before + static_cast<std::uint64_t>(size * bytes))
    member.refuse("must have as many bytes as its shape " + shape_text(a.dims) + " takes");
  if (most) require_at_most(*most, a.dims, member.where());
  a.bytes.resize(static_cast<std::size_t>(size * bytes));
  if (header.by_columns)
    read_by_columns(member, a);
  else
    member.read(a.bytes);
  member.finish();
  return a;
}

/// The members of an archive. No two have one name, and they share no bytes: together they take no more than the file.
std::vector<Member> members_of(zip_t* archive, const InputFile& file) {
  std::vector<Member> members;
  std::set<std::string> names;
  std::uint64_t stored = 0;
  for (zip_int64_t i = 0; i < zip_get_num_entries(archive, 0); ++i) {
    const Member& member = members.emplace_back(archive, static_cast<zip_uint64_t>(i), file);
    if (!names.insert(member.name()).second) member.refuse("must not appear twice");
    stored += member.stored();
    if (stored > file.size())
      member.refuse("must not share its bytes with another: a file of " + std::to_string(file.size()) +
                    " bytes cannot hold both");
  }
  return members;
}

}  // namespace

Arrays read_npz(const std::string& path, const Needs& needs) {
  const InputFile file(path);  // only a regular file is opened
  if (file.size() == 0) throw Error(path, path + ": must be npz: it is empty");  // for libzip an archive
  int code = 0;
  const std::unique_ptr<zip_t, CloseArchive> archive(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (archive == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string why = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw Error(path, path + ": must be npz: " + why);
  }
  Arrays arrays;
  for (Member& member : members_of(archive.get(), file)) {
    const std::optional<Index> most = needs ? needs(member.name()) : std::nullopt;
    arrays.emplace_back(member.name(), needs && !most ? not_needed() : read_npy(member, most));
  }
  return arrays;
}

}  // namespace moe
