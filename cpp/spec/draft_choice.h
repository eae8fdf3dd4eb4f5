// How a drafter chooses a token: among its few likeliest candidates, by chance or the best. What
// is unlikely for it is not worth a row of the target's step.
// Thread rule: pure functions. Covered by draft_proposer_test.
#pragma once

#include "spec/proposer.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

// Candidates whose chances are worked out; the sum over a whole vocabulary would cost more.
inline constexpr std::size_t kDraftCandidates = 10;

// The likeliest tokens, the best first, with chances that add up to 1. At temperature 0 the chances
// are those of temperature 1, which say how sure the best is.
std::vector<TokenProbability> draft_chances(std::span<const float> logits, float temperature);

// The candidate in whose part of [0, 1) `at` lies.
Token draw(std::span<const TokenProbability> chances, double at);

} // namespace llamabox
