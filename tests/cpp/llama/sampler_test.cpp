#include "draws.h"

#include <limits>

using namespace llamabox;

TEST_CASE("the same seed repeats its choices, another one does not") {
  const auto models = load("demo");
  const std::vector<float> logits = run(*models, 0, 0, some_tokens(10));
  SamplingParams params;
  params.temperature = 1.5F;
  params.seed = 7;
  const std::vector<Token> first = draw(*models, params, logits, 64);
  CHECK(draw(*models, params, logits, 64) == first);
  params.seed = 8;
  CHECK(draw(*models, params, logits, 64) != first);
  params.seed = std::numeric_limits<std::uint32_t>::max(); // upstream's word for a random one
  CHECK(draw(*models, params, logits, 64) == draw(*models, params, logits, 64));
  params.seed.reset();
  CHECK(draw(*models, params, logits, 64) != draw(*models, params, logits, 64));
}

TEST_CASE("greedy takes the largest logit, the first of equal ones") {
  const auto models = load("demo");
  const std::vector<float> real = run(*models, 0, 0, some_tokens(10));
  CHECK(greedy(*models, {}, real) == static_cast<Token>(best_of(real)));

  const auto n_vocab = static_cast<std::size_t>(models->info.n_vocab);
  for (const std::size_t at : {std::size_t{0}, std::size_t{33}, n_vocab - 1}) {
    std::vector<float> logits(n_vocab, -3.0F);
    logits[at] = -2.0F;
    CHECK(greedy(*models, {}, logits) == static_cast<Token>(at));
    logits[n_vocab - 1] = -2.0F;
    CHECK(greedy(*models, {}, logits) == static_cast<Token>(at));
  }
}

TEST_CASE("draws follow the distribution") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.5F, 0.3F, 0.2F});
  const auto drawn = counts(draw(*models, plain(), logits, 4000));
  CHECK(drawn.size() == 3);
  CHECK(drawn.at(100) == doctest::Approx(2000).epsilon(0.1));
  CHECK(drawn.at(101) == doctest::Approx(1200).epsilon(0.1));
  CHECK(drawn.at(102) == doctest::Approx(800).epsilon(0.1));
}

TEST_CASE("top_k keeps the k best and their shares") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.1F, 0.4F, 0.2F, 0.3F});
  SamplingParams params = plain();
  params.top_k = 2;
  const auto drawn = counts(draw(*models, params, logits, 4000));
  CHECK(drawn.size() == 2);
  CHECK(drawn.at(101) == doctest::Approx(2286).epsilon(0.1));
  CHECK(drawn.count(103) == 1);
  params.top_k = 1;
  CHECK(counts(draw(*models, params, logits)).size() == 1);
  params.top_k = 1 << 30; // more than there are
  CHECK(counts(draw(*models, params, logits)).size() == 4);
}

TEST_CASE("top_p and min_p cut the unlikely") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.1F, 0.4F, 0.2F, 0.3F});
  for (const std::int32_t top_k : {0, 4}) {
    CAPTURE(top_k);
    SamplingParams params = plain();
    params.top_k = top_k;
    params.top_p = 0.65F; // 0.4 and 0.3 reach it
    CHECK(counts(draw(*models, params, logits)).size() == 2);
    params.top_p = 0.0F;
    CHECK(counts(draw(*models, params, logits)).size() == 1);
    params.top_p = 1.0F;
    params.min_p = 0.6F; // of 0.4: at least 0.24
    CHECK(counts(draw(*models, params, logits)).size() == 2);
    params.min_p = 1.0F;
    CHECK(counts(draw(*models, params, logits)).size() == 1);
  }
}

TEST_CASE("temperature sharpens and flattens, and comes last") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.8F, 0.2F});
  SamplingParams params = plain();
  params.temperature = 0.5F; // shares of 16 to 1
  CHECK(counts(draw(*models, params, logits, 4000)).at(101) == doctest::Approx(235).epsilon(0.3));
  params.temperature = 100.0F;
  CHECK(counts(draw(*models, params, logits, 4000)).at(101) == doctest::Approx(2000).epsilon(0.1));
  params.top_p = 0.7F; // cuts by the untempered 0.8
  CHECK(counts(draw(*models, params, logits)).size() == 1);
}

