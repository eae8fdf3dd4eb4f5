// A llama.cpp context for text generation, with its compute threads.
// Thread rule: built by one thread, then used by the engine thread only.
// ERRORS: Error(kLoadFailed) names the option. Covered by load_test.
#pragma once

#include "llama/model.h"
#include "llama/params.h"
#include "llama/row_positions.h"
#include "llama/threadpool.h"

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace llamabox {

struct FreeContext {
  void operator()(llama_context *context) const { llama_free(context); }
};

// Refuses models that need a second pass for each text or token. Whether the rest generates text
// or only encodes it is not judged here. ERRORS: Error(kLoadFailed).
void check_model_kind(const llama_model *model);

// Numbers in place of "automatic".
void resolve_threads(ContextParams &params);

enum class ContextKind : std::uint8_t { kText, kOwnHead, kEagle3 };

// What a context is of a model for: its texts, or guesses about another context's.
struct ContextRole {
  ContextKind kind = ContextKind::kText;
  llama_context *target = nullptr; // of a head; outlives it
};

class LoadedContext {
public:
  LoadedContext(const LoadedModel &model, const ContextParams &params,
                const ContextRole &role = {});

  llama_context *get() const { return context_.get(); }
  const ContextParams &params() const { return params_; }
  // Rows of one decode call that may ask for logits.
  std::int32_t n_outputs_max() const { return n_outputs_max_; }

  // Before each step, by the thread that runs it; the first call starts the compute threads.
  void before_step(std::size_t n_rows);

  // The compute threads sleep until the next step, so that somebody else has the cores. Any thread,
  // between two steps.
  void rest() const;

  // Rows of sequences whose positions do not count them, see RowPositions.
  RowPositions &row_positions() { return row_positions_; }
  const RowPositions &row_positions() const { return row_positions_; }

  // Whether one decode call takes tokens and embeddings; finds out by trying, which leaves the
  // memory empty.
  bool mixes_embeddings(const LoadedModel &model);

  // The compute threads, which other contexts of that thread can be attached to. Likewise.
  Threadpools &threads();

  // Computes with the threads of another context, which outlives this one.
  void share_threads(LoadedContext &lender) { lender_ = &lender; }

  // Runs two tokens, so that weights are in memory before the first request; leaves the memory
  // empty. The threads it uses are ended again: those of the steps belong to the engine's thread.
  void warm_up(const LoadedModel &model);

private:
  ContextParams params_;
  std::int32_t n_outputs_max_ = 0;
  RowPositions row_positions_;
  LoadedContext *lender_ = nullptr;      // null: has threads of its own
  bool is_attached_ = false;             // to the lender's
  std::unique_ptr<Threadpools> threads_; // declared first: freed after the context
  std::unique_ptr<llama_context, FreeContext> context_;
};

} // namespace llamabox
