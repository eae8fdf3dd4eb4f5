#include "spec/verify.h"

#include <algorithm>
#include <cstddef>

namespace llamabox {
namespace {

float chance_of(std::span<const TokenProbability> chances, Token token) {
  const auto found = std::ranges::find(chances, token, &TokenProbability::token);
  return found == chances.end() ? 0.0F : found->probability;
}

double draw(std::minstd_rand &random) {
  return std::uniform_real_distribution<double>(0, 1)(random);
}

// One of what the sampler would draw more often than the drafter.
Token draw_rest(std::span<const TokenProbability> wanted, std::span<const TokenProbability> drawn,
                std::minstd_rand &random) {
  const auto rest_of = [&](const TokenProbability &one) {
    return static_cast<double>(std::max(0.0F, one.probability - chance_of(drawn, one.token)));
  };
  double sum = 0;
  for (const TokenProbability &one : wanted) {
    sum += rest_of(one);
  }
  double at = draw(random) * sum;
  Token last = wanted.front().token;
  for (const TokenProbability &one : wanted) {
    const double rest = rest_of(one);
    last = rest > 0 ? one.token : last;
    at -= rest;
    if (at < 0) {
      break;
    }
  }
  return last;
}

// The token after one row: the drafted one as often as it should come, if it was drawn by chance.
Token choose(Sampler &sampler, std::span<const float> row, const Draft &draft, std::size_t i,
             std::minstd_rand &random) {
  if (i >= draft.chances.size() || draft.chances[i].empty()) {
    return sampler.sample(row);
  }
  const std::vector<TokenProbability> wanted = sampler.distribution(row);
  if (wanted.empty()) {
    return sampler.sample(row);
  }
  const Token drafted = draft.tokens[i];
  const auto p = static_cast<double>(chance_of(wanted, drafted));
  const auto q = static_cast<double>(chance_of(draft.chances[i], drafted));
  return draw(random) * q < p ? drafted : draw_rest(wanted, draft.chances[i], random);
}

} // namespace

void verify(Sampler &sampler, std::span<const std::span<const float>> rows, const Draft &draft,
            std::minstd_rand &random, Verdict &verdict) {
  verdict.tokens.clear();
  verdict.n_accepted = 0;
  verdict.error.reset();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    try {
      const Token token = choose(sampler, rows[i], draft, i, random);
      sampler.accept(token);
      verdict.tokens.push_back(token);
    } catch (const Error &error) {
      verdict.error = error;
      break;
    }
    if (i >= draft.tokens.size() || verdict.tokens.back() != draft.tokens[i]) {
      break;
    }
    ++verdict.n_accepted;
  }
}

} // namespace llamabox
