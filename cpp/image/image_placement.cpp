#include "image/image_placement.h"

#include "base/error.h"

#include <algorithm>
#include <cstddef>

namespace llamabox {

ImagePlacement place_image_parts(const std::vector<std::string> &devices,
                                 const std::vector<float> &split) {
  const bool is_named = std::any_of(split.begin(), split.end(), [](float v) { return v != 0; });
  std::vector<std::string> used;
  for (std::size_t i = 0; i < std::max(devices.size(), split.size()); ++i) {
    const bool wanted = !is_named || (i < split.size() && split[i] != 0);
    if (wanted && i >= devices.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "--tensor-split names device " + std::to_string(i) + "; there are " +
                      std::to_string(devices.size()),
                  "tensor_split");
    }
    if (wanted) {
      used.push_back(devices[i]);
    }
  }
  if (used.empty()) {
    return {};
  }
  const std::size_t last = used.size() - 1;
  ImagePlacement placement;
  placement.text_encoder = used[0];
  placement.control_net = used[0];
  placement.upscaler = used[0];
  placement.vae = used.size() < 3 ? used[0] : used[1];
  placement.diffusion = used[std::min<std::size_t>(last, 2)];
  return placement;
}

} // namespace llamabox
