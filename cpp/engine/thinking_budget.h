// Ends a thinking block after a number of tokens: a sampler around another one that, once the
// budget is spent, chooses the tokens of the end mark instead of asking. The answer then goes on.
// Thread rule: one thread at a time, as any sampler.
// Guarantee: a block that begins the answer, or was begun by the prompt, has at most the budget's
// tokens, and up to three more where the last one was within a character; of marks only an end
// mark's tokens before its last one count. Covered by thinking_budget_test.
#pragma once

#include "model/prompt_encoder.h"
#include "model/sampler.h"
#include "model/vocab.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace llamabox {

class BudgetedSampler final : public Sampler {
public:
  // REQUIRES: n_budget >= 0, marks.end_tokens is not empty, vocab outlives the sampler.
  BudgetedSampler(std::unique_ptr<Sampler> inner, const Vocab &vocab, ThinkingMarks marks,
                  std::int32_t n_budget);

  Token sample(std::span<const float> logits) override;
  void accept(Token token) override;

private:
  enum class State : std::uint8_t { kBefore, kThinking, kForcing, kAfter };

  void look_for_begin();
  void count();
  bool has_ended() const;

  std::unique_ptr<Sampler> inner_;
  const Vocab &vocab_;
  const ThinkingMarks marks_;
  const std::int32_t n_budget_;
  State state_ = State::kBefore;
  std::size_t n_kept_ = 4;     // bytes of the block's text that are still looked at
  std::string text_;           // of the answer, then the end of the block; with special tokens
  std::int32_t n_thought_ = 0; // tokens of the block
  std::size_t n_forced_ = 0;   // of the end mark
};

} // namespace llamabox
