// What the image engine needs of a model: one image at a time, reported step by step.
// Thread rule: generate on the worker thread only; info and check on any thread.
// Guarantee asked of an implementation: a failed or cancelled image leaves the next one as it would
// have been. Covered by image_engine_test (on a fake) and tests/py/api/test_image_model.py.
#pragma once

#include "image/image_params.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llamabox {

// A LoRA adapter and what it counts where a request names none.
struct ImageLoraInfo {
  std::string path;
  float scale = 1;
};

// Facts about a loaded model.
struct ImageModelInfo {
  std::string family;    // as in image_family.h
  bool is_dit = false;   // a diffusion transformer, which skip-layer guidance is for
  bool inpaints = false; // made for masks
  bool edits = false;    // takes pictures to follow instead of one to start from
  bool has_control_net = false;
  std::int32_t upscale_factor = 1; // of the images over the size that was asked for
  std::uint64_t size_bytes = 0;    // of the files
  std::vector<ImageLoraInfo> loras;
};

// Hears of one image while it is made, on the worker thread.
class ImageObserver {
public:
  virtual ~ImageObserver() = default;
  // Asked often; once true, generate returns soon.
  virtual bool cancelled() const = 0;
  // The steps begin.
  virtual void began(std::int32_t n_steps) = 0;
  // Numbers that only grow, up to `n_steps`.
  virtual void stepped(std::int32_t step, std::int32_t n_steps) = 0;
  // Before the stepped() that it belongs to.
  virtual void previewed(Pixels pixels) = 0;
};

class ImageModel {
public:
  virtual ~ImageModel() = default;
  virtual const ImageModelInfo &info() const = 0;
  // ERRORS: Error(kInvalidArgument) or Error(kUnsupported), naming the field.
  virtual void check(const ImageRequest &request) const = 0;
  // The image with this seed; none when the observer cancelled it. ERRORS: Error, for this image;
  // Error(kDeviceLost), after which no image can be made any more.
  virtual std::optional<Pixels> generate(const ImageRequest &request, std::int64_t seed,
                                         ImageObserver &observer) = 0;
};

} // namespace llamabox
