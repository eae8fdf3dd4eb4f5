// Which family an image model belongs to, by the names and shapes of its tensors, and whether a
// file is a whole checkpoint or a bare diffusion model. The rules give what stable-diffusion.cpp
// finds, so that a file it would not know is refused before it reads it.
// Thread rule: pure functions and values. Covered by image_file_test.
#pragma once

#include "guard/image_file.h"

#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

struct ImageFamily {
  std::string_view name; // such as "sdxl-inpaint"
  bool is_dit = false;   // a diffusion transformer
  bool inpaints = false; // takes a mask beside the latents
  bool edits = false;    // takes pictures to follow
  bool uses_llm = false; // its text encoder is a language model
};

// Whether the names have no prefix that tells the parts of a checkpoint apart.
bool is_bare_diffusion_model(const ImageFile &file);

// The family of a model whose parts are these tensors, named as in a whole checkpoint.
// ERRORS: Error(kLoadFailed) naming `path` for what is no image model, or makes video.
const ImageFamily &image_family(const std::string &path, const std::vector<ImageTensor> &tensors);

} // namespace llamabox
