#include "engine/free_thinking.h"

#include <utility>

namespace llamabox {

FreeThinkingSampler::FreeThinkingSampler(std::unique_ptr<Sampler> free,
                                         std::unique_ptr<Sampler> bound, ThinkingBlock block)
    : free_(std::move(free)), bound_(std::move(bound)), block_(std::move(block)) {}

Token FreeThinkingSampler::sample(std::span<const float> logits) {
  if (is_bound_) {
    return bound_->sample(logits);
  }
  const Token token = free_->sample(logits);
  const bool may_be_answer = block_.place() == ThinkingBlock::Place::kBefore;
  return may_be_answer && token != block_.marks().begin_tokens.front() ? bound_->sample(logits)
                                                                       : token;
}

void FreeThinkingSampler::accept(Token token) {
  if (block_.place() == ThinkingBlock::Place::kBefore) {
    is_bound_ = token != block_.marks().begin_tokens.front();
  }
  if (is_bound_) {
    return bound_->accept(token);
  }
  block_.feed(token);
  free_->accept(token);
  bound_->remember(token);
  // Also where the begin mark's token turns out to be none.
  is_bound_ = block_.place() != ThinkingBlock::Place::kInside;
}

void FreeThinkingSampler::remember(Token token) {
  free_->remember(token);
  bound_->remember(token);
}

} // namespace llamabox
