#include "engine/logprobs.h"

#include "model/best_logits.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace llamabox {
namespace {

// The exponential of a number that is not above 0, to about one unit in the last place: a power of
// two, and a polynomial of what is left. Without a branch or a call, so that the compiler makes
// vector code of a loop over it.
inline float exp_of(float x) {
  constexpr float kLeast = -87.0f; // below this it counts for nothing beside the largest one
  constexpr float kLog2E = 1.44269504f;
  constexpr float kRound = 12582912.0f;      // what is added and taken away loses its fraction
  constexpr float kLn2High = 0.693359375f;   // with few bits, so that products are exact
  constexpr float kLn2Low = -2.12194440e-4f; // the rest of ln 2
  const float bounded = x < kLeast ? kLeast : x;
  const float n = (bounded * kLog2E + kRound) - kRound;
  const float r = (bounded - n * kLn2High) - n * kLn2Low;
  constexpr float k2 = 1.0f / 2;
  constexpr float k3 = 1.0f / 6;
  constexpr float k4 = 1.0f / 24;
  constexpr float k5 = 1.0f / 120;
  constexpr float k6 = 1.0f / 720;
  const float p = 1 + r * (1 + r * (k2 + r * (k3 + r * (k4 + r * (k5 + r * k6)))));
  constexpr std::int32_t kBias = 127;
  constexpr std::int32_t kMantissaBits = 23;
  return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + kBias) << kMantissaBits);
}

// The logarithm of the sum of all exponentials, which is what a logit lacks to be a logprob.
double log_total(std::span<const float> logits) {
  constexpr std::size_t kLanes = 16;
  constexpr std::size_t kBlock = 1024; // a sum of more single-precision numbers loses digits
  const float largest = logits[static_cast<std::size_t>(argmax(logits))];
  double sum = 0;
  for (std::size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const auto block = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    std::array<float, kLanes> sums{};
    std::size_t i = 0;
    for (; i + kLanes <= block.size(); i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        sums[lane] += exp_of(block[i + lane] - largest);
      }
    }
    for (; i < block.size(); ++i) {
      sums[0] += exp_of(block[i] - largest);
    }
    for (const float part : sums) {
      sum += static_cast<double>(part);
    }
  }
  return static_cast<double>(largest) + std::log(sum);
}

} // namespace

TokenLogprobs token_logprobs(std::span<const float> logits, Token token, std::int32_t n_best,
                             const Vocab &vocab) {
  const double total = log_total(logits);
  const auto chance = [&](Token of) {
    const double logprob = static_cast<double>(logits[static_cast<std::size_t>(of)]) - total;
    // JSON has no infinity.
    const float finite = static_cast<float>(
        std::max(logprob, static_cast<double>(std::numeric_limits<float>::lowest())));
    return TokenChance{of, finite, vocab.piece(of, true)};
  };
  TokenLogprobs out;
  out.chosen = chance(token);
  if (n_best > 0) {
    std::vector<ScoredToken> best;
    take_best(logits, static_cast<std::size_t>(n_best), nullptr, best);
    out.best.reserve(best.size());
    for (const ScoredToken &scored : best) {
      out.best.push_back(chance(scored.token));
    }
  }
  return out;
}

} // namespace llamabox
