// Each sampler beyond the everyday ones on known distributions, and the order in which they act.
#include "draws.h"

#include <limits>
#include <set>

using namespace llamabox;

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

std::set<Token> seen(const Models &models, const SamplingParams &params,
                     std::span<const float> logits) {
  std::set<Token> tokens;
  for (const Token token : draw(models, params, logits)) {
    tokens.insert(token);
  }
  return tokens;
}

using Tokens = std::set<Token>;

} // namespace

TEST_CASE("samplers act in the order of their names, and only those named") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.6F, 0.25F, 0.15F});
  SamplingParams params = plain();
  params.temperature = 5.0F; // shares of about 0.39, 0.32 and 0.29 after it
  params.top_p = 0.7F;
  params.samplers = {"top_p", "temperature"};
  CHECK(seen(*models, params, logits) == Tokens{100, 101});
  params.samplers = {"temperature", "top_p"};
  CHECK(seen(*models, params, logits) == Tokens{100, 101});
  params.top_p = 0.55F;
  params.samplers = {"top_p", "temperature"};
  CHECK(seen(*models, params, logits) == Tokens{100});
  params.samplers = {"temperature", "top_p"};
  CHECK(seen(*models, params, logits) == Tokens{100, 101});
  params.samplers = {"temperature"};
  CHECK(seen(*models, params, logits) == Tokens{100, 101, 102});
  params.samplers = {};
  CHECK(counts(draw(*models, params, logits, 4000)).at(100) == doctest::Approx(2400).epsilon(0.1));
}

TEST_CASE("top_k cuts where it stands") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.5F, 0.3F, 0.2F});
  SamplingParams params = plain();
  params.top_k = 2;
  params.presence_penalty = 50.0F;
  params.repeat_last_n = 1;
  // Penalties first: the second and third remain after the first. Last: they reorder two only.
  params.samplers = {"penalties", "top_k"};
  const auto first = models->samplers->make(params, std::vector<Token>{100});
  std::set<Token> tokens;
  for (int i = 0; i < 100; ++i) {
    tokens.insert(first->sample(logits));
  }
  CHECK(tokens == Tokens{101, 102});
  params.samplers = {"top_k", "penalties"};
  const auto last = models->samplers->make(params, std::vector<Token>{100});
  for (int i = 0; i < 100; ++i) {
    CHECK(last->sample(logits) == 101);
  }
}

TEST_CASE("an order that changes nothing gives the same tokens") {
  const auto models = load("demo");
  const std::vector<float> logits = run(*models, 0, 0, some_tokens(10));
  SamplingParams params;
  params.seed = 3;
  const std::vector<Token> expected = draw(*models, params, logits, 64);
  params.samplers = {"penalties", "top_k", "top_p", "min_p", "xtc", "temperature"};
  CHECK(draw(*models, params, logits, 64) == expected);
  params.samplers = {"dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "temperature"};
  CHECK(draw(*models, params, logits, 64) == expected);
}

TEST_CASE("typical_p keeps what is as surprising as the whole") {
  const auto models = load("demo");
  // The entropy is 1.2 nats; the surprise of 0.3 is exactly that, of 0.4 it is 0.9.
  const std::vector<float> logits = distribution(*models, {0.4F, 0.3F, 0.2F, 0.1F});
  SamplingParams params = plain();
  params.typical_p = 0.25F;
  CHECK(seen(*models, params, logits) == Tokens{101});
  params.temperature = 0;
  CHECK(seen(*models, params, logits) == Tokens{101});
  params.temperature = 1;
  params.min_keep = 2;
  CHECK(seen(*models, params, logits).size() == 2);
  params.samplers = {"temperature"};
  CHECK(seen(*models, params, logits).size() == 4);
}

TEST_CASE("top_n_sigma keeps what is near the best logit") {
  const auto models = load("demo");
  std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), kMinusInfinity);
  logits[100] = 4.0F;
  logits[101] = 3.0F;
  logits[102] = 0.0F;
  logits[103] = 1.0F; // the deviation is 1.58
  SamplingParams params = plain();
  params.top_n_sigma = 1.0F;
  CHECK(seen(*models, params, logits) == Tokens{100, 101});
  params.top_n_sigma = 2.0F;
  CHECK(seen(*models, params, logits) == Tokens{100, 101, 103});
  params.top_n_sigma = 0.0F;
  CHECK(seen(*models, params, logits).size() == 4);
}

