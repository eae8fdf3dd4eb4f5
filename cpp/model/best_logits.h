// The best of a row of logits: straight on the floats, a block at a time, so that a large
// vocabulary costs one pass at the speed of memory and no candidate is made of what cannot win.
// Thread rule: pure. Guarantee: of equal logits the lower token id is the better one; NaN never
// wins. Covered by best_logits_test.
#pragma once

#include "base/types.h"
#include "model/token_mask.h"

#include <cstddef>
#include <span>
#include <vector>

namespace llamabox {

struct ScoredToken {
  Token token = kNoToken;
  float logit = 0;
};

inline bool is_better(const ScoredToken &a, const ScoredToken &b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

// The first of the largest logits; 0 when there is none above minus infinity.
Token argmax(std::span<const float> logits);

// The k best, best first; fewer when there are no more (of those in the mask, where one is given).
void take_best(std::span<const float> logits, std::size_t k, const TokenMask *mask,
               std::vector<ScoredToken> &out);

} // namespace llamabox
