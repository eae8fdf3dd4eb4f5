// An image model whose every pixel is known by hand: byte k of the image with seed s is
// (s + k + what the request adds) mod 256.
// Thread rule: that of ImageModel; `on_step` runs on the worker thread.
#pragma once

#include "base/error.h"
#include "image/image_check.h"
#include "image/image_model.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace llamabox {

struct FakeImageParams {
  std::int64_t step_us = 0;            // time of one step
  std::optional<std::string> fails_on; // a prompt whose images fail in their second step
  std::optional<std::string> loses_on; // a prompt that loses the device in its second step
  bool inpaints = false;
  bool edits = false; // a transformer that follows pictures
  bool has_control_net = false;
  std::int32_t n_loras = 0;
  std::int32_t upscale_factor = 1;
  std::string family = "sd1";
};

class FakeImageModel final : public ImageModel {
public:
  explicit FakeImageModel(FakeImageParams params) : params_(std::move(params)) {
    info_.family = params_.family;
    info_.inpaints = params_.inpaints;
    info_.edits = params_.edits;
    info_.is_dit = params_.edits;
    info_.has_control_net = params_.has_control_net;
    info_.upscale_factor = params_.upscale_factor;
    for (std::int32_t i = 0; i < params_.n_loras; ++i) {
      info_.loras.push_back({"lora-" + std::to_string(i) + ".safetensors", 1.0F});
    }
  }

  const ImageModelInfo &info() const override { return info_; }

  void check(const ImageRequest &request) const override { check_image_request(request, info_); }

  static std::uint8_t byte_at(const ImageRequest &request, std::int64_t seed, std::size_t at) {
    std::int64_t value = seed + static_cast<std::int64_t>(at);
    if (request.init != nullptr) {
      value += request.init->bytes[at];
    }
    for (const SharedPixels &other : request.others) {
      value += other->bytes[at];
    }
    if (request.mask != nullptr) {
      value += request.mask->bytes[at / 3];
    }
    for (const ImageLora &lora : request.loras) {
      value += static_cast<std::int64_t>(lora.scale * 100);
    }
    return static_cast<std::uint8_t>(value & 255);
  }

  std::optional<Pixels> generate(const ImageRequest &request, std::int64_t seed,
                                 ImageObserver &observer) override {
    if (observer.cancelled()) {
      return std::nullopt;
    }
    observer.began(request.steps);
    for (std::int32_t step = 1; step <= request.steps; ++step) {
      if (on_step) {
        on_step(request, step);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(params_.step_us));
      if (observer.cancelled()) {
        return std::nullopt;
      }
      if (step == 2 && request.prompt == params_.fails_on) {
        throw Error(ErrorCode::kInternal, "the computation failed");
      }
      if (step == 2 && request.prompt == params_.loses_on) {
        throw Error(ErrorCode::kDeviceLost, "the RPC server fake:1 was lost");
      }
      if (request.preview != Preview::kNone) {
        observer.previewed(image_of(request, seed + step, request.width / 8, request.height / 8));
      }
      observer.stepped(step, request.steps);
    }
    return image_of(request, seed, request.width * params_.upscale_factor,
                    request.height * params_.upscale_factor);
  }

  std::function<void(const ImageRequest &, std::int32_t)> on_step;

private:
  static Pixels image_of(const ImageRequest &request, std::int64_t seed, std::int32_t width,
                         std::int32_t height) {
    Pixels pixels{width, height, 3, {}};
    pixels.bytes.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
    const bool is_small = width < request.width || width > request.width;
    for (std::size_t at = 0; at < pixels.bytes.size(); ++at) {
      pixels.bytes[at] = is_small ? static_cast<std::uint8_t>(seed + static_cast<std::int64_t>(at))
                                  : byte_at(request, seed, at);
    }
    return pixels;
  }

  FakeImageParams params_;
  ImageModelInfo info_;
};

inline std::unique_ptr<ImageModel> load_fake_image_model(const FakeImageParams &params) {
  return std::make_unique<FakeImageModel>(params);
}

} // namespace llamabox
