#include "guard/safetensors_header.h"

#include "guard/gguf_file.h"

#include <array>
#include <cstddef>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace llamabox {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::size_t kMaxNameBytes = 255;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 44U;

struct TypeSize {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr std::array kTypes{TypeSize{"F16", 2}, TypeSize{"BF16", 2},    TypeSize{"F32", 4},
                            TypeSize{"F64", 8}, TypeSize{"F8_E4M3", 1}, TypeSize{"F8_E5M2", 1},
                            TypeSize{"I32", 4}, TypeSize{"I64", 8},     TypeSize{"U8", 1}};

// Only what such a header may hold: one object of objects, strings, and arrays of whole numbers.
class Reader {
public:
  Reader(const std::string &path, std::string_view text) : path_(path), text_(text) {}

  [[noreturn]] void refuse(const std::string &what) const {
    refuse_gguf(path_, "the safetensors header " + what);
  }

  bool take(char c) {
    skip_space();
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }

  void expect(char c) {
    if (!take(c)) {
      refuse(std::string("has no '") + c + "' at byte " + std::to_string(at_));
    }
  }

  std::string string() {
    expect('"');
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      // A name needs no escape; one that has some stays as it is written.
      out += text_[at_];
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        out += text_[++at_];
      }
      ++at_;
    }
    expect('"');
    return out;
  }

  std::uint64_t number() {
    skip_space();
    std::uint64_t value = 0;
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      value = value * 10 + static_cast<std::uint64_t>(text_[at_++] - '0');
      if (value > kMaxBytes) {
        refuse("has a number that no file can have");
      }
    }
    if (at_ == begin) {
      refuse("has no whole number at byte " + std::to_string(at_));
    }
    return value;
  }

  std::vector<std::uint64_t> numbers(std::size_t most) {
    std::vector<std::uint64_t> out;
    expect('[');
    while (!take(']')) {
      if (!out.empty()) {
        expect(',');
      }
      out.push_back(number());
      if (out.size() > most) {
        refuse("has an array of more than " + std::to_string(most) + " numbers");
      }
    }
    return out;
  }

  // The free texts of "__metadata__".
  void skip_texts() {
    expect('{');
    for (bool is_first = true; !take('}'); is_first = false) {
      if (!is_first) {
        expect(',');
      }
      string();
      expect(':');
      string();
    }
  }

  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }

private:
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  const std::string &path_;
  std::string_view text_;
  std::size_t at_ = 0;
};

SafetensorsEntry read_entry(Reader &reader, std::string name) {
  SafetensorsEntry entry;
  entry.name = std::move(name);
  bool has_shape = false;
  bool has_place = false;
  reader.expect('{');
  for (bool is_first = true; !reader.take('}'); is_first = false) {
    if (!is_first) {
      reader.expect(',');
    }
    const std::string key = reader.string();
    reader.expect(':');
    if (key == "dtype") {
      entry.type = reader.string();
    } else if (key == "shape") {
      entry.dims = reader.numbers(kSafetensorsMaxDims);
      has_shape = true;
    } else if (key == "data_offsets") {
      const std::vector<std::uint64_t> place = reader.numbers(2);
      has_place = place.size() == 2;
      entry.begin = has_place ? place[0] : 0;
      entry.end = has_place ? place[1] : 0;
    } else {
      reader.refuse("describes tensor " + quote_name(entry.name) + " with " + quote_name(key));
    }
  }
  if (!has_shape || !has_place || entry.type.empty()) {
    reader.refuse("does not say type, shape and place of tensor " + quote_name(entry.name));
  }
  return entry;
}

void check_entry(const Reader &reader, const SafetensorsEntry &entry, std::uint64_t data_bytes) {
  const std::string label = "tensor " + quote_name(entry.name);
  if (entry.name.empty() || entry.name.size() > kMaxNameBytes) {
    reader.refuse("has a name that is empty or longer than 255 bytes: " + label);
  }
  std::uint64_t n_bytes = 0;
  for (const TypeSize &type : kTypes) {
    n_bytes = type.name == entry.type ? type.bytes : n_bytes;
  }
  if (n_bytes == 0) {
    reader.refuse("gives " + label + " the type " + quote_name(entry.type) +
                  ", which cannot be used");
  }
  for (const std::uint64_t dim : entry.dims) {
    if (dim == 0 || n_bytes > kMaxBytes / dim) {
      reader.refuse("gives " + label + " a shape that cannot be");
    }
    n_bytes *= dim;
  }
  if (entry.end < entry.begin || entry.end - entry.begin != n_bytes || entry.end > data_bytes) {
    reader.refuse("places " + label + " where its bytes cannot be");
  }
}

} // namespace

std::vector<SafetensorsEntry> read_safetensors_header(const std::string &path) {
  GgufFile file(path);
  const std::uint64_t n_bytes = file.read_u64("the length of the header");
  if (n_bytes > kSafetensorsMaxHeaderBytes || n_bytes > file.remaining()) {
    refuse_gguf(path, "it is neither GGUF nor safetensors");
  }
  std::string text(static_cast<std::size_t>(n_bytes), '\0');
  file.read_bytes(text.data(), text.size(), "the header");
  Reader reader(path, text);
  if (!reader.take('{')) {
    refuse_gguf(path, "it is neither GGUF nor safetensors");
  }
  const std::uint64_t data_bytes = file.size() - kLengthBytes - n_bytes;
  std::vector<SafetensorsEntry> entries;
  std::unordered_set<std::string> names;
  for (bool is_first = true; !reader.take('}'); is_first = false) {
    if (!is_first) {
      reader.expect(',');
    }
    std::string name = reader.string();
    reader.expect(':');
    if (name == "__metadata__") {
      reader.skip_texts();
      continue;
    }
    if (!names.insert(name).second) {
      reader.refuse("names tensor " + quote_name(name) + " twice");
    }
    entries.push_back(read_entry(reader, std::move(name)));
    check_entry(reader, entries.back(), data_bytes);
    if (entries.size() > kSafetensorsMaxTensors) {
      reader.refuse("names more than " + std::to_string(kSafetensorsMaxTensors) + " tensors");
    }
  }
  if (!reader.at_end()) {
    reader.refuse("goes on behind its end");
  }
  return entries;
}

} // namespace llamabox
