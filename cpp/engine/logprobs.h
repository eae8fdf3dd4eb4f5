// How likely a token was, and what else was likely: from the raw logits of its step.
// Thread rule: pure. Guarantee: equal logits are reported in the order of their ids.
// Covered by logprobs_test.
#pragma once

#include "base/event.h"
#include "model/vocab.h"

#include <cstdint>
#include <span>

namespace llamabox {

// With the n_best likeliest tokens. REQUIRES: the token has a logit; n_best >= 0.
TokenLogprobs token_logprobs(std::span<const float> logits, Token token, std::int32_t n_best,
                             const Vocab &vocab);

} // namespace llamabox
