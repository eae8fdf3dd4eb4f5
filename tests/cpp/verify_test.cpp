#include "spec/verify.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <random>
#include <vector>

using namespace llamabox;

namespace {

// Chooses the likeliest token; one token it can only say, not go on from.
class Greedy final : public Sampler {
public:
  Token sample(std::span<const float> logits) override {
    if (!said.empty() && said.back() == kDeadEnd) {
      throw Error(ErrorCode::kInvalidArgument, "nothing may follow");
    }
    return static_cast<Token>(std::ranges::max_element(logits) - logits.begin());
  }
  void accept(Token token) override { said.push_back(token); }

  static constexpr Token kDeadEnd = 3;
  std::vector<Token> said;
};

constexpr std::size_t kVocab = 5;

// Verifies a draft on rows whose likeliest tokens are `wanted`.
Verdict verdict_on(const std::vector<Token> &wanted, const std::vector<Token> &draft,
                   Greedy &sampler) {
  std::vector<std::vector<float>> logits;
  std::vector<std::span<const float>> rows;
  for (const Token token : wanted) {
    logits.emplace_back(kVocab, 0.0F)[static_cast<std::size_t>(token)] = 1.0F;
  }
  std::ranges::transform(logits, std::back_inserter(rows),
                         [](const auto &row) { return std::span<const float>(row); });
  Draft whole;
  whole.tokens = draft;
  std::minstd_rand random;
  Verdict verdict;
  verdict.tokens = {7, 7}; // of an earlier step
  verdict.n_accepted = 1;
  verify(sampler, rows, whole, random, verdict);
  return verdict;
}

} // namespace

TEST_CASE("without a draft one token is chosen") {
  Greedy sampler;
  const Verdict verdict = verdict_on({2}, {}, sampler);
  CHECK(verdict.tokens == std::vector<Token>{2});
  CHECK(verdict.n_accepted == 0);
  CHECK(sampler.said == verdict.tokens);
}

TEST_CASE("a draft is kept up to the first token that the sampler would not have chosen") {
  Greedy sampler;
  const Verdict verdict = verdict_on({1, 2, 4, 0}, {1, 2, 0}, sampler);
  CHECK(verdict.tokens == std::vector<Token>{1, 2, 4});
  CHECK(verdict.n_accepted == 2);
  CHECK(sampler.said == verdict.tokens);
}

TEST_CASE("behind a draft that is kept whole one more token is chosen") {
  Greedy sampler;
  const Verdict verdict = verdict_on({1, 2, 4}, {1, 2}, sampler);
  CHECK(verdict.tokens == std::vector<Token>{1, 2, 4});
  CHECK(verdict.n_accepted == 2);
}

TEST_CASE("what was chosen before a failure counts") {
  Greedy sampler;
  const Verdict verdict = verdict_on({1, 3, 2}, {1, 3}, sampler);
  CHECK(verdict.tokens == std::vector<Token>{1, 3});
  CHECK(verdict.n_accepted == 2);
  REQUIRE(verdict.error);
  CHECK(verdict.error->code() == ErrorCode::kInvalidArgument);
}

namespace {

// Draws from a distribution that each row writes down as it is.
class ByChance final : public Sampler {
public:
  explicit ByChance(bool tells) : tells_(tells), random_(3) {}
  Token sample(std::span<const float> logits) override {
    std::discrete_distribution<Token> draw(logits.begin(), logits.end());
    return draw(random_);
  }
  void accept(Token /*token*/) override {}
  std::vector<TokenProbability> distribution(std::span<const float> logits) override {
    std::vector<TokenProbability> all;
    for (std::size_t i = 0; tells_ && i < logits.size(); ++i) {
      if (logits[i] > 0) {
        all.push_back({static_cast<Token>(i), logits[i]});
      }
    }
    return all;
  }

private:
  bool tells_;
  std::minstd_rand random_;
};

struct Frequencies {
  std::vector<double> first = std::vector<double>(kVocab, 0.0);
  std::vector<double> second = std::vector<double>(kVocab, 0.0); // after token 1
  double n_accepted = 0;                                         // of two, on average
};

constexpr int kRounds = 40000;

// Two drafted tokens in each round, drawn from `drawn`, where the sampler wants `wanted`.
Frequencies frequencies_of(const std::vector<float> &wanted, const std::vector<float> &drawn,
                           bool tells) {
  ByChance sampler(tells);
  std::minstd_rand random(11);
  std::discrete_distribution<Token> draw(drawn.begin(), drawn.end());
  std::vector<TokenProbability> chances;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    chances.push_back({static_cast<Token>(i), drawn[i]});
  }
  Frequencies found;
  int n_second = 0;
  const std::vector<std::span<const float>> rows(3, wanted);
  Verdict verdict;
  for (int i = 0; i < kRounds; ++i) {
    Draft draft;
    draft.tokens = {draw(random), draw(random)};
    draft.chances = {chances, chances};
    verify(sampler, rows, draft, random, verdict);
    found.first[static_cast<std::size_t>(verdict.tokens.at(0))] += 1.0 / kRounds;
    found.n_accepted += static_cast<double>(verdict.n_accepted) / kRounds;
    if (verdict.tokens.size() > 1 && verdict.tokens[0] == 1) {
      ++n_second;
      found.second[static_cast<std::size_t>(verdict.tokens[1])] += 1;
    }
  }
  for (double &one : found.second) {
    one /= n_second;
  }
  return found;
}

} // namespace

TEST_CASE("drafts drawn by chance leave the sampler's distribution as it is") {
  const std::vector<float> wanted{0.5F, 0.3F, 0.0F, 0.15F, 0.05F};
  for (const std::vector<float> &drawn : {std::vector<float>{0.2F, 0.2F, 0.2F, 0.2F, 0.2F},
                                          {0.05F, 0.8F, 0.1F, 0.05F, 0.0F},
                                          wanted}) {
    for (const bool tells : {true, false}) {
      const Frequencies found = frequencies_of(wanted, drawn, tells);
      double overlap = 0;
      for (std::size_t i = 0; i < kVocab; ++i) {
        CHECK(std::abs(found.first[i] - static_cast<double>(wanted[i])) < 0.012);
        CHECK(std::abs(found.second[i] - static_cast<double>(wanted[i])) < 0.025);
        overlap += static_cast<double>(std::min(wanted[i], drawn[i]));
      }
      if (tells) { // as often as is possible at all
        CHECK(found.n_accepted == doctest::Approx(overlap + overlap * overlap).epsilon(0.02));
      }
    }
  }
}
