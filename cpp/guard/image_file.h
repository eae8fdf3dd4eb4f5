// What a file of an image model holds: names and shapes of its tensors, of GGUF and of safetensors
// alike. Other formats are refused: those of PyTorch can hold programs.
// Thread rule: pure functions and values. Covered by image_file_test.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace llamabox {

struct ImageTensor {
  std::string name;
  std::array<std::uint64_t, 4> dims{1, 1, 1, 1}; // fastest first
};

struct ImageFile {
  std::string path;
  std::uint64_t n_bytes = 0;
  std::vector<ImageTensor> tensors;
};

// ERRORS: Error(kLoadFailed) with one sentence that names the file and what is wrong.
ImageFile read_image_file(const std::string &path);

} // namespace llamabox
