// Which tokens a step verifies beside those that it must run: what the sequence's own n-grams say,
// else those of earlier requests, else a draft model; and how many of them, so that drafts never
// cost more than they bring: by estimates (choose_lengths), and by accounts of what they did cost
// and bring (DraftLedger), which no wrong estimate can overdraw.
// Thread rule: engine thread. Guarantee: a draft is never longer than its seat allows; what one
// lookup group wrote is in no draft of another. Covered by speculation_test and draft_payoff_test.
#pragma once

#include "base/step_cost.h"
#include "spec/acceptance.h"
#include "spec/draft_ledger.h"
#include "spec/draft_length.h"
#include "spec/ngram_index.h"
#include "spec/proposer.h"
#include "spec/shared_ngrams.h"

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace llamabox {

struct SpeculationParams {
  std::int32_t n_max = 16;           // tokens of one draft; 0: no drafts
  std::int32_t n_min = 0;            // a shorter draft is not verified
  std::int32_t lookup_ngram_min = 0; // tokens that a lookup compares, to kMaxNgram; 0: no lookup
  bool adapt = true;                 // false: drafts are as long as may be, whatever they cost
};

// What speculation knows of one sequence; the sequence owns it.
struct DraftState { // NOLINT(bugprone-random-generator-seed)
  NgramIndex ngrams;
  Acceptance acceptance{4, 0.1};
  bool has_acceptance = false;
  std::vector<Token> guess; // tokens that may have come since
  GuessSource guess_source = GuessSource::kModel;
  bool gave_up = false;         // the guess ends where its source was too unsure
  std::int32_t n_drafted = 0;   // tokens of the guess that a step was to verify
  double token_ms = 0;          // what each of them saves when it comes true
  std::uint64_t guess_step = 0; // counts steps with decodes
  std::int64_t guess_at = 0;    // tokens the sequence had then, with those its context has lost
  std::int64_t n_learnt = 0;    // likewise, that the shared table has seen
  std::int32_t n_dropped = 0;   // tokens its context had lost when n-grams were indexed
  std::minstd_rand random; // that decides on drafts drawn by chance; seeded where there are drafts
};

// A sequence that gets one token in the step, and drafts where n_max > 0.
struct DraftSeat {
  DraftWish wish;                // its n_max may be 0; its tokens are those that a drafter can read
  std::span<const Token> tokens; // the sequence so far, rows of media too
  std::int32_t n_dropped = 0;    // tokens its context has lost
  std::int32_t n_prompt = 0;
  std::int32_t n_left = 0; // tokens that may still come
  LookupGroup group = 0;
  DraftState *state = nullptr;
};

// A step that draft() was called for, as it ran.
struct StepRan {
  std::int32_t n_drafted = 0;      // rows of drafts
  std::int32_t n_prefill_rows = 0; // beside the decodes
  double ms = 0;                   // without the drafting itself
  double draft_ms = 0;             // that took so long
};

class Speculation {
public:
  // `drafter` may be null; it outlives this, and so does `target`: what steps cost, drafts included
  // and without the drafting itself.
  Speculation(SpeculationParams params, Proposer *drafter, const StepCost &target);

  bool is_on() const { return params_.n_max > 0 && (looks_up() || drafter_ != nullptr); }

  // One draft for each seat, in their order.
  std::vector<Draft> draft(std::span<const DraftSeat> seats, const StepShape &shape);

  // The step that draft() was for ran. Called before `target` learns of it.
  void ran(const StepRan &step);

private:
  struct Guess {
    std::vector<Token> tokens;
    GuessSource source = GuessSource::kModel;
    bool gave_up = false;
  };

  // Lookups cost rows; the draft model costs its runs too.
  enum class Kind : std::uint8_t { kLookup, kModel };
  static constexpr std::size_t kKinds = 2;

  // What the step that is being run was expected to cost.
  struct Expected {
    std::int32_t n_decodes = 0; // 0: no step
    double plain_ms = 0;        // without drafts
    double catch_up_ms = 0;     // of the drafter, for sequences that it was behind with
    std::array<std::int32_t, kKinds> n_drafted{};
    bool ran_drafter = false;
  };

  static Kind kind_of(GuessSource source) {
    return source == GuessSource::kModel ? Kind::kModel : Kind::kLookup;
  }
  DraftLedger &ledger(Kind kind) { return ledgers_[static_cast<std::size_t>(kind)]; }
  bool is_blocked(const LengthCandidate &candidate) {
    return ledger(candidate.runs_drafter ? Kind::kModel : Kind::kLookup).is_in_debt();
  }

  bool looks_up() const { return params_.lookup_ngram_min > 0; }
  void learn(const DraftSeat &seat);
  void learn_guess(const DraftSeat &seat);
  void learn_shared(const DraftSeat &seat);
  Guess look_up(const DraftSeat &seat) const;
  double catch_up_ms(const DraftSeat &seat) const;
  LengthCandidate candidate_of(const DraftSeat &seat, Guess &guess);
  std::vector<std::int32_t> lengths_of(std::span<const DraftSeat> seats,
                                       std::span<const LengthCandidate> candidates,
                                       const StepShape &shape);
  void probe(std::span<const DraftSeat> seats, std::span<const LengthCandidate> candidates,
             const StepShape &shape, std::vector<std::int32_t> &lengths);
  double trial_ms(const DraftSeat &seat, const LengthCandidate &candidate, std::int32_t n) const;
  void run_drafter(std::span<const DraftSeat> seats, std::span<const std::int32_t> lengths,
                   std::span<Guess> guesses, std::span<Draft> drafts);
  void remember(const DraftSeat &seat, Guess guess, std::int32_t n_drafted);

  const SpeculationParams params_;
  Proposer *drafter_;
  const StepCost &target_;
  SharedNgrams shared_;
  Acceptance overall_{1, 0.01}; // of all sequences; what a new one begins with
  std::array<DraftLedger, kKinds> ledgers_;
  Expected expected_;
  std::uint64_t n_steps_ = 0;   // with decodes
  std::uint64_t n_without_ = 0; // the last of them whose drafts were not run
  std::int32_t n_idle_ = 0;     // steps without a draft that might have had one
  std::int32_t n_wait_;         // of them until one is tried
};

} // namespace llamabox
