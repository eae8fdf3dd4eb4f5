// The adapters of a loaded model: LoRAs, which a step switches, and control vectors, which stay.
// Thread rule: built by the thread that loads; apply_loras by the engine thread only.
// ERRORS: Error(kLoadFailed) names the option and the file; every file passes our own check before
// llama.cpp sees it. Covered by adapters_test.
#pragma once

#include "llama/model.h"
#include "llama/params.h"
#include "model/lora.h"

#include "llama.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace llamabox {

class LoadedAdapters {
public:
  // REQUIRES: the model outlives this.
  LoadedAdapters(const LoadedModel &model, const std::string &model_path,
                 const AdapterParams &params);

  // Adds the control vectors to every computation of the context from here on.
  void apply_control(llama_context *context) const;

  // Exactly these LoRAs count from here on. REQUIRES: ids below the number of files.
  void apply_loras(llama_context *context, std::span<const LoraScale> loras) const;

private:
  struct FreeLora {
    void operator()(llama_adapter_lora *lora) const { llama_adapter_lora_free(lora); }
  };

  void load_control(const llama_model *model, const AdapterParams &params);

  std::vector<std::unique_ptr<llama_adapter_lora, FreeLora>> loras_;
  std::vector<float> control_; // n_embd numbers for each layer from 1; empty: none
  std::int32_t n_embd_ = 0;
  std::int32_t first_layer_ = 0;
  std::int32_t last_layer_ = 0;
};

} // namespace llamabox
