// How often guesses come true, learnt by comparing every guess with the tokens that came, whether
// or not it was verified: a guess that was too uncertain to be run still teaches.
// Thread rule: plain value. Covered by acceptance_test.
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
struct GuessRate {
  double first = 0.5;
  double later = 0.7;

  // `n_right` tokens of a guess came true; `failed`: the one after them did not.
  void observe(std::int32_t n_right, bool failed, double weight) {
    for (std::int32_t i = 0; i < n_right; ++i) {
      learn(i, 1, weight);
    }
    if (failed) {
      learn(n_right, 0, weight);
    }
  }

private:
  void learn(std::int32_t at, double came_true, double weight) {
    double &rate = at == 0 ? first : later;
    rate += weight * (came_true - rate);
  }
};

class Acceptance {
public:
  const GuessRate &of(GuessSource source) const { return rates_[static_cast<std::size_t>(source)]; }
  void observe(GuessSource source, std::int32_t n_right, bool failed, double weight) {
    rates_[static_cast<std::size_t>(source)].observe(n_right, failed, weight);
  }

private:
  std::array<GuessRate, kGuessSources> rates_;
};

} // namespace llamabox
