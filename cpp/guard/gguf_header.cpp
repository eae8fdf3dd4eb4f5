#include "guard/gguf_header.h"

#include "guard/gguf_file.h"

#include <algorithm>
#include <limits>
#include <unordered_set>
#include <utility>

namespace llamabox {

namespace {

constexpr std::uint64_t kMaxElements = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kKeptStringBytes = 256;
// The least that one key (length, one byte of name, type, one byte of value) and one tensor
// (length, one byte of name, dimension count, type, offset) take in the file.
constexpr std::uint64_t kMinKeyBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 1 + 4 + 4 + 8;
constexpr std::uint32_t kBigEndianMask = 0x0000'ffff;

// False when the product does not fit `limit`.
bool multiply(std::uint64_t &value, std::uint64_t factor, std::uint64_t limit) {
  if (factor != 0 && value > limit / factor) {
    return false;
  }
  value *= factor;
  return true;
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

void check_magic(GgufFile &file) {
  if (file.size() == 0) {
    refuse_gguf(file.path(), "the file is empty");
  }
  std::array<char, 4> magic{};
  const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(4, file.size()));
  file.read_bytes(magic.data(), n, "the magic number");
  const std::string_view found(magic.data(), n);
  if (found == "vers") {
    refuse_gguf(file.path(), "it is not a GGUF file but looks like a Git LFS pointer (fetch the "
                             "real file with 'git lfs pull')");
  }
  if (found != "GGUF") {
    refuse_gguf(file.path(), "it is not a GGUF file (it begins with " + quote_name(found) +
                                 " instead of 'GGUF')");
  }
}

std::uint32_t read_version(GgufFile &file) {
  const std::uint32_t version = file.read_u32("the version");
  if (version != 0 && (version & kBigEndianMask) == 0) {
    refuse_gguf(file.path(), "it is a big-endian GGUF file, and this machine needs little-endian");
  }
  if (version < 2 || version > 3) {
    refuse_gguf(file.path(),
                "GGUF version " + std::to_string(version) + " is not supported (only 2 and 3 are)");
  }
  return version;
}

std::uint64_t read_count(GgufFile &file, std::string_view what, std::uint64_t limit) {
  const std::uint64_t count = file.read_u64("the number of " + std::string(what));
  if (count > limit) {
    refuse_gguf(file.path(), "it claims " + std::to_string(count) + " " + std::string(what) +
                                 ", at most " + std::to_string(limit) + " are allowed");
  }
  return count;
}

GgufValueType read_value_type(GgufFile &file, const std::string &key) {
  const std::uint32_t raw = file.read_u32("the type of key " + quote_name(key));
  if (raw >= kGgufValueTypeCount) {
    refuse_gguf(file.path(),
                "key " + quote_name(key) + " has the unknown value type " + std::to_string(raw));
  }
  return static_cast<GgufValueType>(raw);
}

void read_array(GgufFile &file, const std::string &key, GgufValue &value) {
  const std::string what = "the array of key " + quote_name(key);
  value.element_type = read_value_type(file, key);
  if (value.element_type == GgufValueType::kArray) {
    refuse_gguf(file.path(),
                "key " + quote_name(key) + " is an array of arrays, which no model uses");
  }
  value.length = file.read_u64(what);
  value.position = file.position();
  if (value.length > kGgufMaxArrayLength) {
    refuse_gguf(file.path(), what + " claims " + std::to_string(value.length) +
                                 " elements, at most " + std::to_string(kGgufMaxArrayLength) +
                                 " are allowed");
  }
  if (value.element_type != GgufValueType::kString) {
    // Both factors are small (2^24 elements of at most 8 bytes), so this cannot overflow.
    file.skip(value.length * gguf_value_bytes(value.element_type), what);
    return;
  }
  if (value.length > file.remaining() / 8) {
    refuse_gguf(file.path(), "the file is truncated: " + what + " claims " +
                                 std::to_string(value.length) + " strings, but only " +
                                 std::to_string(file.remaining()) + " bytes are left");
  }
  for (std::uint64_t i = 0; i < value.length; ++i) {
    file.skip(file.read_string_length(kGgufMaxStringBytes, what), what);
  }
}

GgufValue read_value(GgufFile &file, const std::string &key) {
  GgufValue value;
  value.type = read_value_type(file, key);
  value.position = file.position();
  if (value.type == GgufValueType::kArray) {
    read_array(file, key, value);
    return value;
  }
  const std::string what = "the value of key " + quote_name(key);
  if (value.type == GgufValueType::kString) {
    value.length = file.read_string_length(kGgufMaxStringBytes, what);
    value.position = file.position();
    value.text.resize(static_cast<std::size_t>(std::min(value.length, kKeptStringBytes)));
    file.read_bytes(value.text.data(), value.text.size(), what);
    file.skip(value.length - value.text.size(), what);
    return value;
  }
  value.bits = file.read_number(gguf_value_bytes(value.type), what);
  return value;
}

void read_values(GgufFile &file, std::uint64_t n_keys, GgufHeader &header) {
  const std::uint64_t begin = file.position();
  header.values.reserve(static_cast<std::size_t>(n_keys));
  for (std::uint64_t i = 0; i < n_keys; ++i) {
    std::string key = file.read_string(kGgufMaxKeyBytes, "the name of key " + std::to_string(i));
    if (key.empty() || has_nul(key)) {
      refuse_gguf(file.path(), "the name of key " + std::to_string(i) +
                                   (key.empty() ? " is empty" : " holds a NUL byte"));
    }
    GgufValue value = read_value(file, key);
    if (file.position() - begin > kGgufMaxMetadataBytes) {
      refuse_gguf(file.path(), "its metadata is larger than " +
                                   std::to_string(kGgufMaxMetadataBytes) + " bytes");
    }
    const auto [it, inserted] = header.values.emplace(std::move(key), std::move(value));
    if (!inserted) {
      refuse_gguf(file.path(), "key " + quote_name(it->first) + " occurs twice");
    }
  }
}

std::uint32_t read_alignment(const GgufHeader &header) {
  const GgufValue *value = header.find("general.alignment");
  if (value == nullptr) {
    return header.alignment;
  }
  if (value->type != GgufValueType::kUint32) {
    refuse_gguf(header.path, "key 'general.alignment' must be of type u32, it is " +
                                 std::string(gguf_value_type_name(value->type)));
  }
  const std::uint64_t alignment = value->bits;
  if (alignment < kGgufMinAlignment || alignment > kGgufMaxAlignment ||
      (alignment & (alignment - 1)) != 0) {
    refuse_gguf(header.path, "key 'general.alignment' is " + std::to_string(alignment) +
                                 ", it must be a power of two from 8 to 65536");
  }
  return static_cast<std::uint32_t>(alignment);
}

void read_dims(GgufFile &file, GgufTensor &tensor) {
  const std::string label = "tensor " + quote_name(tensor.name);
  tensor.n_dims = file.read_u32("the shape of " + label);
  if (tensor.n_dims > kGgufMaxDims) {
    refuse_gguf(file.path(), label + " has " + std::to_string(tensor.n_dims) +
                                 " dimensions, at most 4 are allowed");
  }
  std::uint64_t n_elements = 1;
  for (std::uint32_t i = 0; i < tensor.n_dims; ++i) {
    tensor.dims[i] = file.read_u64("the shape of " + label);
    if (tensor.dims[i] == 0) {
      refuse_gguf(file.path(), label + " has a dimension of size 0");
    }
    if (!multiply(n_elements, tensor.dims[i], kMaxElements)) {
      refuse_gguf(file.path(), label + " has more elements than 64 bits can count");
    }
  }
}

void read_tensor_type(GgufFile &file, GgufTensor &tensor) {
  const std::string label = "tensor " + quote_name(tensor.name);
  const std::uint32_t id = file.read_u32("the type of " + label);
  tensor.type = find_ggml_type(id);
  if (tensor.type == nullptr) {
    refuse_gguf(file.path(), label + " has the unknown type " + std::to_string(id));
  }
  if (tensor.dims[0] % tensor.type->block_length != 0) {
    refuse_gguf(file.path(), label + " has rows of " + std::to_string(tensor.dims[0]) +
                                 " elements, but type " + std::string(tensor.type->name) +
                                 " needs a multiple of " +
                                 std::to_string(tensor.type->block_length));
  }
  std::uint64_t n_bytes = tensor.dims[0] / tensor.type->block_length;
  bool fits = multiply(n_bytes, tensor.type->block_bytes, kMaxElements);
  for (std::uint32_t i = 1; i < kGgufMaxDims; ++i) {
    fits = fits && multiply(n_bytes, tensor.dims[i], kMaxElements);
  }
  if (!fits || n_bytes > file.size()) {
    refuse_gguf(file.path(), label + " needs more bytes than the file has (" +
                                 std::to_string(file.size()) +
                                 "): the file is truncated or damaged");
  }
  tensor.n_bytes = n_bytes;
}

void read_tensors(GgufFile &file, std::uint64_t n_tensors, std::uint64_t max_name_bytes,
                  GgufHeader &header) {
  std::unordered_set<std::string> names;
  names.reserve(static_cast<std::size_t>(n_tensors));
  header.tensors.reserve(static_cast<std::size_t>(n_tensors));
  for (std::uint64_t i = 0; i < n_tensors; ++i) {
    GgufTensor tensor;
    const std::string what = "the name of tensor " + std::to_string(i);
    tensor.name = file.read_string(max_name_bytes, what);
    if (tensor.name.empty() || has_nul(tensor.name)) {
      refuse_gguf(file.path(), what + (tensor.name.empty() ? " is empty" : " holds a NUL byte"));
    }
    if (!names.insert(tensor.name).second) {
      refuse_gguf(file.path(), "tensor " + quote_name(tensor.name) + " occurs twice");
    }
    read_dims(file, tensor);
    read_tensor_type(file, tensor);
    tensor.offset = file.read_u64("the offset of tensor " + quote_name(tensor.name));
    header.tensors.push_back(std::move(tensor));
  }
}

// Loaders demand that tensors lie one after the other, each padded to the alignment. That also
// rules out overlaps; what is left to check is that the last byte is still inside the file.
void check_data_section(const GgufHeader &header) {
  const std::uint64_t mask = header.alignment - 1;
  std::uint64_t expected = 0;
  for (const GgufTensor &tensor : header.tensors) {
    const std::string label = "tensor " + quote_name(tensor.name);
    if ((tensor.offset & mask) != 0) {
      refuse_gguf(header.path, label + " stands at offset " + std::to_string(tensor.offset) +
                                   ", which is not a multiple of the alignment " +
                                   std::to_string(header.alignment));
    }
    if (tensor.offset != expected) {
      refuse_gguf(header.path, label + " stands at offset " + std::to_string(tensor.offset) +
                                   " instead of " + std::to_string(expected) +
                                   ": tensors overlap or leave a gap");
    }
    // The position, the offset and the size are each at most the file size, far below 2^63.
    const std::uint64_t end = header.data_position + tensor.offset + tensor.n_bytes;
    if (end > header.file_bytes) {
      refuse_gguf(header.path, "the file is truncated: " + label + " ends at byte " +
                                   std::to_string(end) + ", the file at byte " +
                                   std::to_string(header.file_bytes));
    }
    expected += (tensor.n_bytes + mask) & ~mask;
  }
}

} // namespace

const GgufValue *GgufHeader::find(const std::string &key) const {
  const auto it = values.find(key);
  return it == values.end() ? nullptr : &it->second;
}

GgufHeader read_gguf_header(const std::string &path, std::uint64_t max_name_bytes) {
  GgufFile file(path);
  GgufHeader header;
  header.path = path;
  header.file_bytes = file.size();
  check_magic(file);
  header.version = read_version(file);
  const std::uint64_t n_tensors = read_count(file, "tensors", kGgufMaxTensors);
  const std::uint64_t n_keys = read_count(file, "keys", kGgufMaxKeys);
  // With this, what the containers reserve below is bounded by the size of the file.
  if (n_keys * kMinKeyBytes + n_tensors * kMinTensorBytes > file.remaining()) {
    refuse_gguf(path, "the file is truncated: " + std::to_string(file.remaining()) +
                          " bytes cannot hold " + std::to_string(n_keys) + " keys and " +
                          std::to_string(n_tensors) + " tensors");
  }
  read_values(file, n_keys, header);
  header.alignment = read_alignment(header);
  read_tensors(file, n_tensors, max_name_bytes, header);
  const std::uint64_t mask = header.alignment - 1;
  header.data_position = (file.position() + mask) & ~mask;
  check_data_section(header);
  return header;
}

} // namespace llamabox
