#include "image/image_check.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace llamabox {
namespace {

[[noreturn]] void refuse(const char *field, const std::string &problem) {
  throw Error(ErrorCode::kInvalidArgument, std::string(field) + " " + problem, field);
}

void check_range(const char *field, std::int32_t value, std::int32_t low, std::int32_t high) {
  if (value < low || value > high) {
    refuse(field, "is " + std::to_string(value) + "; it must be " + std::to_string(low) + " to " +
                      std::to_string(high));
  }
}

void check_side(const char *field, std::int32_t value) {
  check_range(field, value, kImageSizeMultiple, kMaxImageSide);
  if (value % kImageSizeMultiple != 0) {
    refuse(field, "is " + std::to_string(value) + "; it must be a multiple of " +
                      std::to_string(kImageSizeMultiple));
  }
}

void check_number(const char *field, float value, float low, float high) {
  if (!std::isfinite(value) || value < low || value > high) {
    refuse(field, "is out of range");
  }
}

template <std::size_t N>
void check_name(const char *field, const std::string &value,
                const std::array<std::string_view, N> &names) {
  if (std::find(names.begin(), names.end(), value) == names.end()) {
    refuse(field, "has an unknown value");
  }
}

// Schedules that are made for some families, or divide by the steps less one.
void check_schedule(const ImageRequest &request, const ImageModelInfo &info) {
  const std::string &schedule = request.schedule;
  const bool has_steps_table = info.family.starts_with("sd1") || info.family.starts_with("sdxl");
  if (schedule == "ays" && !has_steps_table) {
    refuse("schedule",
           "ays is for models of the families SD1 and SDXL; this one is " + info.family);
  }
  const bool needs_two = schedule == "gits" || schedule == "karras" || schedule == "exponential";
  if (needs_two && request.steps < 2) {
    refuse("schedule",
           schedule + " needs at least 2 steps, and steps is " + std::to_string(request.steps));
  }
}

void check_pixels(const char *field, const SharedPixels &pixels, const ImageRequest &request,
                  std::int32_t n_channels) {
  if (pixels == nullptr) {
    return;
  }
  const auto n_bytes = static_cast<std::size_t>(request.width) *
                       static_cast<std::size_t>(request.height) *
                       static_cast<std::size_t>(n_channels);
  if (pixels->width != request.width || pixels->height != request.height ||
      pixels->n_channels != n_channels || pixels->bytes.size() != n_bytes) {
    refuse(field, "does not have the size of the image");
  }
}

void check_pictures(const ImageRequest &request, const ImageModelInfo &info) {
  constexpr std::int32_t kRgb = 3;
  check_pixels("image", request.init, request, kRgb);
  for (const SharedPixels &other : request.others) {
    check_pixels("image", other, request, kRgb);
  }
  const bool takes_several = info.edits && info.is_dit; // a UNet looks at the first only
  if (!request.others.empty() && !takes_several) {
    throw Error(ErrorCode::kUnsupported,
                "image is given more than once; a model of the family " + info.family +
                    " takes one picture",
                "image");
  }
  check_pixels("mask", request.mask, request, 1);
  check_pixels("control", request.control, request, kRgb);
  if (request.mask != nullptr && request.init == nullptr) {
    refuse("mask", "needs an image");
  }
  if (request.mask != nullptr && info.edits && !info.inpaints) {
    throw Error(ErrorCode::kUnsupported,
                "mask is for models that start from the picture; those of the family " +
                    info.family + " follow it and draw all anew",
                "mask");
  }
  if (request.control != nullptr && !info.has_control_net) {
    throw Error(ErrorCode::kUnsupported,
                "control needs a server that was started with --image-control-net-model",
                "control");
  }
}

void check_skip_layers(const SkipLayers &skip, const ImageModelInfo &info) {
  constexpr float kMaxScale = 100;
  constexpr std::int32_t kMaxLayer = 512;
  check_number("slg_scale", skip.scale, 0, kMaxScale);
  check_number("slg_start", skip.start, 0, 1);
  check_number("slg_end", skip.end, 0, 1);
  for (const std::int32_t layer : skip.layers) {
    check_range("slg_skip_layers", layer, 0, kMaxLayer);
  }
  if (skip.scale != 0 && !info.is_dit) {
    throw Error(ErrorCode::kUnsupported,
                "slg_scale is for diffusion transformers; this model is " + info.family,
                "slg_scale");
  }
}

void check_loras(const ImageRequest &request, const ImageModelInfo &info) {
  constexpr float kMaxScale = 1000;
  for (const ImageLora &lora : request.loras) {
    if (lora.id < 0 || lora.id >= static_cast<std::int32_t>(info.loras.size())) {
      refuse("lora", "names the adapter " + std::to_string(lora.id) + "; there are " +
                         std::to_string(info.loras.size()));
    }
    check_number("lora", lora.scale, -kMaxScale, kMaxScale);
  }
}

} // namespace

void check_image_request(const ImageRequest &request, const ImageModelInfo &info) {
  constexpr float kMaxScale = 100;
  check_range("n", request.n, 1, kMaxImages);
  check_side("width", request.width);
  check_side("height", request.height);
  check_range("steps", request.steps, 1, kMaxImageSteps);
  if (request.seed < 0) {
    refuse("seed", "must not be negative");
  }
  check_name("sampler", request.sampler, kImageSamplers);
  check_name("schedule", request.schedule, kImageSchedules);
  check_schedule(request, info);
  check_number("cfg_scale", request.cfg_scale, 0, kMaxScale);
  check_number("guidance", request.guidance, 0, kMaxScale);
  check_number("strength", request.strength, 0, 1);
  check_number("control_strength", request.control_strength, 0, 1);
  check_pictures(request, info);
  check_skip_layers(request.skip_layers, info);
  check_loras(request, info);
}

} // namespace llamabox
