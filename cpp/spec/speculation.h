// Which tokens a step verifies beside those that it must run: what the sequence's own n-grams say,
// else those of earlier requests, else a draft model; and how many of them, so that drafts never
// cost more than they bring.
// Thread rule: engine thread. Guarantee: a draft is never longer than its seat allows; what one
// lookup group wrote is in no draft of another. Covered by speculation_test.
#pragma once

#include "base/clock.h"
#include "spec/acceptance.h"
#include "spec/draft_length.h"
#include "spec/ngram_index.h"
#include "spec/proposer.h"
#include "spec/shared_ngrams.h"

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace llamabox {

struct SpeculationParams {
  std::int32_t n_max = 16; // tokens of one draft; 0: no drafts
  std::int32_t n_min = 0;  // a shorter draft is not verified
  std::int32_t lookup_ngram_min =
      0;             // least tokens that a lookup compares, up to kMaxNgram; 0: none
  bool adapt = true; // false: drafts are as long as may be, whatever they cost
};

// What speculation knows of one sequence; the sequence owns it.
struct DraftState {
  NgramIndex ngrams;
  Acceptance acceptance{4, 0.1};
  bool has_acceptance = false;
  std::vector<Token> guess; // tokens that may have come since
  GuessSource guess_source = GuessSource::kModel;
  std::int64_t guess_at = 0;  // tokens the sequence had then, with those its context has lost
  std::int64_t n_learnt = 0;  // likewise, that the shared table has seen
  std::int32_t n_dropped = 0; // tokens its context had lost when n-grams were indexed
  std::minstd_rand random; // that decides on drafts drawn by chance; seeded where there are drafts
};

// A sequence that gets one token in the step, and drafts where n_max > 0.
struct DraftSeat {
  DraftWish wish;             // its n_max may be 0
  std::int32_t n_dropped = 0; // tokens its context has lost
  std::int32_t n_prompt = 0;
  LookupGroup group = 0;
  DraftState *state = nullptr;
};

class Speculation {
public:
  // `drafter` may be null; it outlives this.
  Speculation(SpeculationParams params, Proposer *drafter);

  bool is_on() const { return params_.n_max > 0 && (looks_up() || drafter_ != nullptr); }

  // One draft for each seat, in their order.
  std::vector<Draft> draft(std::span<const DraftSeat> seats, const StepShape &shape);

  // The step that draft() was for ran so many rows, drafts included; without the drafting itself.
  void ran(std::int32_t n_rows, double ms) { target_cost_.observe(n_rows, ms); }

private:
  struct Guess {
    std::vector<Token> tokens;
    GuessSource source = GuessSource::kModel;
  };

  bool looks_up() const { return params_.lookup_ngram_min > 0; }
  void learn(const DraftSeat &seat);
  void learn_shared(const DraftSeat &seat);
  Guess look_up(const DraftSeat &seat) const;
  LengthCandidate candidate_of(const DraftSeat &seat, Guess &guess) const;
  std::vector<std::int32_t> lengths_of(std::span<const LengthCandidate> candidates,
                                       const StepShape &shape);
  void probe(std::span<const LengthCandidate> candidates, const StepShape &shape,
             std::vector<std::int32_t> &lengths);
  void run_drafter(std::span<const DraftSeat> seats, std::span<const std::int32_t> lengths,
                   std::span<Guess> guesses, std::span<Draft> drafts);

  const SpeculationParams params_;
  Proposer *drafter_;
  SharedNgrams shared_;
  Acceptance overall_{1, 0.01}; // of all sequences; what a new one begins with
  RowCost target_cost_;
  std::int32_t n_idle_ = 0; // steps without a draft that might have had one
  std::int32_t n_wait_;     // of them until one is tried
};

} // namespace llamabox
