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

// A short draft is tried after so many steps without any, twice as many after each failure.
constexpr std::int32_t kLeastWait = 64;
constexpr std::int32_t kMostWait = 2048;
constexpr std::int32_t kProbeTokens = 4;

// A lookup that comes true less often, and less often than the draft model, leaves it to that.
constexpr double kTrusted = 0.5;

GuessSource source_of(std::int32_t n_compared) {
  return static_cast<GuessSource>(static_cast<std::int32_t>(GuessSource::kNgram1) + n_compared - 1);
}

std::int64_t n_ever(const DraftSeat &seat) {
  return static_cast<std::int64_t>(seat.wish.tokens.size()) + seat.n_dropped;
}

} // namespace

Speculation::Speculation(SpeculationParams params, Proposer *drafter)
    : params_(params), drafter_(drafter), n_wait_(kLeastWait) {}

// Compares what was guessed with what came.
void Speculation::learn(const DraftSeat &seat) {
  DraftState &state = *seat.state;
  if (!state.has_acceptance) {
    state.acceptance.begin_with(overall_);
    state.has_acceptance = true;
  }
  const auto tokens = seat.wish.tokens;
  const std::int64_t begin = state.guess_at - seat.n_dropped;
  if (begin > 0 && begin < static_cast<std::int64_t>(tokens.size()) && !state.guess.empty()) {
    const auto came = tokens.subspan(static_cast<std::size_t>(begin));
    const std::size_t n = std::min(came.size(), state.guess.size());
    const auto end = std::ranges::mismatch(came.first(n), state.guess).in1;
    const auto n_right = static_cast<std::int32_t>(end - came.begin());
    const bool failed = n_right < static_cast<std::int32_t>(n);
    state.acceptance.observe(state.guess_source, n_right, failed);
    overall_.observe(state.guess_source, n_right, failed);
  }
  state.guess.clear();
  if (looks_up()) {
    learn_shared(seat);
  }
}

void Speculation::learn_shared(const DraftSeat &seat) {
  DraftState &state = *seat.state;
  const std::int64_t first = std::max<std::int64_t>(seat.n_prompt, kMaxNgram);
  // What a shift took away is not learnt.
  std::int64_t at = std::max({state.n_learnt, first, std::int64_t{seat.n_dropped} + kMaxNgram});
  for (; at < n_ever(seat); ++at) {
    const auto n = static_cast<std::size_t>(at - seat.n_dropped) + 1;
    shared_.learn(seat.group, seat.wish.tokens.first(n));
  }
  state.n_learnt = at;
}

Speculation::Guess Speculation::look_up(const DraftSeat &seat) const {
  DraftState &state = *seat.state;
  const auto tokens = seat.wish.tokens;
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

LengthCandidate Speculation::candidate_of(const DraftSeat &seat, Guess &guess) const {
  const Acceptance &acceptance = seat.state->acceptance;
  const GuessRate &by_model = acceptance.of(GuessSource::kModel);
  const bool is_doubtful = params_.adapt && drafter_ != nullptr &&
                           acceptance.of(guess.source).first < std::min(kTrusted, by_model.first);
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
  } else if (drafter_ != nullptr) {
    candidate.n_max = n_max;
    candidate.first = by_model.first;
    candidate.later = by_model.later;
    candidate.runs_drafter = true;
  }
  return candidate;
}

std::vector<std::int32_t> Speculation::lengths_of(std::span<const LengthCandidate> candidates,
                                                  const StepShape &shape) {
  if (!params_.adapt) {
    return longest_lengths(candidates, shape);
  }
  static const RowCost kFree;
  if (!target_cost_.is_known(shape.n_rows, kFresh)) {
    return std::vector<std::int32_t>(candidates.size(), 0); // so that it becomes known
  }
  const DraftCosts costs{target_cost_, drafter_ != nullptr ? drafter_->cost() : kFree};
  std::vector<std::int32_t> lengths = choose_lengths(candidates, shape, costs);
  if (std::ranges::any_of(lengths, [](std::int32_t n) { return n > 0; })) {
    n_idle_ = 0;
    n_wait_ = kLeastWait;
  } else {
    probe(candidates, shape, lengths);
  }
  return lengths;
}

// What is never tried is never known to pay again.
void Speculation::probe(std::span<const LengthCandidate> candidates, const StepShape &shape,
                        std::vector<std::int32_t> &lengths) {
  const auto rank = [](const LengthCandidate &one) { return one.n_max > 0 ? one.first : -1.0; };
  const auto best = std::ranges::max_element(candidates, {}, rank);
  if (best == candidates.end() || best->n_max == 0 || ++n_idle_ < n_wait_) {
    return;
  }
  n_idle_ = 0;
  n_wait_ = std::min(2 * n_wait_, kMostWait);
  const std::int32_t n = std::min({std::max(kProbeTokens, best->n_min), best->n_max, shape.n_room});
  lengths[static_cast<std::size_t>(best - candidates.begin())] = n >= best->n_min ? n : 0;
}

std::vector<Draft> Speculation::draft(std::span<const DraftSeat> seats, const StepShape &shape) {
  std::vector<Guess> guesses(seats.size());
  std::vector<LengthCandidate> candidates;
  for (std::size_t i = 0; i < seats.size(); ++i) {
    learn(seats[i]);
    if (looks_up() && seats[i].wish.n_max > 0) {
      guesses[i] = look_up(seats[i]);
    }
    candidates.push_back(candidate_of(seats[i], guesses[i]));
  }
  const std::vector<std::int32_t> lengths = lengths_of(candidates, shape);
  std::vector<Draft> drafts(seats.size());
  run_drafter(seats, lengths, guesses, drafts);
  for (std::size_t i = 0; i < seats.size(); ++i) {
    DraftState &state = *seats[i].state;
    std::vector<Token> &tokens = guesses[i].tokens;
    const auto n = std::min(tokens.size(), static_cast<std::size_t>(lengths[i]));
    if (!candidates[i].runs_drafter) {
      drafts[i].tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n));
    }
    state.guess_source = guesses[i].source;
    state.guess = std::move(tokens);
    state.guess_at = n_ever(seats[i]);
  }
  return drafts;
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
    }
  }
  if (wishes.empty()) {
    return;
  }
  std::vector<Draft> proposed = drafter_->propose(wishes);
  for (std::size_t k = 0; k < places.size(); ++k) {
    const std::size_t i = places[k];
    guesses[i] = {proposed[k].tokens, GuessSource::kModel};
    const bool is_long_enough =
        static_cast<std::int32_t>(proposed[k].tokens.size()) >= params_.n_min;
    drafts[i] = is_long_enough ? std::move(proposed[k]) : Draft{};
  }
}

} // namespace llamabox
