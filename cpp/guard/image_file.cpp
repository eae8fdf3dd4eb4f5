#include "guard/image_file.h"

#include "guard/gguf_file.h"
#include "guard/gguf_header.h"
#include "guard/safetensors_header.h"

#include <cstddef>
#include <string_view>

namespace llamabox {
namespace {

// Upstream reads the names that are too long for ggml with a reader of its own.
constexpr std::uint64_t kMaxNameBytes = 255;

bool begins_with(const std::string &path, std::string_view magic) {
  GgufFile file(path);
  if (file.size() < magic.size()) {
    return false;
  }
  std::string found(magic.size(), '\0');
  file.read_bytes(found.data(), found.size(), "the magic number");
  return found == magic;
}

ImageFile from_gguf(const std::string &path) {
  const GgufHeader header = read_gguf_header(path, kMaxNameBytes);
  ImageFile file{path, header.file_bytes, {}};
  for (const GgufTensor &tensor : header.tensors) {
    file.tensors.push_back({tensor.name, tensor.dims});
  }
  return file;
}

ImageFile from_safetensors(const std::string &path) {
  ImageFile file{path, GgufFile(path).size(), {}};
  for (const SafetensorsEntry &entry : read_safetensors_header(path)) {
    ImageTensor tensor{entry.name, {1, 1, 1, 1}};
    // A fifth dimension is the first one in the file, which upstream joins with the second.
    for (std::size_t i = 0; i < entry.dims.size(); ++i) {
      const std::size_t from_last = entry.dims.size() - 1 - i;
      tensor.dims.at(from_last < 4 ? from_last : 3) *= entry.dims[i];
    }
    file.tensors.push_back(std::move(tensor));
  }
  return file;
}

} // namespace

ImageFile read_image_file(const std::string &path) {
  if (begins_with(path, "PK\x03\x04") || begins_with(path, "\x80\x02")) {
    refuse_gguf(path, "it is a PyTorch file, which can hold programs; convert it to safetensors");
  }
  ImageFile file = begins_with(path, "GGUF") ? from_gguf(path) : from_safetensors(path);
  if (file.tensors.empty()) {
    refuse_gguf(path, "it holds no tensors");
  }
  return file;
}

} // namespace llamabox
