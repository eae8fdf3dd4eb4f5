// What a sequence's sampler makes of the rows of one step: it keeps a prefix of the draft and
// chooses one token after it.
// Thread rule: touches the sampler and the rows of one sequence only, so that sequences may be
// verified side by side. Guarantee: the tokens are those that steps of one row each would have
// chosen. Covered by verify_test.
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "model/sampler.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace llamabox {

struct Verdict {
  std::vector<Token> tokens;   // in order: drafts that were kept, then the one after them
  std::int32_t n_accepted = 0; // of the draft
  std::optional<Error> error;  // why no token could be chosen after `tokens`
};

// REQUIRES: rows.size() == draft.size() + 1; row i has the logits after the first i drafts.
// The sampler has accepted the verdict's tokens then, whatever the caller does with them.
Verdict verify(Sampler &sampler, std::span<const std::span<const float>> rows,
               std::span<const Token> draft);

} // namespace llamabox
