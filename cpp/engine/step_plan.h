// What one step will run: a plain value made from counters, before anything is touched.
// Thread rule: value. Guarantee: its rows never exceed the batch it was planned for.
// Covered by planner_test.
#pragma once

#include "base/types.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace llamabox {

// A bound sequence as the planner sees it.
struct Candidate {
  std::int32_t slot = 0;
  bool decoding = false;
  Pos n_past = 0;             // tokens in KV, which its next row looks back at
  std::int32_t n_left = 0;    // prefill rows until its next token
  std::int32_t n_min = 1;     // rows its next chunk cannot do without
  std::int32_t n_skipped = 0; // steps since it last had rows
  std::uint64_t order = 0;    // of arrival
  ClassKey class_key = 0;     // only sequences of one class share a step
  std::int32_t n_draft_max = 0;
  // Rows that its next chunk may have and that share a step with no other row; 0: it may share.
  std::int32_t n_alone = 0;
  bool is_due = true;      // false: the pace of its request does not let it run yet
  bool is_scoring = false; // each of its rows asks for logits
  bool has_media = false;  // its prompt has pictures or sounds
};

struct PlannedRows {
  std::int32_t slot = 0;
  std::int32_t n_rows = 0;    // committed tokens to run: 1 when decoding
  std::int32_t n_draft = 0;   // room for draft rows after them
  bool whole = false;         // fewer rows would be none
  std::int32_t n_outputs = 1; // committed rows that ask for logits, at most
};

struct StepPlan {
  std::vector<PlannedRows> decodes;
  std::vector<PlannedRows> prefills;

  bool empty() const { return decodes.empty() && prefills.empty(); }

  // With drafts, which may turn out fewer.
  std::size_t n_rows() const {
    std::int32_t n = 0;
    for (const auto *part : {&decodes, &prefills}) {
      for (const PlannedRows &rows : *part) {
        n += rows.n_rows + rows.n_draft;
      }
    }
    return static_cast<std::size_t>(n);
  }
};

} // namespace llamabox
