// Sequences with different LoRA sets: they never share a step, take turns, and come out as alone.
#include "rig.h"

#include <doctest/doctest.h>

#include <set>

using namespace llamabox;

namespace {

FakeModelParams model_of(std::int32_t n_slots) {
  return {.n_ctx = 512, .n_cells = 4096, .n_batch = 32, .n_slots = n_slots, .n_loras = 2};
}

Request request_with(const std::string &prompt, std::optional<LoraSet> loras,
                     std::int32_t max_tokens = 24) {
  Request request = Rig::generate_request(prompt, max_tokens);
  std::get<GenerateRequest>(request.body).loras = std::move(loras);
  return request;
}

std::string text_alone(const std::string &prompt, std::optional<LoraSet> loras) {
  Rig rig(model_of(1));
  const RequestId id = rig.submit(request_with(prompt, std::move(loras)));
  rig.run_until_idle();
  return rig.text(id);
}

Request set_request(LoraSet loras) {
  SideRequest side;
  side.call.kind = SideKind::kSetLora;
  side.call.loras = std::move(loras);
  Request request;
  request.body = std::move(side);
  return request;
}

} // namespace

TEST_CASE("each set of adapters has its own text, and a scale of 0 is none") {
  const std::string none = text_alone("hello", LoraSet{});
  const std::string first = text_alone("hello", LoraSet{{0, 1.0F}});
  CHECK(none == text_alone("hello", LoraSet{{0, 0.0F}, {1, 0.0F}}));
  CHECK(none != first);
  CHECK(first != text_alone("hello", LoraSet{{0, 0.5F}}));
  CHECK(first != text_alone("hello", LoraSet{{1, 1.0F}}));
  // Who names none gets what counts at the start.
  CHECK(text_alone("hello", {}) == text_alone("hello", LoraSet{{0, 1.0F}, {1, 2.0F}}));
}

TEST_CASE("a mix of sets gives everybody what they get alone, and no step mixes them") {
  const std::vector<std::optional<LoraSet>> sets{LoraSet{}, LoraSet{{0, 1.0F}}, LoraSet{{1, 0.5F}},
                                                 std::nullopt, LoraSet{{0, 1.0F}}};
  Rig rig(model_of(3));
  std::vector<std::pair<RequestId, std::string>> expected;
  for (int round = 0; round < 4; ++round) {
    for (const auto &set : sets) {
      const std::string prompt = std::string(static_cast<std::size_t>(5 + 20 * round), 'p');
      expected.emplace_back(rig.submit(request_with(prompt, set)), text_alone(prompt, set));
    }
    rig.step();
  }
  while (!rig.scheduler().idle()) {
    rig.step();
    CHECK(rig.scheduler().state().n_classes <= 1);
  }
  for (const auto &[id, text] : expected) {
    CHECK(rig.text(id) == text);
  }
  CHECK(rig.runner().n_switches > 4);
}

TEST_CASE("a long request of one class does not hold up another class") {
  Rig rig(model_of(2));
  rig.submit(request_with("first", LoraSet{}, 400));
  rig.step();
  const RequestId other = rig.submit(request_with("second", LoraSet{{0, 1.0F}}, 4));
  int n_steps = 0;
  while (rig.outcome(other).done.empty()) {
    rig.step();
    ++n_steps;
  }
  CHECK(n_steps <= kClassQuantum + 5);
}

TEST_CASE("a returning set finds the prefix that it left, another set does not") {
  Rig rig(model_of(2));
  const auto n_cached = [&](LoraSet set) {
    const RequestId id = rig.submit(request_with("the same prompt", std::move(set), 4));
    rig.run_until_idle();
    return rig.done(id).usage.n_cached;
  };
  CHECK(n_cached({{0, 1.0F}}) == 0);
  CHECK(n_cached({{1, 1.0F}}) == 0);
  CHECK(n_cached({{0, 1.0F}}) > 0);
  CHECK(n_cached({{0, 1.0F}, {1, 0.0F}}) > 0);
}

TEST_CASE("the set that counts by default can be changed, and comes back") {
  const std::string before = text_alone("hello", {});
  Rig rig(model_of(2));
  const RequestId set = rig.submit(set_request({{0, 0.25F}}));
  rig.run_until_idle();
  CHECK(rig.done(set).error == ErrorCode::kNone);
  const RequestId changed = rig.submit(request_with("hello", {}));
  rig.run_until_idle();
  CHECK(rig.text(changed) == text_alone("hello", LoraSet{{0, 0.25F}}));
  rig.submit(set_request({{0, 1.0F}, {1, 2.0F}}));
  const RequestId back = rig.submit(request_with("hello", {}));
  rig.run_until_idle();
  CHECK(rig.text(back) == before);
}

TEST_CASE("adapters that do not exist or are named twice end the request") {
  Rig rig(model_of(2));
  for (const LoraSet &set : {LoraSet{{2, 1.0F}}, LoraSet{{-1, 1.0F}}, LoraSet{{0, 1}, {0, 2}}}) {
    for (Request request : {request_with("x", set), set_request(set)}) {
      const RequestId id = rig.submit(std::move(request));
      rig.run_until_idle();
      CHECK(rig.done(id).error == ErrorCode::kInvalidArgument);
      CHECK(rig.done(id).param == "lora");
    }
  }
  Rig without({.n_loras = 0});
  const RequestId id = without.submit(set_request({}));
  without.run_until_idle();
  CHECK(without.done(id).error == ErrorCode::kUnsupported);
}

TEST_CASE("without the prompt cache nothing of an earlier request is reused") {
  EngineParams params;
  params.cache_prompt = false;
  Rig rig({.n_ctx = 512, .n_cells = 512}, params);
  for (int i = 0; i < 3; ++i) {
    const RequestId id = rig.generate("the same prompt", 8);
    rig.run_until_idle();
    CHECK(rig.done(id).usage.n_cached == 0);
    CHECK(rig.text(id) == alone("the same prompt", 8));
  }
  // Choices of one request still share theirs.
  rig.generate(std::string(100, 'p'), 4, 3);
  rig.run_until_idle();
  CHECK(rig.scheduler().stats().n_cached_tokens >= 2 * 99);
}
