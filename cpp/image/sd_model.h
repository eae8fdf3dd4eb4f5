// An image model on stable-diffusion.cpp: loads it, and makes one image at a time.
// Thread rule: load on any thread; generate on the worker thread only. Upstream's callbacks are
// global, so there is one such model in a process.
// Guarantee: files pass their header checks before upstream reads them; a size that there is no
// memory for is refused before anything is computed; a cancelled or failed image leaves the model
// as it was. Covered by tests/py/api/test_real_images.py, test_image_model.py and _memory.py.
#pragma once

#include "image/image_model.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace llamabox {

// Empty paths: not given.
struct ImageFiles {
  std::string model; // a whole checkpoint or a bare diffusion model
  std::string clip_l;
  std::string clip_g;
  std::string t5xxl;
  std::string llm; // a language model as text encoder
  std::string vae;
  std::string taesd; // decodes instead of the VAE
  std::string control_net;
  std::string upscaler;
};

// Which devices compute; those of a list take the parts as image_placement.h says.
struct ImageDevices {
  bool use_gpus = true;             // false: everything on the CPU
  std::vector<std::string> devices; // names; empty: RPC servers first, then GPUs
  std::vector<float> tensor_split;
  bool text_encoder_on_host = false;
  bool vae_on_host = false;
  bool control_net_on_host = false;
};

struct ImageModelParams {
  ImageFiles files;
  ImageDevices placement;
  std::vector<ImageLoraInfo> loras;
  std::int32_t n_threads = 0; // 0: one per physical core
  std::int32_t upscale_repeats = 1;
  bool vae_tiling = false; // decode in tiles, for less memory
  bool flash_attn = false;
  bool use_mmap = true;
  bool warmup = true; // one step before the first request
  // Of this machine's memory, for the model and its images; 0: not known. An image that needs more
  // at once than the model leaves is refused.
  std::uint64_t n_memory_bytes = 0;
};

// `check_devices` throws where a device has been lost; the threads that load and that compute call
// it. ERRORS: Error(kLoadFailed), Error(kInvalidArgument) with one sentence for the user, and
// what `check_devices` throws.
std::unique_ptr<ImageModel> load_sd_model(const ImageModelParams &params,
                                          std::function<void()> check_devices);

} // namespace llamabox
