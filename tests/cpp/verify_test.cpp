#include "spec/verify.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
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
  return verify(sampler, rows, draft);
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
