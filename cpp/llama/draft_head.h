// A head that drafts for the model that is served: an EAGLE-3 model in a file of its own, or the
// layer for the next token but one (multi-token prediction) that a model's own file may carry.
// Thread rule: built by the thread that loads; then as DraftProposer.
// ERRORS: Error(kLoadFailed), "model-draft", for a head that was made for another model and for
// models that give no states. Covered by tests/cpp/llama/draft_head_test.cpp.
#pragma once

#include "llama/adapters.h"
#include "llama/context.h"
#include "llama/head_runner.h"
#include "llama/model.h"
#include "llama/params.h"
#include "model/vocab.h"
#include "spec/proposer.h"

#include <memory>

namespace llamabox {

// Whether the draft model that was asked for is the model itself, whose own layer is meant then.
bool wants_own_head(const LlamaParams &params);

// Whether the file of the draft model is a head on another model.
bool is_head_file(const std::string &path);

class LoadedHead {
public:
  // REQUIRES: `target` outlives this; where the head is its own, it was loaded with it.
  LoadedHead(const LlamaParams &params, const LoadedModel &model, LoadedContext &target);

  // REQUIRES: this and the vocabulary outlive the proposer.
  std::unique_ptr<Proposer> make_proposer(const Vocab &vocab, float p_min);

private:
  void check_vocab(const LoadedModel &model) const;

  const std::string path_;
  LoadedContext &target_;
  std::unique_ptr<LoadedModel> file_; // none: the head is in the target's
  std::unique_ptr<LoadedContext> context_;
};

} // namespace llamabox
