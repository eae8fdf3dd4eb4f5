// Ends a thinking block after a number of tokens: a sampler around another one that, once the
// budget is spent, chooses the tokens of the end mark instead of asking. The answer then goes on.
// Thread rule: one thread at a time, as any sampler.
// Guarantee: a block that begins the answer, or was begun by the prompt, has at most the budget's
// tokens, and up to three more where the last one was within a character; of marks only an end
// mark's tokens before its last one count. Covered by thinking_budget_test.
#pragma once

#include "engine/thinking_block.h"
#include "model/sampler.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace llamabox {

class BudgetedSampler final : public Sampler {
public:
  // REQUIRES: n_budget >= 0, the marks' end_tokens are not empty.
  BudgetedSampler(std::unique_ptr<Sampler> inner, ThinkingBlock block, std::int32_t n_budget);

  Token sample(std::span<const float> logits) override;
  void accept(Token token) override;
  void remember(Token token) override { inner_->remember(token); }

private:
  // Whether the block is over its budget, until the end mark is written.
  bool is_spent() const;

  std::unique_ptr<Sampler> inner_;
  ThinkingBlock block_;
  const std::int32_t n_budget_;
  std::int32_t n_thought_ = 0; // tokens of the block
  bool is_forcing_ = false;    // the end mark
  std::size_t n_forced_ = 0;   // tokens of it
};

} // namespace llamabox
