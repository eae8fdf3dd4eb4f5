// Drafts with a small model that has the target's vocabulary: all sequences of a step together, in
// a memory of its own that follows what the target's sequences hold. It needs no word of slots that
// were reused, shared, preempted or shifted: what the memory holds of a sequence is compared with
// the sequence each time, and what differs is computed anew.
// A drafter that is a head on the target guesses from the states that the target reached too. It
// reads tokens late as well, from states that were kept (StateStore); where some are missing, since
// the target took over a prefix that this memory has not got either, the stream has no drafts.
// Thread rule: engine thread. Guarantee: a step runs at most one batch of rows to catch up, so that
// a long prompt does not stall others; until it is read, its sequence has no drafts.
// Covered by draft_proposer_test on the fakes and speculation_test of the adapters.
#pragma once

#include "base/clock.h"
#include "model/kv_memory.h"
#include "model/runner.h"
#include "model/vocab.h"
#include "spec/proposer.h"
#include "spec/state_source.h"
#include "spec/state_store.h"

#include <cstdint>
#include <memory>
#include <optional>
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
  // Of a drafter that guesses from the target's states, which its runner looks up; else null.
  std::unique_ptr<StateSource> source;
  std::shared_ptr<StateStore> states;
};

class DraftProposer final : public Proposer {
public:
  explicit DraftProposer(DraftProposerParts parts);

  std::vector<Draft> propose(std::span<const DraftWish> wishes) override;
  bool reads_states() const override { return states_ != nullptr; }
  void note(std::span<const RanRows> rows) override;
  std::optional<std::int32_t> n_behind(const DraftWish &wish) const override;
  const StepCost &cost() const override { return cost_; }

private:
  // What the memory holds under one sequence id.
  struct Held {
    std::uint64_t stream = 0;
    std::vector<Token> tokens;
    std::size_t n_same = 0;      // of these, known to be the stream's
    Pos n_sure = 0;              // of these, run with the target's states and not with guesses
    std::int32_t n_lacking = 0;  // calls in a row in which the target's states did not reach it
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
  void note_read(const DraftWish &wish);
  bool has_states(const DraftWish &wish, std::size_t n_held) const;
  Pos n_shareable(SeqId seq, const DraftWish &wish) const;
  void take_prefix(const DraftWish &wish);
  void keep(SeqId seq, Pos n);
  void forget(SeqId seq);
  void catch_up(std::vector<Job> &jobs);
  Batch rows_to_catch_up(std::vector<Job> &jobs) const;
  DecodeStatus run(const Batch &batch);
  bool make_cells(std::vector<Job> &jobs);
  void take_tokens(std::vector<Job> &jobs);
  bool extend(std::vector<Job> &jobs);
  bool choose(const Job &job);
  void fail(std::vector<Job> &jobs);

  std::unique_ptr<Runner> runner_;
  std::unique_ptr<KvMemory> kv_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<StateSource> source_;
  std::shared_ptr<StateStore> states_; // null: guesses from tokens alone
  const Vocab &vocab_;
  const RunnerLimits limits_;
  const bool can_share_;
  const float p_min_;
  std::vector<Held> held_;
  StepCost cost_;
  std::minstd_rand random_{std::random_device{}()};
  std::uint64_t n_calls_ = 0;
};

} // namespace llamabox
