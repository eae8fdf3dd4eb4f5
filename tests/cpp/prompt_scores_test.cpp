// Prompts that are scored: the logprobs of their tokens, however the prompt is read.
#include "engine/logprobs.h"
#include "rig.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

constexpr std::int32_t kBest = 2;

FakeModelParams model_of(std::int32_t n_outputs = 1 << 30) {
  FakeModelParams model;
  model.n_ctx = 400;
  model.n_cells = 800;
  model.n_batch = 64;
  model.n_outputs = n_outputs;
  return model;
}

Request scored(const std::string &prompt, std::int32_t max_tokens, std::int32_t n = 1) {
  Request request = Rig::generate_request(prompt, max_tokens, n);
  auto &generate = std::get<GenerateRequest>(request.body);
  generate.n_logprobs = kBest;
  generate.score_prompt = true;
  return request;
}

// What a runner with nothing else to do says of each token behind the first.
std::vector<TokenLogprobs> expected(const std::string &prompt) {
  FakeModelParams model = model_of();
  model.n_batch = static_cast<std::int32_t>(prompt.size());
  FakeHandles fakes;
  const auto models = load_fake_models(model, &fakes);
  Batch batch;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const auto pos = static_cast<Pos>(i);
    Row row;
    row.token = static_cast<unsigned char>(prompt[i]);
    row.pos = {pos, pos, pos, pos};
    row.logits = true;
    batch.push_back(row);
  }
  REQUIRE(models->runner->decode(batch) == DecodeStatus::kOk);
  std::vector<TokenLogprobs> scores;
  for (std::size_t i = 1; i < prompt.size(); ++i) {
    const auto logits = models->runner->logits(static_cast<std::int32_t>(i) - 1);
    scores.push_back(token_logprobs(logits, batch[i].token, kBest, *models->vocab));
  }
  return scores;
}

// Holds the answer of the fake, so that some tokens are likely and some are not.
std::string prompt_of(std::size_t n, const std::string &begin = "Once upon") {
  std::string prompt = begin;
  while (prompt.size() < n) {
    prompt += alone(prompt, 3) + "-x";
  }
  prompt.resize(n);
  return prompt;
}

void check_scores(const std::vector<TokenLogprobs> &found, const std::string &prompt) {
  const std::vector<TokenLogprobs> wanted = expected(prompt);
  REQUIRE(found.size() == prompt.size());
  CHECK(found[0].chosen.token == static_cast<unsigned char>(prompt[0]));
  CHECK(found[0].chosen.bytes == prompt.substr(0, 1));
  CHECK(found[0].chosen.logprob == 0);
  CHECK(found[0].best.empty());
  for (std::size_t i = 1; i < found.size(); ++i) {
    CHECK(found[i].chosen.token == wanted[i - 1].chosen.token);
    CHECK(found[i].chosen.logprob == wanted[i - 1].chosen.logprob);
    REQUIRE(found[i].best.size() == kBest);
    CHECK(found[i].best[0].token == wanted[i - 1].best[0].token);
    CHECK(found[i].best[1].logprob == wanted[i - 1].best[1].logprob);
  }
}

} // namespace

TEST_CASE("each token of a prompt has the logprob of a run that does nothing else") {
  const std::string prompt = prompt_of(150);
  for (const std::int32_t n_outputs : {4, 7, 64, 1 << 30}) {
    CAPTURE(n_outputs);
    Rig rig(model_of(n_outputs));
    const RequestId id = rig.submit(scored(prompt, 8));
    rig.run_until_idle();
    check_scores(rig.outcome(id).prompt, prompt);
    CHECK(rig.text(id) == alone(prompt, 8));
    CHECK(rig.outcome(id).logprobs.size() == 8);
    CHECK(rig.done(id).usage.n_prompt == 150);
  }
}

TEST_CASE("a prompt may be all that is wanted") {
  for (const std::size_t n : {1, 2, 63, 64, 65}) {
    CAPTURE(n);
    const std::string prompt = prompt_of(n);
    Rig rig(model_of(16));
    const RequestId id = rig.submit(scored(prompt, 0));
    rig.run_until_idle();
    check_scores(rig.outcome(id).prompt, prompt);
    CHECK(rig.text(id).empty());
    CHECK(rig.outcome(id).finish.at(0) == FinishReason::kLength);
    CHECK(rig.done(id).usage.n_generated == 0);
    CHECK(rig.done(id).usage.ttft_ms > 0);
    CHECK(rig.scheduler().stats().n_slots_busy == 0);
  }
}

