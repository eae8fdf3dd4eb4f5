#include "engine/packer.h"

#include <doctest/doctest.h>

using namespace llamabox;

namespace {

Sequence sequence_of(std::vector<Token> tokens, std::int32_t n_prompt, Pos n_past) {
  Sequence sequence;
  auto prompt = std::make_shared<Prompt>();
  prompt->tokens.assign(tokens.begin(), tokens.begin() + n_prompt);
  sequence.prompt = prompt;
  sequence.tokens = std::move(tokens);
  sequence.n_past = n_past;
  sequence.slot = 1;
  sequence.seq = 3;
  return sequence;
}

} // namespace

TEST_CASE("a chunk in the middle asks for no logits, the last row of the last chunk does") {
  Sequence sequence = sequence_of({10, 11, 12, 13}, 4, 0);
  PackedStep step;
  pack_rows(step, sequence, 3, {});
  sequence.n_past = 3;
  pack_rows(step, sequence, 3, {});
  REQUIRE(step.batch.size() == 4);
  CHECK_FALSE(step.batch[2].logits);
  CHECK(step.batch[3].logits);
  CHECK(step.batch[3].pos == Positions{3, 3, 3, 3});
  CHECK(step.batch[0].seq == 3);
  CHECK(step.parts[1].first_row == 3);
  CHECK(step.n_prefill_rows == 4);
  CHECK_FALSE(step.parts[0].samples);
  CHECK(step.parts[1].samples);
}

TEST_CASE("draft rows follow the committed token and all have logits") {
  Sequence sequence = sequence_of({10, 11, 12}, 2, 2);
  sequence.phase = Phase::kDecode;
  PackedStep step;
  Draft draft;
  draft.tokens = {20, 21};
  pack_rows(step, sequence, 1, draft);
  REQUIRE(step.batch.size() == 3);
  CHECK(step.batch[0].token == 12);
  CHECK(step.batch[2].token == 21);
  CHECK(step.batch[2].pos == Positions{4, 4, 4, 4});
  CHECK(step.batch[0].logits);
  CHECK(step.batch[2].logits);
  CHECK(step.parts[0].n_committed == 1);
  CHECK(step.n_decode_rows == 3);
}
