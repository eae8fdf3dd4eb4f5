// What an image is made from: the request of one client, and the sizes of the engine.
// Thread rule: plain values; pixels are shared and not changed any more.
// ERRORS: ImageModel::check refuses what a model cannot do, by the names of these fields.
// Covered by image_engine_test and tests/py/api/test_image_model.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llamabox {

// Rows from the top, pixels from the left, channels of a pixel together.
struct Pixels {
  std::int32_t width = 0;
  std::int32_t height = 0;
  std::int32_t n_channels = 3; // 3: red, green, blue; 1: a mask
  std::vector<std::uint8_t> bytes;
};

using SharedPixels = std::shared_ptr<const Pixels>;

enum class Preview : std::uint8_t {
  kNone,
  kFast, // a projection of the latents, an eighth of the size
  kFull, // decoded, by the tiny decoder where there is one
};

struct ImageLora {
  std::int32_t id = 0; // its place among the loaded adapters
  float scale = 0;
};

// Guidance by a pass that leaves layers out, for diffusion transformers.
struct SkipLayers {
  float scale = 0; // 0: off
  std::vector<std::int32_t> layers;
  float start = 0.01F; // as shares of the steps
  float end = 0.20F;
};

struct ImageRequest {
  std::string prompt;
  std::string negative_prompt;
  std::int32_t n = 1; // image i has the seed `seed` + i
  std::int32_t width = 512;
  std::int32_t height = 512;
  std::int64_t seed = 0;
  std::int32_t steps = 20;
  std::string sampler;              // one of kImageSamplers
  std::string schedule;             // one of kImageSchedules
  float cfg_scale = 1;              // 1: no pass without the prompt
  float guidance = 3.5F;            // of distilled models
  SkipLayers skip_layers;           // slg_* in requests
  SharedPixels init;                // the image that is changed; of the request's size
  std::vector<SharedPixels> others; // more to follow, for transformers that edit; the same size
  SharedPixels mask;                // one channel; white is painted anew
  float strength = 1;               // 0 keeps the initial image, 1 ignores it
  SharedPixels control;             // the hint of a ControlNet
  float control_strength = 0.9F;
  bool control_canny = false; // reduce the hint to its edges first
  std::vector<ImageLora> loras;
  Preview preview = Preview::kNone;

  std::size_t held_bytes() const {
    std::size_t n_bytes = prompt.size() + negative_prompt.size();
    for (const SharedPixels &pixels : {init, mask, control}) {
      n_bytes += pixels ? pixels->bytes.size() : 0;
    }
    for (const SharedPixels &pixels : others) {
      n_bytes += pixels->bytes.size();
    }
    return n_bytes;
  }
};

struct ImageEngineParams {
  std::int32_t n_slots = 4;   // requests that take turns, image by image
  std::int32_t n_queue = 256; // requests that may wait for that
  std::int64_t n_held_bytes = std::int64_t{512}
                              << 20; // pictures of all requests that have not ended
};

} // namespace llamabox
