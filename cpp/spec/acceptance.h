// How often guesses come true, learnt by comparing every guess with the tokens that came, whether
// or not it was verified: a guess that was too uncertain to be run still teaches.
// Thread rule: plain value. Covered by draft_length_test and speculation_test.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace llamabox {

// Where a guess comes from; sources differ in how far they can be trusted.
enum class GuessSource : std::uint8_t { kNgram1, kNgram2, kNgram3, kNgram4, kShared, kModel };
inline constexpr std::size_t kGuessSources = 6;

// Chances of one source: of the first token, and of each further one once all before it were right.
// A token that the source was asked for and did not dare to guess counts as a wrong one.
struct GuessRate {
  double first = 0;
  double later = 0.7;
  double offered = 1;       // that the source guesses a next token at all, where it is asked to
  std::int32_t n_first = 0; // observations
  std::int32_t n_later = 0;
  std::int32_t n_offered = 0;
};

class Acceptance {
public:
  // What is believed at the beginning counts as `n_prior` observations; each later one counts at
  // least `least_weight`, so that a change of the text is followed.
  Acceptance(double n_prior, double least_weight) : n_prior_(n_prior), least_weight_(least_weight) {
    // A lookup teaches without being run, so it need not be believed at first; a model must be.
    for (GuessRate &rate : rates_) {
      rate.first = 0.1;
    }
    rates_.back().first = 0.6;
  }

  const GuessRate &of(GuessSource source) const { return rates_[static_cast<std::size_t>(source)]; }

  // Believes what another has learnt.
  void begin_with(const Acceptance &other) {
    for (std::size_t i = 0; i < kGuessSources; ++i) {
      const GuessRate &rate = other.rates_[i];
      rates_[i] = {.first = rate.first, .later = rate.later, .offered = rate.offered};
    }
  }

  // `n_right` tokens of a guess came true; `failed`: the one after them did not.
  void observe(GuessSource source, std::int32_t n_right, bool failed) {
    GuessRate &rate = rates_[static_cast<std::size_t>(source)];
    for (std::int32_t i = 0; i < n_right + (failed ? 1 : 0); ++i) {
      learn(i == 0 ? rate.first : rate.later, i == 0 ? rate.n_first : rate.n_later, i < n_right);
    }
  }

  // The source guessed `n` tokens, and then no more although it was asked to if it `gave_up`.
  void observe_offer(GuessSource source, std::int32_t n, bool gave_up) {
    GuessRate &rate = rates_[static_cast<std::size_t>(source)];
    for (std::int32_t i = 0; i < n + (gave_up ? 1 : 0); ++i) {
      learn(rate.offered, rate.n_offered, i < n);
    }
  }

private:
  void learn(double &chance, std::int32_t &n, bool came_true) const {
    const double weight = std::max(least_weight_, 1 / (++n + n_prior_));
    chance += weight * ((came_true ? 1 : 0) - chance);
  }

  std::array<GuessRate, kGuessSources> rates_;
  double n_prior_;
  double least_weight_;
};

} // namespace llamabox
