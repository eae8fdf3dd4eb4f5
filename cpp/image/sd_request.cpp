#include "image/sd_request.h"

#include <string>

namespace llamabox {
namespace {

// Upstream reads the bytes only, but its struct has no const.
sd_image_t image_of(const Pixels &pixels) {
  return {static_cast<std::uint32_t>(pixels.width), static_cast<std::uint32_t>(pixels.height),
          static_cast<std::uint32_t>(pixels.n_channels),
          const_cast<std::uint8_t *>(pixels.bytes.data())};
}

// The thresholds and levels that upstream's own tool uses.
constexpr float kCannyHigh = 0.08F;
constexpr float kCannyLow = 0.08F;
constexpr float kCannyWeak = 0.8F;
constexpr float kCannyStrong = 1.0F;

} // namespace

SdRequest::SdRequest(const ImageRequest &request, const std::vector<HeldFile> &adapters,
                     Choices choices) {
  sd_img_gen_params_init(&params_);
  params_.prompt = request.prompt.c_str();
  params_.negative_prompt = request.negative_prompt.c_str();
  params_.width = request.width;
  params_.height = request.height;
  params_.batch_count = 1;
  params_.vae_tiling_params.enabled = choices.vae_tiling;
  for (const ImageLora &lora : request.loras) {
    if (lora.scale != 0) {
      const HeldFile &held = adapters.at(static_cast<std::size_t>(lora.id));
      loras_.push_back({false, lora.scale, held.path().c_str()});
    }
  }
  params_.loras = loras_.data();
  params_.lora_count = static_cast<std::uint32_t>(loras_.size());
  set_sampling(request);
  set_pictures(request, choices.follows_picture);
}

const sd_img_gen_params_t *SdRequest::params(std::int64_t seed) {
  params_.seed = seed;
  return &params_;
}

void SdRequest::set_sampling(const ImageRequest &request) {
  sd_sample_params_t &sampling = params_.sample_params;
  sampling.sample_method = str_to_sample_method(request.sampler.c_str());
  // The one name that upstream does not have stands for its own choice.
  sampling.scheduler = str_to_scheduler(request.schedule.c_str());
  sampling.sample_steps = request.steps;
  sampling.guidance.txt_cfg = request.cfg_scale;
  sampling.guidance.distilled_guidance = request.guidance;
  skip_layers_.assign(request.skip_layers.layers.begin(), request.skip_layers.layers.end());
  sampling.guidance.slg.layers = skip_layers_.data();
  sampling.guidance.slg.layer_count = skip_layers_.size();
  sampling.guidance.slg.layer_start = request.skip_layers.start;
  sampling.guidance.slg.layer_end = request.skip_layers.end;
  sampling.guidance.slg.scale = request.skip_layers.scale;
}

void SdRequest::set_pictures(const ImageRequest &request, bool follows_picture) {
  params_.strength = request.strength;
  params_.control_strength = request.control_strength;
  if (request.init != nullptr && follows_picture) {
    followed_.push_back(image_of(*request.init));
    for (const SharedPixels &other : request.others) {
      followed_.push_back(image_of(*other));
    }
    params_.ref_images = followed_.data();
    params_.ref_images_count = static_cast<int>(followed_.size());
    params_.auto_resize_ref_image = true;
  } else if (request.init != nullptr) {
    params_.init_image = image_of(*request.init);
  }
  if (request.mask != nullptr) {
    params_.mask_image = image_of(*request.mask);
  }
  if (request.control != nullptr) {
    params_.control_image = image_of(*request.control);
    if (request.control_canny) {
      edges_ = request.control->bytes;
      params_.control_image.data = edges_.data();
      preprocess_canny(params_.control_image, kCannyHigh, kCannyLow, kCannyWeak, kCannyStrong,
                       false);
    }
  }
}

} // namespace llamabox