TEST_CASE("penalties make what was said less likely") {
  const auto models = load("demo");
  std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), -9.0F);
  logits[100] = 2.0F;
  logits[101] = 1.5F;
  const std::vector<Token> once = {5, 100};
  const std::vector<Token> thrice = {100, 100, 100};
  SamplingParams params;
  CHECK(greedy(*models, params, logits, once) == 100);
  params.repeat_penalty = 2.0F; // 2.0 becomes 1.0
  CHECK(greedy(*models, params, logits, once) == 101);
  CHECK(greedy(*models, params, logits, {kNoToken, 5}) == 100);
  params = {};
  params.presence_penalty = 0.6F;
  CHECK(greedy(*models, params, logits, once) == 101);
  params = {};
  params.frequency_penalty = 0.2F;
  CHECK(greedy(*models, params, logits, once) == 100);
  CHECK(greedy(*models, params, logits, thrice) == 101);
  params.frequency_penalty = -0.6F;
  CHECK(greedy(*models, params, logits, {101}) == 101);

  std::vector<float> negative(static_cast<std::size_t>(models->info.n_vocab), -9.0F);
  negative[100] = -1.0F;
  negative[101] = -1.5F;
  params = {};
  params.repeat_penalty = 2.0F; // -1.0 becomes -2.0
  CHECK(greedy(*models, params, negative, once) == 101);
}

TEST_CASE("penalties look back as far as asked") {
  const auto models = load("demo");
  std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), -9.0F);
  logits[100] = 2.0F;
  logits[101] = 1.5F;
  SamplingParams params;
  params.presence_penalty = 1.0F;
  params.repeat_last_n = 2;
  CHECK(greedy(*models, params, logits, {100, 7}) == 101);
  CHECK(greedy(*models, params, logits, {100, 7, 8}) == 100);
  CHECK(greedy(*models, params, logits, {100, 100, 7, 100, 8, 9}) == 100);
  params.repeat_last_n = 0;
  CHECK(greedy(*models, params, logits, {100}) == 100);
  params.repeat_last_n = -1;
  std::vector<Token> long_prompt(500, 7);
  long_prompt[0] = 100;
  CHECK(greedy(*models, params, logits, long_prompt) == 101);
  long_prompt.resize(600, 7); // the context has 512
  CHECK(greedy(*models, params, logits, long_prompt) == 100);
}

TEST_CASE("penalties act before the draw, on what was drawn") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.5F, 0.3F, 0.2F});
  SamplingParams params = plain();
  params.top_k = 1;
  params.presence_penalty = 50.0F;
  params.repeat_last_n = 2;
  const std::vector<Token> tokens = draw(*models, params, logits, 6);
  CHECK(tokens == std::vector<Token>{100, 101, 102, 100, 101, 102});
}

TEST_CASE("values that cannot be honoured are refused by name") {
  const auto models = load("demo");
  const auto refused = [&](auto change) { return refused_parameter(*models, change); };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(refused([&](SamplingParams &p) { p.temperature = nan; }) == "temperature");
  CHECK(refused([&](SamplingParams &p) { p.temperature = inf; }) == "temperature");
  CHECK(refused([&](SamplingParams &p) { p.top_k = -1; }) == "top_k");
  CHECK(refused([&](SamplingParams &p) { p.top_p = 1.5F; }) == "top_p");
  CHECK(refused([&](SamplingParams &p) { p.top_p = nan; }) == "top_p");
  CHECK(refused([&](SamplingParams &p) { p.min_p = -0.1F; }) == "min_p");
  CHECK(refused([&](SamplingParams &p) { p.repeat_last_n = -2; }) == "repeat_last_n");
  CHECK(refused([&](SamplingParams &p) { p.repeat_penalty = 0; }) == "repeat_penalty");
  CHECK(refused([&](SamplingParams &p) { p.frequency_penalty = inf; }) == "frequency_penalty");
  CHECK(refused([&](SamplingParams &p) { p.presence_penalty = nan; }) == "presence_penalty");
}
