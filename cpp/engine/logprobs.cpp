#include "engine/logprobs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

namespace llamabox {
namespace {

// The logarithm of the sum of all exponentials, which is what a logit lacks to be a logprob.
double log_total(std::span<const float> logits) {
  const float largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) {
    sum += static_cast<double>(std::exp(logit - largest));
  }
  return static_cast<double>(largest) + std::log(sum);
}

std::vector<Token> best_tokens(std::span<const float> logits, std::size_t n) {
  std::vector<Token> tokens(logits.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  const auto middle = tokens.begin() + static_cast<std::ptrdiff_t>(std::min(n, tokens.size()));
  std::partial_sort(tokens.begin(), middle, tokens.end(), [&](Token a, Token b) {
    const float x = logits[static_cast<std::size_t>(a)];
    const float y = logits[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  });
  tokens.erase(middle, tokens.end());
  return tokens;
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
    for (const Token best : best_tokens(logits, static_cast<std::size_t>(n_best))) {
      out.best.push_back(chance(best));
    }
  }
  return out;
}

} // namespace llamabox
