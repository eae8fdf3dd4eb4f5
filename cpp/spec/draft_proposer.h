// Drafts with a small model that has the target's vocabulary: all sequences of a step together, in
// a memory of its own that follows what the target's sequences hold. It needs no word of slots that
// were reused, shared, preempted or shifted: what the memory holds of a sequence is compared with
// the sequence each time, and what differs is computed anew.
// Thread rule: engine thread. Guarantee: a step runs at most one batch of rows to catch up, so that
// a long prompt does not stall others; until it is read, its sequence has no drafts.
// Covered by draft_proposer_test on the fakes and speculation_test of the adapters.
#pragma once

#include "base/clock.h"
#include "model/kv_memory.h"
#include "model/runner.h"
#include "model/vocab.h"
#include "spec/proposer.h"

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

namespace llamabox {

struct DraftProposerParts {
  std::unique_ptr<Runner> runner;
  std::unique_ptr<KvMemory> kv;
  std::unique_ptr<Clock> clock;
  const Vocab *vocab = nullptr; // the target's, which outlives the proposer
  std::int32_t n_seqs = 0;
  float p_min = 0; // a draft ends before a token whose likeliest candidate is less likely
};

class DraftProposer final : public Proposer {
public:
  explicit DraftProposer(DraftProposerParts parts);

  std::vector<Draft> propose(std::span<const DraftWish> wishes) override;
  const RowCost &cost() const override { return cost_; }

private:
  // What the memory holds under one sequence id.
  struct Held {
    std::uint64_t stream = 0;
    std::vector<Token> tokens;
    std::size_t n_same = 0;      // of these, known to be the stream's
    std::uint64_t last_used = 0; // counts calls
    bool is_off = false;         // this stream cannot be drafted for
  };

  // A wish while it is worked on.
  struct Job {
    const DraftWish *wish = nullptr;
    Draft *draft = nullptr;
    std::int32_t n_max = 0;
    std::int32_t row = -1; // of the batch, with the logits of its next token
  };

  Held &held(SeqId seq) { return held_[static_cast<std::size_t>(seq)]; }
  void follow(const DraftWish &wish);
  void take_prefix(const DraftWish &wish);
  void keep(SeqId seq, Pos n);
  void forget(SeqId seq);
  void catch_up(std::vector<Job> &jobs);
  Batch rows_to_catch_up(std::vector<Job> &jobs) const;
  bool make_cells(std::vector<Job> &jobs);
  void take_tokens(std::vector<Job> &jobs);
  bool extend(std::vector<Job> &jobs);
  bool choose(const Job &job);
  void fail(std::vector<Job> &jobs);

  std::unique_ptr<Runner> runner_;
  std::unique_ptr<KvMemory> kv_;
  std::unique_ptr<Clock> clock_;
  const Vocab &vocab_;
  const RunnerLimits limits_;
  const bool can_share_;
  const float p_min_;
  std::vector<Held> held_;
  RowCost cost_;
  std::minstd_rand random_{std::random_device{}()};
  std::uint64_t n_calls_ = 0;
};

} // namespace llamabox
