// A request as stable-diffusion.cpp takes it, with what its pointers point at.
// Thread rule: one thread; lives as long as the call.
// Guarantee: upstream gets only what check_image_request has passed.
// Covered by tests/py/api/test_real_images.py.
#pragma once

#include "image/held_file.h"
#include "image/image_params.h"

#include "stable-diffusion.h"

#include <vector>

namespace llamabox {

class SdRequest {
public:
  struct Choices {
    bool vae_tiling = false;
    bool follows_picture = false; // the initial image is one to follow, not to start from
  };

  // `adapters` by their ids. All must outlive it; upstream's pointers lead into `request`.
  SdRequest(const ImageRequest &request, const std::vector<HeldFile> &adapters, Choices choices);

  const sd_img_gen_params_t *params(std::int64_t seed);

private:
  void set_sampling(const ImageRequest &request);
  void set_pictures(const ImageRequest &request, bool follows_picture);

  sd_img_gen_params_t params_{};
  std::vector<int> skip_layers_;
  std::vector<sd_lora_t> loras_;
  std::vector<std::uint8_t> edges_; // of the control image
  std::vector<sd_image_t> followed_;
};

} // namespace llamabox
