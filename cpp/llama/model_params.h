// The parameters of a model as llama.cpp takes them, with the storage its pointers need.
// Thread rule: plain value; it may be freed once the model is loaded.
// ERRORS: Error(kLoadFailed) names the option. Covered by model_options_test.
#pragma once

#include "llama/params.h"

#include "llama.h"

#include <vector>

namespace llamabox {

// What layers are offloaded to, in the order of --device, else in that of the registry. None with 0
// layers, so that no memory of a device is touched, unless an option places tensors there.
// REQUIRES: init_backends(). ERRORS: Error(kLoadFailed) for a name that is none.
std::vector<ggml_backend_dev_t> used_devices(const ModelParams &params);

// Where a projector runs: the main GPU among the devices used; null is the CPU.
ggml_backend_dev_t projector_device(const ModelParams &params);

class UpstreamModelParams {
public:
  // REQUIRES: init_backends(), and that `params` outlives this.
  explicit UpstreamModelParams(const ModelParams &params);
  UpstreamModelParams(const UpstreamModelParams &) = delete;
  UpstreamModelParams &operator=(const UpstreamModelParams &) = delete;

  const llama_model_params &get() const { return upstream_; }

private:
  void take_devices(const ModelParams &params);
  void take_split(const ModelParams &params);
  void take_placements(const ModelParams &params);
  void take_overrides(const ModelParams &params);

  llama_model_params upstream_;
  std::vector<ggml_backend_dev_t> devices_;                  // ends with null
  std::vector<float> tensor_split_;                          // one for each possible device
  std::vector<llama_model_tensor_buft_override> placements_; // ends with null
  std::vector<llama_model_kv_override> overrides_;           // ends with an empty key
};

} // namespace llamabox
