// Sequences verified side by side say what they say one after the other.
#include "engine/sampler_pool.h"
#include "grammar/compiled_grammar.h"
#include "model/edited_logits.h"
#include "thread_crew.h"

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

constexpr std::int32_t kVocab = 1 << 17;

// Draws among the best, has a history, and follows a grammar that it shares with others.
class WeighingSampler final : public Sampler {
public:
  WeighingSampler(std::uint32_t seed, CompiledGrammar &grammar)
      : random_(seed), grammar_(grammar), cursor_(grammar.start()) {}

  Token sample(std::span<const float> logits) override {
    row_.set(logits, edits_);
    row_.best(8, grammar_.mask(cursor_).get(), best_);
    if (best_.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "nothing may follow", "grammar");
    }
    return best_[random_() % best_.size()].token;
  }

  void accept(Token token) override {
    edits_.assign({{token, -1.0F}});
    grammar_.accept(cursor_, token, std::string(1, static_cast<char>('a' + token % 26)));
  }

private:
  std::mt19937 random_;
  CompiledGrammar &grammar_;
  CompiledGrammar::Cursor cursor_;
  std::vector<ScoredToken> edits_;
  std::vector<ScoredToken> best_;
  EditedLogits row_;
};

class BrokenSampler final : public Sampler {
public:
  Token sample(std::span<const float>) override { throw std::runtime_error("broken"); }
  void accept(Token) override {}
};

// root ::= [a-y] root: the letter z is never written.
CompiledGrammar make_grammar() {
  static const std::string letters = "abcdefghijklmnopqrstuvwxyz";
  std::vector<std::string_view> pieces;
  for (std::int32_t i = 0; i < kVocab; ++i) {
    pieces.push_back(std::string_view(letters).substr(static_cast<std::size_t>(i) % 26, 1));
  }
  RuleBuilder builder;
  builder.begin_rule();
  builder.begin_alternative();
  builder.add(CharSet{{{'a', 'y'}}, false});
  builder.add(SymbolKind::kRule, 0);
  builder.end_alternative();
  return CompiledGrammar(
      {std::make_shared<GrammarRules>(builder.take(0)),
       std::make_shared<TokenTrie>(pieces, std::vector<TokenUse>(pieces.size(), TokenUse::kText)),
       true});
}

std::vector<std::vector<float>> random_rows(std::size_t n) {
  std::mt19937 random(5);
  std::vector<std::vector<float>> rows(n, std::vector<float>(kVocab));
  for (std::vector<float> &row : rows) {
    for (float &logit : row) {
      logit = static_cast<float>(random() % 1000) / 100;
    }
  }
  return rows;
}

// What each of n samplers says in a few steps; the odd ones have a draft.
std::vector<std::vector<Token>> say(Crew *crew, std::size_t n) {
  CompiledGrammar grammar = make_grammar();
  const std::vector<std::vector<float>> rows = random_rows(n + 2);
  std::vector<std::unique_ptr<Sampler>> samplers;
  for (std::size_t i = 0; i < n; ++i) {
    samplers.push_back(std::make_unique<WeighingSampler>(static_cast<std::uint32_t>(i), grammar));
  }
  SamplerPool pool(crew, kVocab);
  std::vector<std::minstd_rand> randoms(n);
  std::vector<std::vector<Token>> said(n);
  for (int step = 0; step < 3; ++step) {
    const Draft none;
    Draft some;
    some.tokens = {7};
    pool.clear();
    for (std::size_t i = 0; i < n; ++i) {
      const bool has_draft = i % 2 == 1;
      SampleJob &job = pool.add(*samplers[i], has_draft ? some : none, randoms[i]);
      for (std::size_t row = 0; row <= (has_draft ? 1U : 0U); ++row) {
        job.rows.push_back(rows[i + row]);
      }
    }
    pool.run();
    CHECK(pool.jobs().size() == n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::vector<Token> &tokens = pool.jobs()[i].verdict.tokens;
      said[i].insert(said[i].end(), tokens.begin(), tokens.end());
    }
  }
  return said;
}

} // namespace

TEST_CASE("eight threads say what one says") {
  const std::vector<std::vector<Token>> expected = say(nullptr, 24);
  ThreadCrew crew(8);
  CHECK(say(&crew, 24) == expected);
  CHECK(crew.n_runs == 3);
  for (const std::vector<Token> &tokens : expected) {
    CHECK(tokens.size() >= 3);
    for (const Token token : tokens) {
      CHECK(token % 26 != 25);
    }
  }
}

TEST_CASE("a crew is called only where there is enough to do, and for more than one") {
  ThreadCrew crew(8);
  say(&crew, 1);
  CHECK(crew.n_runs == 0);
  ThreadCrew alone(1);
  say(&alone, 4);
  CHECK(alone.n_runs == 0);
  SamplerPool small(&crew, 100);
  BrokenSampler sampler;
  const Draft draft;
  std::minstd_rand random;
  const std::vector<float> row(100);
  for (int i = 0; i < 3; ++i) {
    small.add(sampler, draft, random).rows.push_back(row);
  }
  CHECK_THROWS_AS(small.run(), std::runtime_error);
  CHECK(crew.n_runs == 0);
}

TEST_CASE("what is broken on another thread is thrown on the caller's") {
  ThreadCrew crew(4);
  SamplerPool pool(&crew, kVocab);
  BrokenSampler sampler;
  const Draft draft;
  std::minstd_rand random;
  const std::vector<float> row(kVocab);
  for (int i = 0; i < 3; ++i) {
    pool.add(sampler, draft, random).rows.push_back(row);
  }
  CHECK_THROWS_AS(pool.run(), std::runtime_error);
  CHECK(crew.n_runs == 1);
}
