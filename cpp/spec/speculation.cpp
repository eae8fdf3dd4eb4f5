#include "spec/speculation.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace llamabox {
namespace {

// Tokens of a sequence that are indexed in one step: a long prompt takes several.
constexpr std::int32_t kIndexedAtOnce = 8192;

// Steps after which a cost that was not measured again counts as unknown.
constexpr std::uint64_t kFresh = 256;

// A short draft is tried after so many steps without any, twice as many after each failure, of
// whatever sequence: what one request has shown need not be shown again by the next.
constexpr std::int32_t kLeastWait = 64;
constexpr std::int32_t kMostWait = 4096;
constexpr std::int32_t kProbeTokens = 4;

// A lookup that comes true less often, and less often than the draft model, leaves it to that.
constexpr double kTrusted = 0.5;

// Tokens that a sequence is expected to get at least, and over which the drafter's reading of what
// it is behind is to be repaid; else as many as it has got.
constexpr std::int32_t kLeastAhead = 64;

// Tokens that a drafter is behind with in the middle of drafting; they run beside its first token.
constexpr std::int32_t kUsuallyBehind = 2;

// A step counts as this many times what it was expected to take at most.
constexpr double kMostSurprise = 2;

GuessSource source_of(std::int32_t n_compared) {
  return static_cast<GuessSource>(static_cast<std::int32_t>(GuessSource::kNgram1) + n_compared - 1);
}

std::int64_t n_ever(const DraftSeat &seat) {
  return static_cast<std::int64_t>(seat.tokens.size()) + seat.n_dropped;
}

} // namespace

Speculation::Speculation(SpeculationParams params, Proposer *drafter, const StepCost &target)
    : params_(params), drafter_(drafter), target_(target), n_wait_(kLeastWait) {}

void Speculation::learn(const DraftSeat &seat) {
  DraftState &state = *seat.state;
  if (!state.has_acceptance) {
    state.acceptance.begin_with(overall_);
    state.has_acceptance = true;
  }
  learn_guess(seat);
  state.guess.clear();
  state.n_drafted = 0;
  state.gave_up = false;
  if (looks_up()) {
    learn_shared(seat);
  }
}

// Compares what was guessed with what came.
void Speculation::learn_guess(const DraftSeat &seat) {
  DraftState &state = *seat.state;
  const auto tokens = seat.tokens;
  const std::int64_t begin = state.guess_at - seat.n_dropped;
  const bool has_guess = !state.guess.empty() || state.gave_up;
  if (!has_guess || begin <= 0 || begin >= static_cast<std::int64_t>(tokens.size())) {
    return;
  }
  const auto came = tokens.subspan(static_cast<std::size_t>(begin));
  const std::size_t n = std::min(came.size(), state.guess.size());
  const auto end = std::ranges::mismatch(came.first(n), std::span(state.guess).first(n)).in1;
  const auto n_right = static_cast<std::int32_t>(end - came.begin());
  const auto n_guessed = static_cast<std::int32_t>(state.guess.size());
  const bool failed =
      n_right < static_cast<std::int32_t>(n) || (state.gave_up && n_right == n_guessed);
  for (Acceptance *acceptance : {&state.acceptance, &overall_}) {
    acceptance->observe(state.guess_source, n_right, failed);
    acceptance->observe_offer(state.guess_source, n_guessed, state.gave_up);
  }
  if (state.guess_step != n_without_) {
    ledger(kind_of(state.guess_source)).gain(std::min(n_right, state.n_drafted) * state.token_ms);
  }
}

void Speculation::learn_shared(const DraftSeat &seat) {
  DraftState &state = *seat.state;
  const std::int64_t first = std::max<std::int64_t>(seat.n_prompt, kMaxNgram);
  // What a shift took away is not learnt.
  std::int64_t at = std::max({state.n_learnt, first, std::int64_t{seat.n_dropped} + kMaxNgram});
  for (; at < n_ever(seat); ++at) {
    const auto n = static_cast<std::size_t>(at - seat.n_dropped) + 1;
    shared_.learn(seat.group, seat.tokens.first(n));
  }
  state.n_learnt = at;
}

Speculation::Guess Speculation::look_up(const DraftSeat &seat) const {
  DraftState &state = *seat.state;
  const auto tokens = seat.tokens;
  if (state.n_dropped != seat.n_dropped) {
    state.ngrams.clear();
    state.n_dropped = seat.n_dropped;
  }
  if (!state.ngrams.extend(tokens, kIndexedAtOnce)) {
    return {};
  }
  const NgramIndex::Match match = state.ngrams.find(tokens, params_.lookup_ngram_min);
  if (match.n == kMaxNgram) {
    return {continuation(tokens, match.next, params_.n_max), source_of(match.n)};
  }
  std::vector<Token> shared = shared_.find(seat.group, tokens, params_.n_max);
  if (!shared.empty()) {
    return {std::move(shared), GuessSource::kShared};
  }
  return match.n > 0 ? Guess{continuation(tokens, match.next, params_.n_max), source_of(match.n)}
                     : Guess{};
}

