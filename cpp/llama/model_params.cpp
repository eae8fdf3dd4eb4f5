#include "llama/model_params.h"

#include "base/error.h"
#include "guard/gguf_file.h"
#include "llama/device.h"

#include "ggml-backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <regex>
#include <string>

namespace llamabox {
namespace {

[[noreturn]] void refuse(const char *option, const std::string &sentence) {
  throw Error(ErrorCode::kLoadFailed, std::string(option) + ": " + sentence, option);
}

llama_load_mode load_mode(const ModelParams &params) {
  if (params.use_mmap) {
    return params.use_mlock ? LLAMA_LOAD_MODE_MMAP_MLOCK : LLAMA_LOAD_MODE_MMAP;
  }
  return params.use_mlock ? LLAMA_LOAD_MODE_MLOCK : LLAMA_LOAD_MODE_NONE;
}

llama_split_mode split_mode(SplitMode mode) {
  switch (mode) {
  case SplitMode::kNone:
    return LLAMA_SPLIT_MODE_NONE;
  case SplitMode::kRow:
    return LLAMA_SPLIT_MODE_ROW;
  case SplitMode::kTensor:
    return LLAMA_SPLIT_MODE_TENSOR;
  case SplitMode::kLayer:
    break;
  }
  return LLAMA_SPLIT_MODE_LAYER;
}

bool is_gpu(ggml_backend_dev_t dev) {
  const auto type = ggml_backend_dev_type(dev);
  return type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU;
}

ggml_backend_dev_t find_gpu(const std::string &name) {
  std::string names;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t dev = ggml_backend_dev_get(i);
    if (is_gpu(dev)) {
      if (name == ggml_backend_dev_name(dev)) {
        return dev;
      }
      names += std::string(names.empty() ? "" : ", ") + ggml_backend_dev_name(dev);
    }
  }
  refuse("device", quote_name(name) + " is none of the devices layers can be offloaded to (" +
                       (names.empty() ? "this machine has none" : names) + ")");
}

std::vector<ggml_backend_dev_t> named_gpus(const std::vector<std::string> &names) {
  std::vector<ggml_backend_dev_t> found;
  found.reserve(names.size());
  for (const std::string &name : names) {
    found.push_back(find_gpu(name));
  }
  return found;
}

std::vector<ggml_backend_dev_t> all_gpus() {
  std::vector<ggml_backend_dev_t> found;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    if (is_gpu(ggml_backend_dev_get(i))) {
      found.push_back(ggml_backend_dev_get(i));
    }
  }
  return found;
}

bool offloads_nothing(const ModelParams &params) {
  return params.n_gpu_layers == 0 && params.placements.empty();
}

bool has_split_buffers(ggml_backend_dev_t dev) {
  ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(dev);
  return ggml_backend_reg_get_proc_address(reg, "ggml_backend_split_buffer_type") != nullptr;
}

// Upstream would throw in the middle of a load, or share nothing without a word.
void check_split_mode(SplitMode mode, const std::vector<ggml_backend_dev_t> &used) {
  const bool shares_tensors = mode == SplitMode::kRow || mode == SplitMode::kTensor;
  if (shares_tensors && used.empty()) {
    refuse("split-mode", "the device CPU is the only one, and cannot share tensors with others; "
                         "use layer");
  }
  if (mode != SplitMode::kRow) {
    return;
  }
  for (ggml_backend_dev_t dev : used) {
    if (!has_split_buffers(dev)) {
      refuse("split-mode", std::string("row: the device ") + ggml_backend_dev_name(dev) +
                               " has no split buffers; use layer or tensor");
    }
  }
}

ggml_backend_buffer_type_t find_buffer_type(const std::string &name) {
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t dev = ggml_backend_dev_get(i);
    for (ggml_backend_buffer_type_t type :
         {ggml_backend_dev_buffer_type(dev), ggml_backend_dev_host_buffer_type(dev)}) {
      if (type != nullptr && name == ggml_backend_buft_name(type)) {
        return type;
      }
    }
  }
  std::string names;
  for (const std::string &known : list_buffer_types()) {
    names += (names.empty() ? "" : ", ") + known;
  }
  refuse("override-tensor", quote_name(name) + " is none of the buffer types " + names);
}

void check_pattern(const std::string &pattern) {
  try {
    static_cast<void>(std::regex(pattern));
  } catch (const std::regex_error &) {
    refuse("override-tensor", quote_name(pattern) + " is no regular expression");
  }
}

struct ValueWriter {
  llama_model_kv_override &out;

