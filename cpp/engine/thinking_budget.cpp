#include "engine/thinking_budget.h"

#include <utility>

namespace llamabox {

BudgetedSampler::BudgetedSampler(std::unique_ptr<Sampler> inner, ThinkingBlock block,
                                 std::int32_t n_budget)
    : inner_(std::move(inner)), block_(std::move(block)), n_budget_(n_budget) {
  is_forcing_ = is_spent();
}

Token BudgetedSampler::sample(std::span<const float> logits) {
  return is_forcing_ ? block_.marks().end_tokens[n_forced_] : inner_->sample(logits);
}

void BudgetedSampler::accept(Token token) {
  inner_->accept(token);
  const bool was_inside = block_.place() == ThinkingBlock::Place::kInside;
  block_.feed(token);
  if (is_forcing_) {
    is_forcing_ = ++n_forced_ < block_.marks().end_tokens.size();
    return;
  }
  n_thought_ += was_inside ? 1 : 0; // the begin mark is no thought
  is_forcing_ = is_spent();
}

bool BudgetedSampler::is_spent() const {
  return block_.place() == ThinkingBlock::Place::kInside && n_forced_ == 0 &&
         n_thought_ >= n_budget_ && !block_.is_within_character();
}

} // namespace llamabox
