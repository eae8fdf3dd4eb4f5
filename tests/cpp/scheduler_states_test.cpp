// Prefixes on every kind of memory: where a sequence cannot go back or share at any place, states
// are kept on the way.
#include "rig.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace llamabox;

namespace {

constexpr KvKind kKinds[] = {KvKind::kUnified, KvKind::kRecurrent, KvKind::kHybrid, KvKind::kSplit,
                             KvKind::kSlidingWindow};

EngineParams with_ram() {
  EngineParams params;
  params.cache_ram_bytes = 1 << 26;
  return params;
}

FakeModelParams model_of(KvKind kind, std::int32_t n_slots) {
  FakeModelParams model;
  model.kind = kind;
  model.n_ctx = 4096;
  model.n_cells = 1 << 16;
  model.n_batch = 256;
  model.n_slots = n_slots;
  model.n_window = kind == KvKind::kSlidingWindow ? 64 : 0;
  return model;
}

// The cached tokens of a request that runs alone, after its text was compared.
std::int32_t cached_of(Rig &rig, const std::string &prompt, std::int32_t max_tokens = 6) {
  const RequestId id = rig.generate(prompt, max_tokens);
  rig.run_until_idle();
  CHECK(rig.text(id) == alone(prompt, max_tokens));
  return rig.done(id).usage.n_cached;
}

} // namespace

TEST_CASE("sixteen requests that begin alike read it once on every kind of memory") {
  for (const KvKind kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    Rig rig(model_of(kind, 16), with_ram());
    const std::string common(2000, 's');
    std::vector<std::pair<RequestId, std::string>> asked;
    for (int i = 0; i < 16; ++i) {
      const std::string prompt = common + " question " + std::to_string(i);
      asked.emplace_back(rig.generate(prompt, 8), prompt);
    }
    rig.run_until_idle();
    for (const auto &[id, prompt] : asked) {
      CHECK(rig.text(id) == alone(prompt, 8));
    }
    const auto n_one = static_cast<double>(asked[0].second.size());
    CHECK(static_cast<double>(rig.scheduler().stats().n_prompt_tokens) <= 1.15 * n_one);
    CHECK(rig.scheduler().stats().n_joined_tokens >= 15 * 2000);
    CHECK(rig.done(asked[9].first).usage.n_cached >= 2000);
  }
}

TEST_CASE("choices share a prompt on every kind of memory") {
  for (const KvKind kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    Rig rig(model_of(kind, 4), with_ram());
    const RequestId id = rig.generate(std::string(500, 'p'), 8, 4);
    rig.run_until_idle();
    CHECK(rig.scheduler().stats().n_prompt_tokens < 550);
    for (std::int32_t choice = 0; choice < 4; ++choice) {
      CHECK(rig.text(id, choice) == alone(std::string(500, 'p'), 8));
    }
  }
}

TEST_CASE("when the leader is cancelled, another one reads on every kind of memory") {
  for (const KvKind kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    Rig rig(model_of(kind, 4), with_ram());
    const std::string common(1000, 'c');
    const RequestId leader = rig.generate(common + "1", 8);
    const RequestId second = rig.generate(common + "2", 8);
    const RequestId third = rig.generate(common + "3", 8);
    rig.step();
    rig.step();
    rig.cancel(leader);
    rig.run_until_idle();
    CHECK(rig.text(second) == alone(common + "2", 8));
    CHECK(rig.text(third) == alone(common + "3", 8));
  }
}

TEST_CASE("what two prompts began with is there for a third one") {
  for (const KvKind kind : {KvKind::kRecurrent, KvKind::kHybrid, KvKind::kSlidingWindow}) {
    CAPTURE(static_cast<int>(kind));
    Rig rig(model_of(kind, 1), with_ram());
    const std::string common(250, 'c');
    CHECK(cached_of(rig, common + std::string(300, 'x')) == 0);
    CHECK(cached_of(rig, common + std::string(300, 'y')) == 0);
    CHECK(cached_of(rig, common + std::string(300, 'z')) == 250);
  }
}

TEST_CASE("a second turn that leaves out the answer takes the first one's prompt") {
  for (const KvKind kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    Rig rig(model_of(kind, 1), with_ram());
    const std::string first(300, 'p');
    CHECK(cached_of(rig, first, 100) == 0);
    CHECK(cached_of(rig, first + "something else", 100) >= 299);
  }
}

TEST_CASE("where nothing can be cut off, states are farther and farther from the end") {
  for (const KvKind kind : {KvKind::kRecurrent, KvKind::kHybrid}) {
    Rig rig(model_of(kind, 1), with_ram());
    std::string prompt;
    for (int i = 0; i < 600; ++i) {
      prompt += std::to_string(10000 + i);
    }
    cached_of(rig, prompt); // of 3,000 tokens
    CHECK(cached_of(rig, prompt.substr(0, 2800) + "other") == 2999 - 256);
    CHECK(cached_of(rig, prompt.substr(0, 2700) + "other") == 2999 - 1024);
    CHECK(cached_of(rig, prompt.substr(0, 1500) + "other") == 0);
  }
}

TEST_CASE("without RAM the cold path is right") {
  for (const KvKind kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    Rig rig(model_of(kind, 2));
    const std::string common(400, 'c');
    std::vector<std::pair<RequestId, std::string>> asked;
    for (int i = 0; i < 4; ++i) {
      const std::string prompt = common + std::to_string(i);
      asked.emplace_back(rig.generate(prompt, 70), prompt);
    }
    rig.run_until_idle();
    for (const auto &[id, prompt] : asked) {
      CHECK(rig.text(id) == alone(prompt, 70));
    }
  }
}
