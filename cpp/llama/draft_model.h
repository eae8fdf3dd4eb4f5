// A draft model beside the one that is served: loaded like it, on devices of its own choice, with a
// context that seats the same sequences and computes with the same threads.
// Thread rule: built by the thread that loads; then as DraftProposer.
// ERRORS: Error(kLoadFailed), "model-draft", for a model with another vocabulary or with a memory
// that cannot take a tail back. Covered by tests/cpp/llama/draft_model_test.cpp.
#pragma once

#include "llama/adapters.h"
#include "llama/context.h"
#include "llama/model.h"
#include "llama/params.h"
#include "model/vocab.h"
#include "spec/proposer.h"

#include <cstdint>
#include <memory>
#include <string>

namespace llamabox {

// What differs between two vocabularies, or nothing.
std::string vocab_difference(const llama_vocab *target, const llama_vocab *draft);

// How a model beside the one that is served is loaded, and the context that it drafts in.
ModelParams draft_model_params(const LlamaParams &params);
ContextParams draft_context_params(const ContextParams &target, std::int32_t n_ctx);
ContextParams draft_context_params(const LoadedContext &target);

class LoadedDraft {
public:
  // REQUIRES: `target` outlives this.
  LoadedDraft(const LlamaParams &params, const LoadedModel &model, LoadedContext &target);

  // REQUIRES: this and the vocabulary outlive the proposer.
  std::unique_ptr<Proposer> make_proposer(const Vocab &vocab, float p_min);

  void warm_up() { context_.warm_up(model_); }

private:
  LoadedModel model_;
  LoadedAdapters adapters_; // none
  LoadedContext context_;
};

} // namespace llamabox
