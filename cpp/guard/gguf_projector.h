// The check that a projector (--mmproj) passes before libmtmd sees it: the format, and the sizes
// that it computes with, divides by and allocates from.
// Thread rule: pure functions, any thread. Covered by tests/cpp/gguf_projector_test.cpp.
#pragma once

#include <cstdint>
#include <string>

namespace llamabox {

struct ProjectorReport {
  bool sees_images = false;
  bool hears_audio = false;
  // Rows of a picture, where all pictures are made of one size; 0 without vision.
  std::uint64_t n_fixed_rows = 0;
};

// ERRORS: Error(kLoadFailed) with one sentence that names the file and what is wrong.
ProjectorReport check_projector(const std::string &path);

} // namespace llamabox
