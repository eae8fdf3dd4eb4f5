#include "llama/adapters.h"

#include "base/error.h"
#include "guard/gguf_adapter.h"
#include "llama/upstream_log.h"

#include <cstddef>

namespace llamabox {
namespace {

[[noreturn]] void refuse(const char *option, const std::string &sentence) {
  throw Error(ErrorCode::kLoadFailed, std::string(option) + ": " + sentence, option);
}

} // namespace

LoadedAdapters::LoadedAdapters(const LoadedModel &model, const std::string &model_path,
                               const AdapterParams &params) {
  for (const AdapterFile &file : params.loras) {
    check_lora(file.path, model_path);
    const LogCapture capture;
    loras_.emplace_back(llama_adapter_lora_init(model.get(), file.path.c_str()));
    if (!loras_.back()) {
      const std::string &reason = capture.first_error();
      refuse("lora", "cannot load '" + file.path +
                         "': " + (reason.empty() ? "llama.cpp gave no reason" : reason));
    }
  }
  if (!params.control_vectors.empty()) {
    load_control(model.get(), params);
  }
}

void LoadedAdapters::load_control(const llama_model *model, const AdapterParams &params) {
  const std::int32_t n_layers = llama_model_n_layer(model);
  n_embd_ = llama_model_n_embd(model);
  first_layer_ = params.control_first_layer;
  last_layer_ = params.control_last_layer < 0 ? n_layers - 1 : params.control_last_layer;
  if (first_layer_ < 1 || last_layer_ < first_layer_ || last_layer_ >= n_layers) {
    refuse("control-vector-layer-range", "the model has the layers 1 to " +
                                             std::to_string(n_layers - 1) +
                                             " for it, first one first");
  }
  for (const AdapterFile &file : params.control_vectors) {
    const std::vector<float> one = read_control_vector(file.path, n_embd_, n_layers);
    control_.resize(one.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      control_[i] += file.scale * one[i];
    }
  }
}

void LoadedAdapters::apply_control(llama_context *context) const {
  if (control_.empty()) {
    return;
  }
  if (llama_set_adapter_cvec(context, control_.data(), control_.size(), n_embd_, first_layer_,
                             last_layer_) != 0) {
    refuse("control-vector", "llama.cpp cannot apply it to this model");
  }
}

void LoadedAdapters::apply_loras(llama_context *context, std::span<const LoraScale> loras) const {
  std::vector<llama_adapter_lora *> adapters;
  std::vector<float> scales;
  for (const LoraScale &lora : loras) {
    adapters.push_back(loras_.at(static_cast<std::size_t>(lora.id)).get());
    scales.push_back(lora.scale);
  }
  llama_set_adapters_lora(context, adapters.data(), adapters.size(), scales.data());
}

} // namespace llamabox
