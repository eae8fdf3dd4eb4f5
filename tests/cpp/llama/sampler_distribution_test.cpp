// What a sampler says that it draws from is what it draws.
#include "draws.h"

using namespace llamabox;

namespace {

constexpr int kDraws = 4000;

void check_draws(const Models &models, const SamplingParams &params,
                 std::span<const float> logits) {
  const auto sampler = models.samplers->make(params, {});
  std::map<Token, float> said;
  float sum = 0;
  for (const TokenProbability &one : sampler->distribution(logits)) {
    said[one.token] = one.probability;
    sum += one.probability;
  }
  REQUIRE(!said.empty());
  CHECK(sum == doctest::Approx(1));
  const std::map<Token, int> drawn = counts(draw(models, params, logits, kDraws));
  for (const auto &[token, n] : drawn) {
    CHECK(said.contains(token));
    CHECK(std::abs(static_cast<float>(n) / kDraws - said[token]) < 0.03F);
  }
}

} // namespace

TEST_CASE("the distribution that a sampler says is the one it draws from") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.5F, 0.25F, 0.15F, 0.07F, 0.03F});
  check_draws(*models, plain(), logits);
  check_draws(*models, SamplingParams{.seed = 1}, logits);
  SamplingParams params = plain();
  params.temperature = 0.5F;
  params.top_k = 3;
  check_draws(*models, params, logits);
  params.top_p = 0.6F;
  params.min_p = 0.2F;
  params.logit_bias = {{.token = 101, .bias = 1.0F}};
  check_draws(*models, params, logits);
}

TEST_CASE("where chance is elsewhere too, nothing is said") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.5F, 0.5F});
  const auto says_nothing = [&](auto change) {
    SamplingParams params = plain();
    change(params);
    return models->samplers->make(params, {})->distribution(logits).empty();
  };
  CHECK_FALSE(says_nothing([](SamplingParams &) {}));
  CHECK(says_nothing([](SamplingParams &p) { p.temperature = 0; }));
  CHECK(says_nothing([](SamplingParams &p) { p.mirostat = 2; }));
  CHECK(says_nothing([](SamplingParams &p) { p.xtc_probability = 0.5F; }));
  CHECK(says_nothing([](SamplingParams &p) { p.grammar.text = "root ::= \"a\""; }));
}
