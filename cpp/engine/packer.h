// Turns a plan into the rows of one decode call and remembers which rows belong to whom.
// Thread rule: engine thread. Guarantee: rows of a sequence are consecutive and ascend from n_past;
// only rows whose logits are sampled or scored ask for them.
// Covered by packer_test.
#pragma once

#include "engine/sequence.h"
#include "engine/step_plan.h"
#include "model/batch.h"
#include "spec/proposer.h"

#include <cstdint>
#include <vector>

namespace llamabox {

struct PackedRows {
  Sequence *sequence = nullptr;
  std::int32_t first_row = 0;   // in the batch
  std::int32_t n_committed = 0; // rows of tokens that are part of the sequence
  Draft draft;                  // guesses that follow them, a row each
  bool samples = false;         // the last committed row and every draft row have logits
};

struct PackedStep {
  Batch batch;
  std::vector<PackedRows> parts;
  std::int32_t n_decode_rows = 0; // of decoding sequences, drafts included
  std::int32_t n_prefill_rows = 0;
  std::int64_t n_seen = 0; // tokens before each row, in sum
};

// Appends the rows of one sequence: n_rows committed tokens from n_past, then the draft.
// A chunk that would cut an unsplittable media span ends before it, so fewer rows may come out.
void pack_rows(PackedStep &step, Sequence &sequence, std::int32_t n_rows, Draft draft);

} // namespace llamabox
