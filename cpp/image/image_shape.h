// What of a request decides how much memory the stages of its images take; the prompt does not
// count, since its own stage is the first.
// Thread rule: plain values. Covered by tests/py/api/test_image_memory.py.
#pragma once

#include "image/image_params.h"

#include <compare>
#include <cstddef>
#include <cstdint>

namespace llamabox {

struct ImageShape {
  std::int32_t width = 0;
  std::int32_t height = 0;
  bool has_init = false;
  std::size_t n_others = 0;
  bool has_mask = false;
  bool has_control = false;
  std::size_t n_loras = 0;

  auto operator<=>(const ImageShape &) const = default;
};

inline ImageShape shape_of(const ImageRequest &request) {
  ImageShape shape;
  shape.width = request.width;
  shape.height = request.height;
  shape.has_init = request.init != nullptr;
  shape.n_others = request.others.size();
  shape.has_mask = request.mask != nullptr;
  shape.has_control = request.control != nullptr;
  shape.n_loras = request.loras.size();
  return shape;
}

} // namespace llamabox