// What the drafter takes to read the tokens that it is behind with.
double Speculation::catch_up_ms(const DraftSeat &seat) const {
  const std::int32_t n = drafter_->n_behind(seat.wish).value_or(0) - kUsuallyBehind;
  const StepCost &cost = drafter_->cost();
  return n > 0 ? cost.ms_of({1, n, 0}) - cost.ms_of({1, 0, 0}) : 0;
}

LengthCandidate Speculation::candidate_of(const DraftSeat &seat, Guess &guess) {
  const Acceptance &acceptance = seat.state->acceptance;
  const GuessRate &by_model = acceptance.of(GuessSource::kModel);
  const bool has_model = drafter_ != nullptr;
  const bool is_doubtful = params_.adapt && has_model && !ledger(Kind::kModel).is_in_debt() &&
                           (ledger(Kind::kLookup).is_in_debt() ||
                            acceptance.of(guess.source).first < std::min(kTrusted, by_model.first));
  if (is_doubtful) {
    guess.tokens.clear();
  }
  LengthCandidate candidate;
  candidate.n_min = std::max(params_.n_min, 1);
  const std::int32_t n_max = std::min(seat.wish.n_max, params_.n_max);
  if (!guess.tokens.empty()) {
    candidate.n_max = std::min(n_max, static_cast<std::int32_t>(guess.tokens.size()));
    candidate.first = acceptance.of(guess.source).first;
    candidate.later = acceptance.of(guess.source).later;
  } else if (has_model && n_max > 0 && drafter_->n_behind(seat.wish)) {
    candidate.n_max = n_max;
    candidate.first = by_model.first;
    candidate.later = by_model.later;
    candidate.offered = by_model.offered;
    candidate.runs_drafter = true;
    const auto n_generated = static_cast<std::int32_t>(n_ever(seat)) - seat.n_prompt;
    const std::int32_t n_ahead = std::min(std::max(kLeastAhead, n_generated), seat.n_left);
    candidate.extra_ms = catch_up_ms(seat) / std::max(n_ahead, 1);
  }
  return candidate;
}

std::vector<std::int32_t> Speculation::lengths_of(std::span<const DraftSeat> seats,
                                                  std::span<const LengthCandidate> candidates,
                                                  const StepShape &shape) {
  if (!params_.adapt) {
    return longest_lengths(candidates, shape);
  }
  static const StepCost kFree;
  if (!target_.knows_decode(shape.n_decodes, kFresh)) {
    return std::vector<std::int32_t>(candidates.size(), 0); // so that it becomes known
  }
  const DraftCosts costs{target_, drafter_ != nullptr ? drafter_->cost() : kFree};
  std::vector<LengthCandidate> allowed(candidates.begin(), candidates.end());
  bool may_run = true; // a drafter whose cost nobody knows runs for one sequence first
  for (LengthCandidate &candidate : allowed) {
    const bool is_held_back = candidate.runs_drafter && !may_run;
    candidate.n_max = is_blocked(candidate) || is_held_back ? 0 : candidate.n_max;
    if (candidate.runs_drafter && candidate.n_max > 0) {
      may_run = costs.drafter.decode_ms(1) > 0;
    }
  }
  std::vector<std::int32_t> lengths = choose_lengths(allowed, shape, costs);
  if (std::ranges::any_of(lengths, [](std::int32_t n) { return n > 0; })) {
    n_idle_ = 0;
    n_wait_ = kLeastWait;
  } else {
    probe(seats, candidates, shape, lengths);
  }
  return lengths;
}

// What a draft costs that brings nothing.
double Speculation::trial_ms(const DraftSeat &seat, const LengthCandidate &candidate,
                             std::int32_t n) const {
  const auto n_decodes = static_cast<double>(expected_.n_decodes);
  double ms = target_.decode_ms(n_decodes + n) - expected_.plain_ms;
  if (candidate.runs_drafter) {
    ms += catch_up_ms(seat) + n * drafter_->cost().decode_ms(1);
  }
  return ms;
}

// What is never tried is never known to pay again. The cheapest trial of the likeliest source is
// made, once there is an allowance for it.
void Speculation::probe(std::span<const DraftSeat> seats,
                        std::span<const LengthCandidate> candidates, const StepShape &shape,
                        std::vector<std::int32_t> &lengths) {
  const auto length_of = [&](const LengthCandidate &one) {
    const std::int32_t n = std::min({std::max(kProbeTokens, one.n_min), one.n_max, shape.n_room});
    return n >= one.n_min ? n : 0;
  };
  std::size_t best = candidates.size();
  double best_ms = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const LengthCandidate &one = candidates[i];
    if (length_of(one) == 0) {
      continue;
    }
    const double ms = trial_ms(seats[i], one, length_of(one));
    if (best == candidates.size() || one.first > candidates[best].first ||
        (one.first == candidates[best].first && ms < best_ms)) {
      best = i;
      best_ms = ms;
    }
  }
  if (best == candidates.size() || ++n_idle_ < n_wait_) {
    return;
  }
  const Kind kind = candidates[best].runs_drafter ? Kind::kModel : Kind::kLookup;
  if (ledger(kind).can_try(best_ms)) {
    n_idle_ = 0;
    n_wait_ = std::min(2 * n_wait_, kMostWait);
    lengths[best] = length_of(candidates[best]);
  }
}

