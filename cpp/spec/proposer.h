// Guesses the next tokens of sequences so that one step can verify several, for all sequences of
// the step at once.
// Thread rule: engine thread. Guarantee: a wrong guess costs time, never correctness (the target
// model judges every one). Covered by draft_proposer_test and speculation_test.
#pragma once

#include "base/types.h"
#include "model/token_probability.h"
#include "spec/row_cost.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

// What may come next in one sequence.
struct Draft {
  std::vector<Token> tokens;
  // For each token, all that the drafter could have drawn in its place, where it drew by chance;
  // empty where the token was certain.
  std::vector<std::vector<TokenProbability>> chances;
};

// A sequence that wants a draft.
struct DraftWish {
  SeqId seq = 0;                 // its slot
  std::uint64_t stream = 0;      // names the text: under one name tokens are only appended
  std::span<const Token> tokens; // the whole sequence so far
  std::int32_t n_max = 0;        // at least 1
  float temperature = 0;         // to draw tokens with; 0 wants the likeliest
};

class Proposer {
public:
  virtual ~Proposer() = default;

  // One draft for each wish, in their order; it may be empty.
  virtual std::vector<Draft> propose(std::span<const DraftWish> wishes) = 0;

  // What a further token of a draft costs, by the number of sequences that get one.
  virtual const RowCost &cost() const = 0;
};

} // namespace llamabox
