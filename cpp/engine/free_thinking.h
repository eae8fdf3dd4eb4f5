// A constrained answer behind a thinking block that is free: two samplers, one for the block and
// one for what follows it. Where the model may yet begin to think, it does so when its free choice
// is the begin mark.
// Thread rule: one thread at a time, as any sampler. Guarantee: what follows the block, or all
// where there is none, is what the constrained sampler allows; both know all tokens' history.
// Covered by free_thinking_test.
#pragma once

#include "engine/thinking_block.h"
#include "model/sampler.h"

#include <memory>
#include <span>

namespace llamabox {

class FreeThinkingSampler final : public Sampler {
public:
  // REQUIRES: the marks have an end, and a begin of one token unless the block is open.
  FreeThinkingSampler(std::unique_ptr<Sampler> free, std::unique_ptr<Sampler> bound,
                      ThinkingBlock block);

  Token sample(std::span<const float> logits) override;
  void accept(Token token) override;
  void remember(Token token) override;

private:
  std::unique_ptr<Sampler> free_;
  std::unique_ptr<Sampler> bound_;
  ThinkingBlock block_;
  bool is_bound_ = false; // the answer has begun
};

} // namespace llamabox
