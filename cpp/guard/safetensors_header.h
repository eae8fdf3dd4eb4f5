// Reads and checks the header of a safetensors file: a length, a JSON object that names each tensor
// with its type, shape and place, then the data. Nothing of it is trusted: every number is checked
// against the file before anything is sized by it.
// Thread rule: pure functions and values. Covered by image_file_test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace llamabox {

inline constexpr std::uint64_t kSafetensorsMaxHeaderBytes = std::uint64_t{64} << 20U;
inline constexpr std::uint64_t kSafetensorsMaxTensors = 65'536;
inline constexpr std::size_t kSafetensorsMaxDims = 5;

struct SafetensorsEntry {
  std::string name;
  std::string type;                // as in the file, such as "F16"
  std::vector<std::uint64_t> dims; // slowest first, as in the file
  std::uint64_t begin = 0;         // from the start of the data
  std::uint64_t end = 0;
};

// ERRORS: Error(kLoadFailed) with one sentence that names the file and what is wrong.
std::vector<SafetensorsEntry> read_safetensors_header(const std::string &path);

} // namespace llamabox
