// A loaded model file: checked, mapped, and freed with the object.
// Thread rule: built by one thread; afterwards const and shared.
// ERRORS: Error(kLoadFailed) names the file and says what is wrong with it.
// Covered by load_test.
#pragma once

#include "engine/models.h"
#include "llama/params.h"

#include "llama.h"

#include <memory>

namespace llamabox {

struct FreeModel {
  void operator()(llama_model *model) const { llama_model_free(model); }
};

class LoadedModel {
public:
  explicit LoadedModel(const ModelParams &params);

  llama_model *get() const { return model_.get(); }
  const llama_vocab *vocab() const { return llama_model_get_vocab(model_.get()); }
  // Facts of the file; has_chat_template is left to the template's owner.
  ModelInfo info() const;

private:
  std::unique_ptr<llama_model, FreeModel> model_;
};

} // namespace llamabox
