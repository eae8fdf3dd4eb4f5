// The files of an image model before upstream reads them: their headers are checked, the family is
// found, and parts that are missing are named by the option that gives them.
// Thread rule: pure functions. Covered by image_check_test.
#pragma once

#include "guard/image_family.h"
#include "image/sd_model.h"

#include <cstdint>

namespace llamabox {

struct CheckedFiles {
  ImageFamily family;
  bool is_bare = false;      // the model file is a diffusion model alone
  std::uint64_t n_bytes = 0; // of all files
};

// ERRORS: Error(kLoadFailed) with one sentence that names the file or the missing option.
CheckedFiles check_image_files(const ImageModelParams &params);

} // namespace llamabox
