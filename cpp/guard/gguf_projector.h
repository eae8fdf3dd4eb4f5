// The check that a projector (--mmproj) passes before libmtmd sees it: the format, and the sizes
// that it computes with, divides by and allocates from.
// Thread rule: pure functions, any thread. Covered by tests/cpp/gguf_projector_test.cpp.
#pragma once

#include <string>

namespace llamabox {

struct ProjectorReport {
  bool sees_images = false;
  bool hears_audio = false;
};

// ERRORS: Error(kLoadFailed) with one sentence that names the file and what is wrong.
ProjectorReport check_projector(const std::string &path);

} // namespace llamabox
