// Runs the rows of a head: a small model, or a layer of the target's own file, that guesses the
// next token from a token and from the state that the target reached before it. Behind a draft the
// state is the head's own. With EAGLE-3 the target's states pass through the head's encoder first.
// Thread rule: engine thread, except limits().
// Guarantee: as in model/runner.h; a row whose state is not known is kFailed, and so is its batch.
// Covered by tests/cpp/llama/draft_head_test.cpp.
#pragma once

#include "llama/context.h"
#include "model/runner.h"
#include "spec/state_source.h"
#include "spec/state_store.h"

#include "llama.h"

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace llamabox {

enum class HeadKind : std::uint8_t { kEagle3, kOwnLayer };

// The target's states that a head reads; switches their output on.
class TargetStates final : public StateSource {
public:
  // `layers`: whose inputs they are; empty: the last layer's output. REQUIRES: `target` outlives
  // this, and its architecture gives these.
  TargetStates(llama_context *target, std::vector<std::int32_t> layers);

  std::size_t width() const override { return n_embd_ * std::max<std::size_t>(1, layers_.size()); }
  void read(std::int32_t first, std::int32_t n, std::vector<float> &into) override;

private:
  llama_context *target_;
  std::vector<std::int32_t> layers_;
  std::size_t n_embd_;
};

class HeadRunner final : public Runner {
public:
  // REQUIRES: `head` outlives the runner.
  HeadRunner(LoadedContext &head, HeadKind kind, std::shared_ptr<const StateStore> states);

  RunnerLimits limits() const override { return limits_; }
  void set_loras(std::span<const LoraScale> /*loras*/) override {}
  DecodeStatus decode(const Batch &batch) override;
  std::span<const float> logits(std::int32_t row) override;

private:
  struct FreeBatch {
    void operator()(llama_batch_ext *batch) const { llama_batch_ext_free(batch); }
  };
  // What the head itself reached, which a draft goes on from.
  struct Reached {
    Pos pos = -1;
    std::vector<float> state;
  };

  bool gather(const Batch &batch);
  bool encode(std::size_t begin, std::size_t end, const std::vector<float> &features);
  int run(const Batch &batch, bool with_logits);
  bool add(const Row &row, const float *state);
  void note_reached(const Batch &batch);
  void undo(const Batch &batch);
  float *state_of(std::size_t row) { return states_.data() + row * n_embd_; }

  LoadedContext &owner_;
  llama_context *context_;
  const HeadKind kind_;
  std::shared_ptr<const StateStore> kept_;
  RunnerLimits limits_;
  std::size_t n_embd_;
  std::unique_ptr<llama_batch_ext, FreeBatch> batch_;
  std::vector<float> states_; // of the rows of the batch in hand
  std::unordered_map<SeqId, Reached> reached_;
  std::vector<std::int32_t> output_of_row_; // -1: the row asked for no logits
};

} // namespace llamabox