TEST_CASE("xtc leaves out all but the last of the likely") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.4F, 0.3F, 0.2F, 0.1F});
  SamplingParams params = plain();
  params.xtc_probability = 1.0F;
  params.xtc_threshold = 0.15F;
  CHECK(seen(*models, params, logits) == Tokens{102, 103});
  params.xtc_probability = 0.5F;
  CHECK(seen(*models, params, logits).size() == 4);
  params.xtc_probability = 1.0F;
  params.xtc_threshold = 0.51F;
  CHECK(seen(*models, params, logits).size() == 4);
  params.xtc_threshold = 0.15F;
  params.temperature = 0; // not the best any more
  CHECK(seen(*models, params, logits) == Tokens{102});
}

TEST_CASE("dynamic temperature is low where the model is sure") {
  const auto models = load("demo");
  const std::vector<float> sure = distribution(*models, {0.9F, 0.05F, 0.05F});
  const std::vector<float> unsure = distribution(*models, {0.34F, 0.33F, 0.33F});
  SamplingParams params = plain();
  params.top_k = 3;
  params.dynatemp_range = 1.0F; // 0 to 2
  const int fixed = counts(draw(*models, plain(), sure, 2000))[100];
  CHECK(counts(draw(*models, params, sure, 2000))[100] > fixed + 50);
  CHECK(counts(draw(*models, params, unsure, 2000)).at(102) > 500);
  params.dynatemp_exponent = 100.0F; // only the least certain get any heat
  CHECK(counts(draw(*models, params, sure, 2000)).size() == 1);
}

TEST_CASE("mirostat steers the surprise, and keeps the penalties") {
  const auto models = load("demo");
  std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), -1e9F);
  for (std::size_t i = 0; i < 64; ++i) {
    logits[100 + i] = -0.1F * static_cast<float>(i);
  }
  for (const std::int32_t version : {1, 2}) {
    CAPTURE(version);
    SamplingParams params = plain();
    params.mirostat = version;
    params.mirostat_eta = 0.5F;
    params.mirostat_tau = 5.0F;
    const std::size_t n_wide = counts(draw(*models, params, logits)).size();
    params.mirostat_tau = 1.0F;
    const std::size_t n_narrow = counts(draw(*models, params, logits)).size();
    CHECK(n_narrow < n_wide);
    params.top_k = 1; // cuts nothing beside mirostat
    CHECK(counts(draw(*models, params, logits)).size() > 1);
    params.presence_penalty = 1000.0F;
    params.repeat_last_n = 1;
    const auto sampler = models->samplers->make(params, std::vector<Token>{100});
    for (int i = 0; i < 50; ++i) {
      CHECK(sampler->sample(logits) != 100);
    }
    params.temperature = 0;
    params.presence_penalty = 0;
    CHECK(seen(*models, params, logits) == Tokens{100});
  }
}

TEST_CASE("dry makes the continuation of a repetition unlikely") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.9F, 0.1F});
  const std::vector<Token> said = {50, 51, 52, 100, 60, 50, 51, 52};
  SamplingParams params;
  params.temperature = 0;
  const auto next = [&](const std::vector<Token> &prompt) {
    return models->samplers->make(params, prompt)->sample(logits);
  };
  CHECK(next(said) == 100);
  params.dry_multiplier = 2.0F;
  CHECK(next(said) == 101); // 2 * 1.75 is more than the distance of 2.2
  params.dry_allowed_length = 3;
  CHECK(next(said) == 100);
  params.dry_allowed_length = 2;
  params.dry_penalty_last_n = 4;
  CHECK(next(said) == 100);
  params.dry_penalty_last_n = -1;
  params.dry_base = 1.0F;
  CHECK(next(said) == 100);
  params.dry_base = 1.75F;
  params.dry_sequence_breakers = {models->vocab->piece(52, true)};
  CHECK(next(said) == 100);
  params.samplers = {"temperature"};
  params.dry_sequence_breakers.clear();
  CHECK(next(said) == 100);
  params.samplers = {"top_k", "dry", "temperature"};
  CHECK(next(said) == 101);
}

TEST_CASE("penalties last of all act on the candidates that are left") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.6F, 0.4F});
  SamplingParams params;
  params.temperature = 0;
  params.samplers = {"min_p", "penalties", "temperature"};
  params.frequency_penalty = 1.0F;
  params.repeat_last_n = -1;
  CHECK(models->samplers->make(params, std::vector<Token>{100})->sample(logits) == 101);
  CHECK(models->samplers->make(params, std::vector<Token>{7})->sample(logits) == 100);
}

