// A llama.cpp context that encodes texts with one way of pooling. Texts of a pass are sequences of
// its own memory, or of none where the model keeps none.
// Thread rule: built by one thread, then used by the engine thread only.
// ERRORS: Error(kLoadFailed) names the option. Covered by text_encoder_test.
#pragma once

#include "llama/adapters.h"
#include "llama/context.h"
#include "llama/encoder_facts.h"
#include "llama/model.h"
#include "llama/params.h"
#include "model/text_encoder.h"

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace llamabox {

// What its context will be able to do, without making it.
EncodeLimits encoder_limits(const LoadedModel &model, const LlamaParams &params, Pooling pooling);

class EncoderContext {
public:
  EncoderContext(const LoadedModel &model, const LlamaParams &params, Pooling pooling);

  llama_context *get() const { return context_.get(); }
  const EncodeLimits &limits() const { return limits_; }
  std::uint64_t n_bytes() const; // of memory and buffers, without the weights

  // As TextEncoder's; the compute threads are those of the caller.
  bool encode(std::span<const EncodePiece> pieces);
  std::span<const float> output(std::size_t piece);
  void forget(SeqId seq);

  void warm_up();

private:
  struct FreeBatch {
    void operator()(llama_batch_ext *batch) const { llama_batch_ext_free(batch); }
  };

  void create(const LoadedModel &model, const LlamaParams &params);
  bool fill(std::span<const EncodePiece> pieces);

  Pooling pooling_;
  EncodeLimits limits_;
  std::unique_ptr<llama_context, FreeContext> context_;
  std::unique_ptr<llama_batch_ext, FreeBatch> batch_;
  struct Placed {
    SeqId seq;
    std::int32_t first_row;
    std::int32_t n_rows;
  };
  std::vector<Placed> placed_; // of the last pass
};

} // namespace llamabox
