// What requests are refused for, and where the parts of a model go.
#include "image/image_check.h"

#include "base/error.h"
#include "image/image_placement.h"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace llamabox;

namespace {

ImageRequest good() {
  ImageRequest request;
  request.sampler = "euler";
  request.schedule = "default";
  request.width = 256;
  request.height = 320;
  return request;
}

ImageModelInfo unet() {
  ImageModelInfo info;
  info.family = "sd1";
  return info;
}

// The field that a request is refused for; "" when it is not.
std::string refused(const std::function<void(ImageRequest &)> &change,
                    const ImageModelInfo &info = unet()) {
  ImageRequest request = good();
  change(request);
  try {
    check_image_request(request, info);
  } catch (const Error &error) {
    return error.param();
  }
  return "";
}

SharedPixels picture(std::int32_t width, std::int32_t height, std::int32_t n_channels) {
  Pixels pixels{width, height, n_channels, {}};
  pixels.bytes.resize(static_cast<std::size_t>(width * height * n_channels));
  return std::make_shared<const Pixels>(std::move(pixels));
}

} // namespace

TEST_CASE("each field is refused by its name") {
  using R = ImageRequest;
  CHECK(refused([](R &) {}).empty());
  CHECK(refused([](R &r) { r.n = 0; }) == "n");
  CHECK(refused([](R &r) { r.width = 0; }) == "width");
  CHECK(refused([](R &r) { r.width = 100; }) == "width");
  CHECK(refused([](R &r) { r.height = 1 << 20; }) == "height");
  CHECK(refused([](R &r) { r.steps = 0; }) == "steps");
  CHECK(refused([](R &r) { r.steps = 151; }) == "steps");
  CHECK(refused([](R &r) { r.seed = -1; }) == "seed");
  CHECK(refused([](R &r) { r.sampler = "eule"; }) == "sampler");
  CHECK(refused([](R &r) { r.schedule = ""; }) == "schedule");
  CHECK(refused([](R &r) { r.cfg_scale = std::numeric_limits<float>::quiet_NaN(); }) ==
        "cfg_scale");
  CHECK(refused([](R &r) { r.guidance = -1; }) == "guidance");
  CHECK(refused([](R &r) { r.strength = 1.5F; }) == "strength");
  CHECK(refused([](R &r) { r.control_strength = 2; }) == "control_strength");
  CHECK(refused([](R &r) { r.skip_layers.layers = {-1}; }) == "slg_skip_layers");
  CHECK(refused([](R &r) { r.skip_layers.scale = 2; }) == "slg_scale");
  CHECK(refused([](R &r) { r.loras = {{0, 1.0F}}; }) == "lora");
}

TEST_CASE("schedules are refused where upstream would crash or divide by zero") {
  using R = ImageRequest;
  for (const char *schedule : {"gits", "karras", "exponential"}) {
    CAPTURE(schedule);
    CHECK(refused([&](R &r) {
            r.schedule = schedule;
            r.steps = 1;
          }) == "schedule");
    CHECK(refused([&](R &r) { r.schedule = schedule; }).empty());
  }
  ImageModelInfo info = unet();
  const auto ays = [](R &r) { r.schedule = "ays"; };
  CHECK(refused(ays, info).empty());
  info.family = "sdxl-inpaint";
  CHECK(refused(ays, info).empty());
  info.family = "sd2";
  CHECK(refused(ays, info) == "schedule");
  info.family = "flux";
  CHECK(refused(ays, info) == "schedule");
}

TEST_CASE("pictures have the size of the image, and what they need") {
  using R = ImageRequest;
  CHECK(refused([](R &r) { r.init = picture(256, 320, 3); }).empty());
  CHECK(refused([](R &r) { r.init = picture(320, 256, 3); }) == "image");
  CHECK(refused([](R &r) { r.init = picture(256, 320, 1); }) == "image");
  const auto two = [](R &r) {
    r.init = picture(256, 320, 3);
    r.others.push_back(picture(256, 320, 3));
  };
  ImageModelInfo follows = unet();
  follows.edits = true;
  CHECK(refused(two) == "image");
  CHECK(refused(two, follows) == "image");
  follows.is_dit = true;
  CHECK(refused(two, follows).empty());
  CHECK(refused([](R &r) { r.others.push_back(picture(320, 256, 3)); }, follows) == "image");
  CHECK(refused([](R &r) { r.mask = picture(256, 320, 1); }) == "mask");
  CHECK(refused([](R &r) {
          r.init = picture(256, 320, 3);
          r.mask = picture(256, 320, 3);
        }) == "mask");
  const auto masked = [](R &r) {
    r.init = picture(256, 320, 3);
    r.mask = picture(256, 320, 1);
  };
  CHECK(refused(masked).empty());
  CHECK(refused(masked, follows) == "mask");
  const auto hint = [](R &r) { r.control = picture(256, 320, 3); };
  CHECK(refused(hint) == "control");
  ImageModelInfo info = unet();
  info.has_control_net = true;
  CHECK(refused(hint, info).empty());
}

TEST_CASE("parts go to the devices in use, in their order") {
  const std::vector<std::string> devices{"RPC0", "GPU0", "GPU1", "GPU2"};
  const auto parts = [&](const std::vector<float> &split) {
    const ImagePlacement at = place_image_parts(devices, split);
    return at.text_encoder + " " + at.vae + " " + at.diffusion + " " + at.control_net + " " +
           at.upscaler;
  };
  // The two examples of the specification.
  CHECK(parts({1, 1, 1}) == "RPC0 GPU0 GPU1 RPC0 RPC0");
  CHECK(parts({0, 0, 1, 1}) == "GPU1 GPU1 GPU2 GPU1 GPU1");
  CHECK(parts({0, 5}) == "GPU0 GPU0 GPU0 GPU0 GPU0");
  CHECK(parts({}) == "RPC0 GPU0 GPU1 RPC0 RPC0");
  CHECK(parts({0, 0}) == "RPC0 GPU0 GPU1 RPC0 RPC0");
  CHECK(place_image_parts({}, {}).diffusion.empty());
  CHECK(place_image_parts({"GPU0"}, {1, 0, 0}).vae == "GPU0");
  CHECK_THROWS_AS(place_image_parts({"GPU0"}, {0, 1}), Error);
}