TEST_CASE("logit_bias adds, and bans") {
  const auto models = load("demo");
  const std::vector<float> logits = distribution(*models, {0.5F, 0.3F, 0.2F});
  SamplingParams params;
  params.temperature = 0;
  params.logit_bias = {{102, "", 2.0F}};
  CHECK(seen(*models, params, logits) == Tokens{102});
  params.logit_bias = {{100, "", kMinusInfinity}};
  CHECK(seen(*models, params, logits) == Tokens{101});
  params.logit_bias = {{100, "", 5.0F}, {100, "", kMinusInfinity}};
  CHECK(seen(*models, params, logits) == Tokens{101});
  Token word = 300;
  std::string text;
  do {
    text = models->vocab->piece(++word, true);
  } while (models->vocab->tokenize(text, {false, true}) != std::vector<Token>{word});
  std::vector<float> worded(logits.size(), -9.0F);
  worded[static_cast<std::size_t>(word)] = 2.0F;
  worded[100] = 1.0F;
  params.logit_bias.clear();
  CHECK(seen(*models, params, worded) == Tokens{word});
  params.logit_bias = {{kNoToken, text, kMinusInfinity}};
  CHECK(seen(*models, params, worded) == Tokens{100});
  params = plain();
  params.logit_bias = {{100, "", kMinusInfinity}, {101, "", kMinusInfinity}};
  for (const std::int32_t top_k : {0, 2}) {
    params.top_k = top_k;
    CHECK(seen(*models, params, logits) == Tokens{102});
  }
}

TEST_CASE("a ban of everything is an error of the request") {
  const auto models = load("demo");
  const std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), 0.0F);
  for (const float temperature : {0.0F, 1.0F}) {
    SamplingParams params;
    params.temperature = temperature;
    std::vector<float> impossible(logits.size(), kMinusInfinity);
    impossible[100] = 0;
    params.logit_bias = {{100, "", kMinusInfinity}};
    const auto sampler = models->samplers->make(params, {});
    CHECK(error_of([&] { sampler->sample(impossible); }).param() == "logit_bias");
  }
}

TEST_CASE("ignore_eos bans every token that ends the text") {
  const auto models = load("demo");
  std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), 0.0F);
  Token end = kNoToken;
  for (Token token = 0; token < models->info.n_vocab; ++token) {
    if (models->vocab->is_end_of_generation(token)) {
      end = token;
      logits[static_cast<std::size_t>(token)] = 50.0F;
    }
  }
  REQUIRE(end != kNoToken);
  SamplingParams params;
  params.seed = 1;
  CHECK(models->vocab->is_end_of_generation(draw(*models, params, logits, 1).front()));
  params.ignore_eos = true;
  for (const Token token : draw(*models, params, logits)) {
    CHECK(!models->vocab->is_end_of_generation(token));
  }
}

TEST_CASE("what the other samplers cannot honour is refused by name") {
  const auto models = load("demo");
  const auto refused = [&](auto change) { return refused_parameter(*models, change); };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  using P = SamplingParams;
  CHECK(refused([](P &p) { p.samplers = {"top_k", "tail_free"}; }) == "samplers");
  CHECK(refused([](P &p) { p.samplers.assign(17, "top_k"); }) == "samplers");
  CHECK(refused([](P &p) { p.typical_p = 1.1F; }) == "typical_p");
  CHECK(refused([&](P &p) { p.top_n_sigma = nan; }) == "top_n_sigma");
  CHECK(refused([](P &p) { p.xtc_probability = -0.1F; }) == "xtc_probability");
  CHECK(refused([](P &p) { p.xtc_threshold = 2; }) == "xtc_threshold");
  CHECK(refused([](P &p) { p.dynatemp_range = -1; }) == "dynatemp_range");
  CHECK(refused([&](P &p) { p.dynatemp_exponent = nan; }) == "dynatemp_exponent");
  CHECK(refused([](P &p) { p.mirostat = 3; }) == "mirostat");
  CHECK(refused([](P &p) { p.mirostat_tau = -1; }) == "mirostat_tau");
  CHECK(refused([&](P &p) { p.mirostat_eta = nan; }) == "mirostat_eta");
  CHECK(refused([](P &p) { p.min_keep = -1; }) == "min_keep");
  CHECK(refused([](P &p) { p.dry_multiplier = -1; }) == "dry_multiplier");
  CHECK(refused([](P &p) { p.dry_base = 0.5F; }) == "dry_base");
  CHECK(refused([](P &p) { p.dry_allowed_length = -1; }) == "dry_allowed_length");
  CHECK(refused([](P &p) { p.dry_penalty_last_n = -2; }) == "dry_penalty_last_n");
  CHECK(refused([](P &p) { p.dry_sequence_breakers = {""}; }) == "dry_sequence_breakers");
  CHECK(refused([](P &p) { p.dry_sequence_breakers.assign(17, "x"); }) == "dry_sequence_breakers");
  CHECK(refused([](P &p) { p.logit_bias = {{1 << 30, "", 1}}; }) == "logit_bias");
  CHECK(refused([](P &p) { p.logit_bias = {{-1, "", 1}}; }) == "logit_bias");
  CHECK(refused([&](P &p) { p.logit_bias = {{1, "", nan}}; }) == "logit_bias");
}