  void operator()(bool value) const {
    out.tag = LLAMA_KV_OVERRIDE_TYPE_BOOL;
    out.val_bool = value;
  }
  void operator()(std::int64_t value) const {
    out.tag = LLAMA_KV_OVERRIDE_TYPE_INT;
    out.val_i64 = value;
  }
  void operator()(double value) const {
    out.tag = LLAMA_KV_OVERRIDE_TYPE_FLOAT;
    out.val_f64 = value;
  }
  void operator()(const std::string &value) const {
    out.tag = LLAMA_KV_OVERRIDE_TYPE_STR;
    std::memcpy(out.val_str, value.c_str(), std::min(value.size() + 1, sizeof(out.val_str)));
  }
};

} // namespace

std::vector<ggml_backend_dev_t> used_devices(const ModelParams &params) {
  std::vector<ggml_backend_dev_t> used = params.devices ? named_gpus(*params.devices) : all_gpus();
  if (offloads_nothing(params)) {
    used.clear();
  }
  return used;
}

ggml_backend_dev_t projector_device(const ModelParams &params) {
  if (params.n_gpu_layers == 0) {
    return nullptr;
  }
  const std::vector<ggml_backend_dev_t> used = used_devices(params);
  const auto main_gpu = static_cast<std::size_t>(params.main_gpu);
  return main_gpu < used.size() ? used[main_gpu] : nullptr;
}

UpstreamModelParams::UpstreamModelParams(const ModelParams &params)
    : upstream_(llama_model_default_params()) {
  upstream_.n_gpu_layers = params.n_gpu_layers;
  upstream_.load_mode = load_mode(params);
  upstream_.load_mtp = params.load_own_head;
  // The default prints dots.
  upstream_.progress_callback = [](float, void *) { return true; };
  take_devices(params);
  take_split(params);
  take_placements(params);
  take_overrides(params);
}

void UpstreamModelParams::take_devices(const ModelParams &params) {
  if (!params.devices && !offloads_nothing(params)) {
    return;
  }
  devices_ = used_devices(params);
  devices_.push_back(nullptr);
  upstream_.devices = devices_.data();
}

void UpstreamModelParams::take_split(const ModelParams &params) {
  upstream_.split_mode = split_mode(params.split_mode);
  upstream_.main_gpu = params.main_gpu;
  const std::vector<ggml_backend_dev_t> used = used_devices(params);
  const std::size_t n_gpus = used.size();
  check_split_mode(params.split_mode, used);
  if (params.main_gpu < 0 || (n_gpus > 0 && static_cast<std::size_t>(params.main_gpu) >= n_gpus)) {
    refuse("main-gpu", std::to_string(params.main_gpu) + " is not among the " +
                           std::to_string(n_gpus) + " devices used");
  }
  if (params.tensor_split.empty()) {
    return;
  }
  if (params.tensor_split.size() > llama_max_devices()) {
    refuse("tensor-split", "has " + std::to_string(params.tensor_split.size()) +
                               " shares; at most " + std::to_string(llama_max_devices()) +
                               " devices can be used");
  }
  const auto is_share = [](float share) { return std::isfinite(share) && share >= 0; };
  if (!std::ranges::all_of(params.tensor_split, is_share)) {
    refuse("tensor-split", "a share is not a finite number of at least 0");
  }
  tensor_split_ = params.tensor_split;
  tensor_split_.resize(llama_max_devices(), 0.0F);
  upstream_.tensor_split = tensor_split_.data();
}

void UpstreamModelParams::take_placements(const ModelParams &params) {
  if (params.placements.empty()) {
    return;
  }
  for (const TensorPlacement &placement : params.placements) {
    check_pattern(placement.pattern);
    placements_.push_back({placement.pattern.c_str(), find_buffer_type(placement.buffer_type)});
  }
  placements_.push_back({nullptr, nullptr});
  upstream_.tensor_buft_overrides = placements_.data();
}

void UpstreamModelParams::take_overrides(const ModelParams &params) {
  if (params.overrides.empty()) {
    return;
  }
  for (const GgufOverride &override : params.overrides) {
    llama_model_kv_override upstream{};
    // check_gguf() has refused longer ones.
    const std::size_t n = std::min(override.key.size(), sizeof(upstream.key) - 1);
    std::memcpy(upstream.key, override.key.c_str(), n);
    std::visit(ValueWriter{upstream}, override.value);
    overrides_.push_back(upstream);
  }
  overrides_.push_back({});
  upstream_.kv_overrides = overrides_.data();
}

} // namespace llamabox