std::vector<Draft> Speculation::draft(std::span<const DraftSeat> seats, const StepShape &shape) {
  ++n_steps_;
  expected_ = {.n_decodes = shape.n_decodes, .plain_ms = target_.decode_ms(shape.n_decodes)};
  std::vector<Guess> guesses(seats.size());
  std::vector<LengthCandidate> candidates;
  for (std::size_t i = 0; i < seats.size(); ++i) {
    learn(seats[i]);
    if (looks_up() && seats[i].wish.n_max > 0) {
      guesses[i] = look_up(seats[i]);
    }
    candidates.push_back(candidate_of(seats[i], guesses[i]));
  }
  const std::vector<std::int32_t> lengths = lengths_of(seats, candidates, shape);
  std::vector<Draft> drafts(seats.size());
  run_drafter(seats, lengths, guesses, drafts);
  for (std::size_t i = 0; i < seats.size(); ++i) {
    const std::vector<Token> &tokens = guesses[i].tokens;
    if (!candidates[i].runs_drafter) {
      const auto n = std::min(tokens.size(), static_cast<std::size_t>(lengths[i]));
      drafts[i].tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n));
    }
    const auto n_drafted = static_cast<std::int32_t>(drafts[i].tokens.size());
    expected_.n_drafted[static_cast<std::size_t>(kind_of(guesses[i].source))] += n_drafted;
    remember(seats[i], std::move(guesses[i]), n_drafted);
  }
  return drafts;
}

void Speculation::remember(const DraftSeat &seat, Guess guess, std::int32_t n_drafted) {
  DraftState &state = *seat.state;
  state.guess_source = guess.source;
  state.guess = std::move(guess.tokens);
  state.gave_up = guess.gave_up;
  state.guess_at = n_ever(seat);
  state.guess_step = n_steps_;
  state.n_drafted = n_drafted;
  state.token_ms = expected_.plain_ms / expected_.n_decodes;
}

void Speculation::run_drafter(std::span<const DraftSeat> seats,
                              std::span<const std::int32_t> lengths, std::span<Guess> guesses,
                              std::span<Draft> drafts) {
  std::vector<DraftWish> wishes;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < seats.size(); ++i) {
    if (lengths[i] > 0 && guesses[i].tokens.empty()) {
      wishes.push_back(seats[i].wish);
      wishes.back().n_max = lengths[i];
      places.push_back(i);
      expected_.catch_up_ms += catch_up_ms(seats[i]);
    }
  }
  if (wishes.empty()) {
    return;
  }
  expected_.ran_drafter = true;
  std::vector<Draft> proposed = drafter_->propose(wishes);
  for (std::size_t k = 0; k < places.size(); ++k) {
    const std::size_t i = places[k];
    guesses[i] = {proposed[k].tokens, GuessSource::kModel, proposed[k].gave_up};
    const bool is_long_enough =
        static_cast<std::int32_t>(proposed[k].tokens.size()) >= params_.n_min;
    drafts[i] = is_long_enough ? std::move(proposed[k]) : Draft{};
  }
}

void Speculation::ran(const StepRan &step) {
  const Expected was = std::exchange(expected_, {});
  if (was.n_decodes == 0 || was.plain_ms <= 0) {
    return;
  }
  for (DraftLedger &one : ledgers_) {
    one.pass(was.plain_ms);
  }
  if (was.ran_drafter) {
    const double catch_up_ms = std::min(step.draft_ms, was.catch_up_ms);
    ledger(Kind::kModel).invest(catch_up_ms);
    ledger(Kind::kModel).lose(step.draft_ms - catch_up_ms);
  }
  if (step.n_drafted == 0) {
    n_without_ = n_steps_;
    return;
  }
  const double with_drafts_ms = target_.decode_ms(was.n_decodes + step.n_drafted);
  // A stall of the machine says little about drafts, and prefill rows have a cost of their own.
  const double seen_ms =
      step.n_prefill_rows > 0 ? with_drafts_ms : std::min(step.ms, kMostSurprise * with_drafts_ms);
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    const double share = static_cast<double>(was.n_drafted[kind]) / step.n_drafted;
    ledgers_[kind].lose(share * (seen_ms - was.plain_ms));
  }
}

} // namespace llamabox
