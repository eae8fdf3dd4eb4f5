// What a sequence's sampler makes of the rows of one step: it keeps a prefix of the draft and
// chooses one token after it.
// Where a drafter drew by chance and the sampler knows its own chances, a token is kept as often as
// lets the text have the sampler's distribution (rejection sampling); else it is kept where the
// sampler draws the same one, and the text is the same as without drafts.
// Thread rule: touches the sampler, the random state and the rows of one
// sequence only, so that sequences may be verified side by side. Guarantee: the tokens have the
// distribution of those that steps of one row each choose. Covered by verify_test.
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "model/sampler.h"
#include "spec/proposer.h"

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace llamabox {

struct Verdict {
  std::vector<Token> tokens;   // in order: drafts that were kept, then the one after them
  std::int32_t n_accepted = 0; // of the draft
  std::optional<Error> error;  // why no token could be chosen after `tokens`
};

// REQUIRES: rows.size() == draft.tokens.size() + 1; row i has the logits after the first i drafts.
// The sampler has accepted the verdict's tokens then, whatever the caller does with them. What the
// verdict was before is replaced; its memory is kept, since there is one for every token.
void verify(Sampler &sampler, std::span<const std::span<const float>> rows, const Draft &draft,
            std::minstd_rand &random, Verdict &verdict);

} // namespace llamabox