TEST_CASE("what KV holds already is read again where it is scored") {
  const std::string prompt = prompt_of(100);
  Rig rig(model_of(16));
  rig.generate(prompt, 4);
  rig.run_until_idle();
  const RequestId first = rig.submit(scored(prompt, 4));
  rig.run_until_idle();
  check_scores(rig.outcome(first).prompt, prompt);
  CHECK(rig.done(first).usage.n_cached == 0);
  // What it read is a prefix for others.
  const RequestId next = rig.generate(prompt + "!", 4);
  rig.run_until_idle();
  CHECK(rig.done(next).usage.n_cached == 100);
  CHECK(rig.text(next) == alone(prompt + "!", 4));
}

TEST_CASE("choices share one scored prompt") {
  const std::string prompt = prompt_of(90);
  for (const KvKind kind : {KvKind::kUnified, KvKind::kSplit, KvKind::kRecurrent}) {
    CAPTURE(static_cast<int>(kind));
    FakeModelParams model = model_of(16);
    model.kind = kind;
    Rig rig(model);
    const RequestId id = rig.submit(scored(prompt, 5, 3));
    rig.run_until_idle();
    check_scores(rig.outcome(id).prompt, prompt);
    for (std::int32_t choice = 0; choice < 3; ++choice) {
      CHECK(rig.text(id, choice) == alone(prompt, 5));
    }
    if (kind == KvKind::kUnified) {
      CHECK(rig.scheduler().stats().n_prompt_tokens == 92);
    }
  }
}

TEST_CASE("a preempted prompt goes on where its scores ended") {
  FakeModelParams model = model_of(8);
  model.n_cells = 300;
  Rig rig(model);
  const std::string stream = prompt_of(100, "a stream");
  const std::string prompt = prompt_of(140);
  const RequestId eldest = rig.generate(stream, 100);
  rig.step();
  const RequestId id = rig.submit(scored(prompt, 60));
  rig.run_until_idle();
  CHECK(rig.scheduler().stats().n_preempted > 0);
  check_scores(rig.outcome(id).prompt, prompt);
  CHECK(rig.text(id) == alone(prompt, 60));
  CHECK(rig.text(eldest) == alone(stream, 100));
}

TEST_CASE("prompts in the middle of their scores are preempted and cancelled") {
  FakeModelParams model = model_of(6);
  model.n_cells = 240;
  Rig rig(model);
  const std::string prompt = prompt_of(200);
  const RequestId eldest = rig.generate("a stream", 150);
  const RequestId id = rig.submit(scored(prompt, 0, 2));
  const RequestId gone = rig.submit(scored(prompt, 10, 4));
  for (int i = 0; i < 5; ++i) {
    rig.step();
  }
  rig.cancel(gone);
  rig.run_until_idle();
  CHECK(rig.scheduler().stats().n_preempted > 0);
  check_scores(rig.outcome(id).prompt, prompt);
  CHECK(rig.text(eldest) == alone("a stream", 150));
  CHECK(rig.outcome(gone).done.size() == 1);
  CHECK(rig.scheduler().stats().n_slots_busy == 0);
}

TEST_CASE("a prompt that is scored is never shortened") {
  EngineParams params;
  params.context_shift = true;
  Rig rig(model_of(), params);
  const RequestId long_one = rig.submit(scored(std::string(500, 'a'), 4));
  const RequestId filling = rig.submit(scored(std::string(390, 'a'), 50));
  rig.run_until_idle();
  CHECK(rig.done(long_one).error == ErrorCode::kContextExceeded);
  CHECK(rig.outcome(filling).finish.at(0) == FinishReason::kLength);
  CHECK(rig.done(filling).usage.n_generated == 10);
}

TEST_CASE("scores are asked for together with logprobs") {
  Rig rig;
  Request request = scored("abc", 4);
  std::get<GenerateRequest>(request.body).n_logprobs = -1;
  const RequestId id = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.done(id).error == ErrorCode::kInvalidArgument);
}
