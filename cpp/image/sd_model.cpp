#include "image/sd_model.h"

#include "base/error.h"
#include "image/ggml_hooks.h"
#include "image/held_file.h"
#include "image/image_check.h"
#include "image/image_placement.h"
#include "image/image_shape.h"
#include "image/sd_files.h"
#include "image/sd_request.h"

#include "ggml.h"
#include "stable-diffusion.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace llamabox {
namespace {

// The last thing that upstream called an error, as the reason of a load that failed.
std::string &last_error() {
  static std::string text;
  return text;
}

ggml_log_level level_of(sd_log_level_t level) {
  switch (level) {
  case SD_LOG_ERROR:
    return GGML_LOG_LEVEL_ERROR;
  case SD_LOG_WARN:
    return GGML_LOG_LEVEL_WARN;
  case SD_LOG_INFO:
    return GGML_LOG_LEVEL_INFO;
  default:
    return GGML_LOG_LEVEL_DEBUG;
  }
}

// Its lines go where ggml's go.
void on_log(sd_log_level_t level, const char *text, void * /*data*/) {
  if (level == SD_LOG_ERROR) {
    last_error() = text;
    while (!last_error().empty() && last_error().back() == '\n') {
      last_error().pop_back();
    }
  }
  ggml_log_callback callback = nullptr;
  void *data = nullptr;
  ggml_log_get(&callback, &data);
  if (callback != nullptr) {
    callback(level_of(level), text, data);
  }
}

void on_progress(int step, int n_steps, float /*seconds*/, void *data) {
  auto *const observer = static_cast<ImageObserver *>(data);
  // Reading a file, also an adapter's before an image is computed, tells its tensors as steps.
  if (observer == nullptr || !computing_has_begun()) {
    return;
  }
  if (step == 0) {
    observer->began(n_steps);
  } else {
    observer->stepped(step, n_steps);
  }
}

Pixels pixels_of(const sd_image_t &image) {
  Pixels pixels{static_cast<std::int32_t>(image.width),
                static_cast<std::int32_t>(image.height),
                static_cast<std::int32_t>(image.channel),
                {}};
  const std::size_t n_bytes = std::size_t{image.width} * image.height * image.channel;
  pixels.bytes.assign(image.data, image.data + n_bytes);
  return pixels;
}

void on_preview(int /*step*/, int n_frames, sd_image_t *frames, bool /*is_noisy*/, void *data) {
  if (n_frames > 0 && frames != nullptr) {
    static_cast<ImageObserver *>(data)->previewed(pixels_of(*frames));
  }
}

// Upstream's callbacks while one image is made.
class Callbacks {
public:
  Callbacks(ImageObserver &observer, Preview preview) {
    sd_set_progress_callback(on_progress, &observer);
    if (preview != Preview::kNone) {
      sd_set_preview_callback(on_preview, preview == Preview::kFast ? PREVIEW_PROJ : PREVIEW_VAE, 1,
                              true, false, &observer);
    }
  }
  ~Callbacks() {
    sd_set_progress_callback(on_progress, nullptr);
    sd_set_preview_callback(nullptr, PREVIEW_NONE, 1, false, false, nullptr);
  }
  Callbacks(const Callbacks &) = delete;
  Callbacks &operator=(const Callbacks &) = delete;
};

struct FreeSd {
  void operator()(sd_ctx_t *context) const { free_sd_ctx(context); }
  void operator()(upscaler_ctx_t *context) const { free_upscaler_ctx(context); }
  void operator()(void *memory) const { std::free(memory); }
};

using SdBytes = std::unique_ptr<std::uint8_t, FreeSd>;

struct NoObserver final : ImageObserver {
  bool cancelled() const override { return false; }
  void began(std::int32_t /*n_steps*/) override {}
  void stepped(std::int32_t /*step*/, std::int32_t /*n_steps*/) override {}
  void previewed(Pixels /*pixels*/) override {}
};

class SdModel final : public ImageModel {
public:
  SdModel(const ImageModelParams &params, const CheckedFiles &checked)
      : n_upscales_(params.files.upscaler.empty() ? 0 : params.upscale_repeats),
        choices_{params.vae_tiling, checked.family.edits} {
    info_.family = checked.family.name;
    info_.is_dit = checked.family.is_dit;
    info_.inpaints = checked.family.inpaints;
    info_.edits = checked.family.edits;
    info_.has_control_net = !params.files.control_net.empty();
    info_.size_bytes = checked.n_bytes;
    info_.loras = params.loras;
    for (const ImageLoraInfo &lora : params.loras) {
      adapters_.emplace_back(lora.path);
    }
    load(params, checked.is_bare);
    if (params.warmup) {
      warm_up();
    }
  }

