// Guesses the next tokens of sequences so that one step can verify several, for all sequences of
// the step at once.
// Thread rule: engine thread. Guarantee: a wrong guess costs time, never correctness (the target
// model judges every one). Covered by draft_proposer_test and speculation_test.
#pragma once

#include "base/step_cost.h"
#include "base/types.h"
#include "model/token_probability.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace llamabox {

// What may come next in one sequence.
struct Draft {
  std::vector<Token> tokens;
  // For each token, all that the drafter could have drawn in its place, where it drew by chance;
  // empty where the token was certain.
  std::vector<std::vector<TokenProbability>> chances;
  bool gave_up = false; // more was wanted, and the next token was too uncertain
};

// A sequence that wants a draft.
struct DraftWish {
  SeqId seq = 0;                 // its slot
  std::uint64_t stream = 0;      // names the text: under one name tokens are only appended
  std::span<const Token> tokens; // the whole sequence so far
  std::int32_t n_max = 0;        // at least 1
  float temperature = 0;         // to draw tokens with; 0 wants the likeliest
};

// Rows of one sequence that the target has run; they hold text only.
struct RanRows {
  SeqId seq = 0;              // its slot
  std::uint64_t stream = 0;   // as in DraftWish
  Pos begin = 0;              // place of the first one in the text
  std::int32_t first_row = 0; // in the target's batch
  std::int32_t n_rows = 0;
};

class Proposer {
public:
  virtual ~Proposer() = default;

  // Whether note() must be told what the target ran.
  virtual bool reads_states() const { return false; }

  // The target's last decode. Called after each one, before the next, drafts among the rows.
  virtual void note(std::span<const RanRows> rows) { static_cast<void>(rows); }

  // One draft for each wish, in their order; it may be empty.
  virtual std::vector<Draft> propose(std::span<const DraftWish> wishes) = 0;

  // Tokens that would have to be run before the wish can have a draft: 1 where the memory holds all
  // but the last one; nothing for a sequence that can have none.
  virtual std::optional<std::int32_t> n_behind(const DraftWish &wish) const = 0;

  // What its runs cost: a further token of drafts by the number of sequences that get one, and
  // the tokens that it is behind as prefill rows.
  virtual const StepCost &cost() const = 0;
};

} // namespace llamabox
