// How likely the tokens of a prompt were, from the rows of the steps that read it. A prompt that is
// scored asks each row for logits, so it is read in chunks of as many rows as may have them, and
// what is said of a chunk leaves with its step: nothing is kept.
// Thread rule: engine thread; the rows are shared among the crew's threads and joined within.
// Guarantee: the scores are those of token_logprobs for each row, whatever the crew.
// Covered by prompt_scores_test.
#pragma once

#include "base/event.h"
#include "engine/packer.h"
#include "model/crew.h"
#include "model/runner.h"
#include "model/vocab.h"

#include <vector>

namespace llamabox {

// What scoring works with; the crew may be null.
struct ScoreContext {
  Runner &runner;
  const Vocab &vocab;
  Crew *crew = nullptr;
};

// Of the prompt tokens that the rows of `part` predict, in order; before them the first token of
// all, which nothing precedes, with the logprob 0. Moves the sequence's n_scored.
// REQUIRES: the part ran in the last decode; its sequence counts its rows in n_past already.
std::vector<TokenLogprobs> score_prompt(const PackedRows &part, const ScoreContext &context);

} // namespace llamabox
