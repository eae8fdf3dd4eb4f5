// A llama.cpp context for text generation, with its compute threads: every value that upstream
// would assert on or quietly change is refused here by name.
// Thread rule: built by one thread, then used by the engine thread only.
// ERRORS: Error(kLoadFailed) names the option. Covered by load_test.
#pragma once

#include "llama/model.h"
#include "llama/params.h"
#include "llama/threadpool.h"

#include "llama.h"

#include <memory>

namespace llamabox {

struct FreeContext {
  void operator()(llama_context *context) const { llama_free(context); }
};

class LoadedContext {
public:
  LoadedContext(const LoadedModel &model, const ContextParams &params);

  llama_context *get() const { return context_.get(); }
  const ContextParams &params() const { return params_; }
  // Rows of one decode call that may ask for logits.
  std::int32_t n_outputs_max() const { return n_outputs_max_; }

  // Runs two tokens, so that weights are in memory and the compute threads awake before the first
  // request; leaves the memory empty.
  void warm_up(const LoadedModel &model);

private:
  ContextParams params_;
  std::int32_t n_outputs_max_ = 0;
  std::unique_ptr<Threadpools> threads_; // declared first: freed after the context
  std::unique_ptr<llama_context, FreeContext> context_;
};

} // namespace llamabox
