// Log probabilities of tokens, alone and as the scheduler reports them.
#include "engine/logprobs.h"

#include "rig.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace llamabox;

namespace {

const Vocab &fake_vocab() {
  static const std::unique_ptr<Models> models = load_fake_models({});
  return *models->vocab;
}

Request with_logprobs(const std::string &prompt, std::int32_t n_logprobs,
                      std::vector<std::string> stop = {}) {
  Request request = Rig::generate_request(prompt, 12);
  auto &body = std::get<GenerateRequest>(request.body);
  body.n_logprobs = n_logprobs;
  body.stop = std::move(stop);
  return request;
}

std::string text_of(const std::vector<TokenLogprobs> &tokens) {
  std::string text;
  for (const TokenLogprobs &token : tokens) {
    text += token.chosen.bytes;
  }
  return text;
}

} // namespace

TEST_CASE("a logprob is the logit less the logarithm of all exponentials") {
  std::vector<float> logits(128, -std::numeric_limits<float>::infinity());
  logits['a'] = std::log(0.5F) + 300;
  logits['b'] = std::log(0.3F) + 300;
  logits['c'] = std::log(0.2F) + 300;
  const TokenLogprobs found = token_logprobs(logits, 'b', 2, fake_vocab());
  CHECK(found.chosen.token == 'b');
  CHECK(found.chosen.bytes == "b");
  CHECK(found.chosen.logprob == doctest::Approx(std::log(0.3F)).epsilon(1e-4));
  REQUIRE(found.best.size() == 2);
  CHECK(found.best[0].bytes == "a");
  CHECK(found.best[0].logprob == doctest::Approx(std::log(0.5F)).epsilon(1e-4));
  CHECK(found.best[1].bytes == "b");
  CHECK(token_logprobs(logits, 'b', 0, fake_vocab()).best.empty());
}

TEST_CASE("logprobs of a large vocabulary are exact to single precision") {
  std::mt19937 random(3);
  std::normal_distribution<float> logit(0, 6);
  std::vector<float> logits(130'001);
  for (float &value : logits) {
    value = logit(random);
  }
  double sum = 0;
  for (const float value : logits) {
    sum += std::exp(static_cast<double>(value));
  }
  for (const Token token : {0, 7, 130'000}) {
    const double expected =
        static_cast<double>(logits[static_cast<std::size_t>(token)]) - std::log(sum);
    const float found = token_logprobs(logits, token, 0, fake_vocab()).chosen.logprob;
    CHECK(static_cast<double>(found) == doctest::Approx(expected).epsilon(1e-6));
  }
  std::ranges::fill(logits, 0.0F); // no rounding of one sign adds up
  CHECK(static_cast<double>(token_logprobs(logits, 5, 0, fake_vocab()).chosen.logprob) ==
        doctest::Approx(-std::log(130'001.0)).epsilon(1e-7));
}

TEST_CASE("impossible tokens have a finite logprob, equal ones the order of their ids") {
  std::vector<float> logits(128, -std::numeric_limits<float>::infinity());
  logits['y'] = logits['x'] = 1.0F;
  const TokenLogprobs found = token_logprobs(logits, 'a', 3, fake_vocab());
  CHECK(std::isfinite(found.chosen.logprob));
  REQUIRE(found.best.size() == 3);
  CHECK(found.best[0].bytes == "x");
  CHECK(found.best[1].bytes == "y");
  CHECK(token_logprobs(logits, 'x', 1000, fake_vocab()).best.size() == 128);
}

TEST_CASE("every token is reported once and in order, also while its text is held back") {
  const std::string text = alone("held back", 12);
  for (const std::vector<std::string> &stop :
       {std::vector<std::string>{}, {text.substr(3, 6) + "!"}}) {
    Rig rig;
    const RequestId id = rig.submit(with_logprobs("held back", 2, stop));
    rig.run_until_idle();
    CHECK(rig.text(id) == text);
    CHECK(text_of(rig.outcome(id).logprobs) == text);
    for (const TokenLogprobs &token : rig.outcome(id).logprobs) {
      CHECK(token.best.size() == 2);
      CHECK(token.best[0].token == token.chosen.token);
    }
  }
}

TEST_CASE("nobody pays for logprobs that were not asked for") {
  Rig rig;
  const RequestId id = rig.generate("quiet", 8);
  rig.run_until_idle();
  CHECK(rig.outcome(id).logprobs.empty());
}