  const ImageModelInfo &info() const override { return info_; }
  void check(const ImageRequest &request) const override { check_image_request(request, info_); }

  std::optional<Pixels> generate(const ImageRequest &request, std::int64_t seed,
                                 ImageObserver &observer) override {
    const CancelScope scope([&observer] { return observer.cancelled(); });
    try {
      stop_if_cancelled();
      require_room(request);
      const Callbacks callbacks(observer, request.preview);
      SdRequest asked(request, adapters_, choices_);
      return upscaled(made(asked.params(seed)));
    } catch (const Cancelled &) {
      return std::nullopt;
    }
  }

private:
  void load(const ImageModelParams &params, bool is_bare);
  void load_upscaler(const ImageModelParams &params, const std::string &device);
  void warm_up();
  void require_room(const ImageRequest &request);
  Pixels made(const sd_img_gen_params_t *params) const;
  Pixels upscaled(Pixels pixels) const;

  ImageModelInfo info_;
  std::int32_t n_upscales_;
  SdRequest::Choices choices_;
  std::vector<HeldFile> adapters_;
  std::set<ImageShape> with_room_; // those whose stages have had their memory once
  std::unique_ptr<sd_ctx_t, FreeSd> context_;
  std::unique_ptr<upscaler_ctx_t, FreeSd> upscaler_;
};

std::string reason() { return last_error().empty() ? "upstream does not say why" : last_error(); }

void SdModel::load(const ImageModelParams &params, bool is_bare) {
  const ImageDevices &wanted = params.placement;
  ImagePlacement at;
  if (wanted.use_gpus) {
    at = place_image_parts(wanted.devices.empty() ? gpu_names() : wanted.devices,
                           wanted.tensor_split);
  }
  const auto on_host = [](bool wanted_on_host, const std::string &device) {
    return wanted_on_host ? std::string() : device;
  };
  at.text_encoder = on_host(wanted.text_encoder_on_host, at.text_encoder);
  at.vae = on_host(wanted.vae_on_host, at.vae);
  at.control_net = on_host(wanted.control_net_on_host, at.control_net);
  set_image_devices({at.diffusion, at.text_encoder, at.vae, at.control_net});

  const ImageFiles &files = params.files;
  sd_ctx_params_t context{};
  sd_ctx_params_init(&context);
  (is_bare ? context.diffusion_model_path : context.model_path) = files.model.c_str();
  context.clip_l_path = files.clip_l.c_str();
  context.clip_g_path = files.clip_g.c_str();
  context.t5xxl_path = files.t5xxl.c_str();
  context.llm_path = files.llm.c_str();
  context.vae_path = files.vae.c_str();
  context.taesd_path = files.taesd.c_str();
  context.control_net_path = files.control_net.c_str();
  context.vae_decode_only = false;
  context.free_params_immediately = false;
  context.n_threads = params.n_threads > 0 ? params.n_threads : sd_get_num_physical_cores();
  context.lora_apply_mode = LORA_APPLY_AT_RUNTIME;
  context.enable_mmap = params.use_mmap;
  context.diffusion_flash_attn = params.flash_attn;
  // Each of these means "not where the diffusion model is"; the device is ours to say.
  context.keep_clip_on_cpu = at.text_encoder != at.diffusion;
  context.keep_vae_on_cpu = at.vae != at.diffusion;
  context.keep_control_net_on_cpu = at.control_net != at.diffusion;
  context_.reset(new_sd_ctx(&context));
  check_devices();
  if (context_ == nullptr) {
    throw Error(ErrorCode::kLoadFailed,
                "cannot load model file '" + files.model + "': " + reason());
  }
  load_upscaler(params, at.upscaler);
}

void SdModel::load_upscaler(const ImageModelParams &params, const std::string &device) {
  constexpr int kTileSize = 128;
  const std::string &path = params.files.upscaler;
  if (path.empty()) {
    return;
  }
  set_image_devices({device});
  const int n_threads = params.n_threads > 0 ? params.n_threads : sd_get_num_physical_cores();
  upscaler_.reset(new_upscaler_ctx(path.c_str(), false, false, n_threads, kTileSize));
  check_devices();
  if (upscaler_ == nullptr) {
    throw Error(ErrorCode::kLoadFailed, "cannot load model file '" + path + "': " + reason());
  }
  for (std::int32_t i = 0; i < n_upscales_; ++i) {
    info_.upscale_factor *= get_upscale_factor(upscaler_.get());
  }
}

void SdModel::warm_up() {
  constexpr std::int32_t kSide = 256;
  ImageRequest request;
  request.width = kSide;
  request.height = kSide;
  request.steps = 1;
  request.sampler = "euler";
  request.schedule = "default";
  NoObserver nobody;
  generate(request, 0, nobody);
}

// Before anything is computed: the decoder comes last and takes most, and an image that has no room
// for it should not be refused after all its steps.
void SdModel::require_room(const ImageRequest &request) {
  constexpr std::size_t kMaxKept = 1024;
  const ImageShape shape = shape_of(request);
  if (with_room_.contains(shape)) {
    return;
  }
  ImageRequest rehearsed = request;
  rehearsed.steps = 1;
  rehearsed.sampler = "euler";
  rehearsed.schedule = "default";
  rehearsed.strength = 1; // less would leave out the only step
  rehearsed.control_canny = false;
  SdRequest asked(rehearsed, adapters_, choices_);
  try {
    const RehearsalScope rehearsal;
    made(asked.params(0));
  } catch (const std::bad_alloc &) {
    throw Error(ErrorCode::kInvalidArgument, "size needs more memory than there is", "size");
  }
  if (with_room_.size() == kMaxKept) {
    with_room_.clear();
  }
  with_room_.insert(shape);
}

Pixels SdModel::made(const sd_img_gen_params_t *params) const {
  last_error().clear();
  const std::unique_ptr<sd_image_t, FreeSd> images(generate_image(context_.get(), params));
  check_devices();
  if (images == nullptr) {
    throw Error(ErrorCode::kInternal, "the image failed: " + reason());
  }
  const SdBytes bytes(images->data);
  return pixels_of(*images);
}

Pixels SdModel::upscaled(Pixels pixels) const {
  for (std::int32_t i = 0; i < n_upscales_; ++i) {
    const sd_image_t input{static_cast<std::uint32_t>(pixels.width),
                           static_cast<std::uint32_t>(pixels.height),
                           static_cast<std::uint32_t>(pixels.n_channels), pixels.bytes.data()};
    const sd_image_t output = upscale(upscaler_.get(), input, 0);
    const SdBytes bytes(output.data);
    check_devices();
    if (bytes == nullptr) {
      throw Error(ErrorCode::kInternal, "the upscaler failed: " + reason());
    }
    pixels = pixels_of(output);
  }
  return pixels;
}

} // namespace

std::unique_ptr<ImageModel> load_sd_model(const ImageModelParams &params,
                                          std::function<void()> check_devices) {
  const CheckedFiles checked = check_image_files(params);
  const std::uint64_t n_used = std::min(params.n_memory_bytes, checked.n_bytes);
  set_compute_limit(static_cast<std::size_t>(params.n_memory_bytes - n_used));
  set_device_check(std::move(check_devices));
  sd_set_log_callback(on_log, nullptr);
  sd_set_progress_callback(on_progress, nullptr);
  last_error().clear();
  try {
    return std::make_unique<SdModel>(params, checked);
  } catch (const Error &) {
    throw;
  } catch (const std::exception &error) {
    throw Error(ErrorCode::kLoadFailed,
                "cannot load model file '" + params.files.model + "': " + error.what());
  }
}

} // namespace llamabox
