#include "engine/context_shift.h"
#include "rig.h"
#include "shifted_text.h"

#include <doctest/doctest.h>

#include <array>
#include <numeric>

using namespace llamabox;

namespace {

EngineParams shifting(std::int32_t n_keep = 0) {
  EngineParams params;
  params.context_shift = true;
  params.n_keep = n_keep;
  return params;
}

FakeModelParams small_model() {
  FakeModelParams model;
  model.n_ctx = 64;
  model.n_cells = 256;
  return model;
}

// Drops what makes the slot's range private out of the way: one request that begins likewise.
std::string after(Rig &rig, const std::string &prompt, std::int32_t max_tokens) {
  const RequestId id = rig.generate(prompt, max_tokens);
  rig.run_until_idle();
  return rig.text(id);
}

} // namespace

TEST_CASE("the first tokens stay, of the rest the older half goes") {
  CHECK(range_to_drop(63, 0, 64).begin == 1); // models lean on the first token
  CHECK(range_to_drop(63, 0, 64).end == 32);
  CHECK(range_to_drop(63, 11, 64).begin == 11);
  CHECK(range_to_drop(63, 11, 64).end == 37);
  CHECK(range_to_drop(63, 55, 64).size() == 4);
  CHECK(range_to_drop(63, 56, 64).size() == 0); // a shift would win too little
  CHECK(range_to_drop(63, 1000000, 64).size() == 0);
}

TEST_CASE("as many tokens go as are asked for, or all that may") {
  CHECK(range_to_drop(63, 11, 64, 10).begin == 11);
  CHECK(range_to_drop(63, 11, 64, 10).end == 21);
  CHECK(range_to_drop(63, 11, 64, 1000).end == 63);
  CHECK(range_to_drop(63, 60, 64, 1000).size() == 0);
}

TEST_CASE("a prompt too long loses whole blocks after its first tokens") {
  std::vector<Token> tokens(100);
  std::iota(tokens.begin(), tokens.end(), 0);
  const std::vector<Token> kept = without_blocks(tokens, 4, 64); // blocks of 30
  REQUIRE(kept.size() == 40);
  CHECK(kept[3] == 3);
  CHECK(kept[4] == 64);
  CHECK(kept.back() == 99);
  CHECK(without_blocks(std::span(tokens).first(64), 4, 64).size() == 34);
  CHECK(without_blocks(tokens, 60, 64).empty());
  CHECK(without_blocks(tokens, 100, 64).empty());
}

TEST_CASE("a text outlives its context, as cells dropped by hand have it") {
  for (const std::int32_t n_keep : {0, 10, 40}) {
    CAPTURE(n_keep);
    Rig rig(small_model(), shifting(n_keep));
    const RequestId id = rig.generate("a prompt of some length", 300);
    rig.run_until_idle();
    CHECK(rig.text(id) == shifted_text("a prompt of some length", 300, n_keep, small_model()));
    CHECK(rig.outcome(id).finish.at(0) == FinishReason::kLength);
    CHECK(rig.done(id).usage.n_generated == 300);
    CHECK(rig.done(id).usage.n_dropped > 200);
    CHECK(rig.kv().n_drops > 5);
    CHECK(rig.scheduler().stats().n_context_shifts == static_cast<std::uint64_t>(rig.kv().n_drops));
  }
}

TEST_CASE("a request's own n_keep counts; -1 is its prompt") {
  Rig rig(small_model(), shifting(30));
  for (const std::int32_t n_keep : {5, -1}) {
    Request request = Rig::generate_request("a prompt of some length", 200);
    std::get<GenerateRequest>(request.body).n_keep = n_keep;
    const RequestId id = rig.submit(std::move(request));
    rig.run_until_idle();
    const std::int32_t n_kept = n_keep < 0 ? 23 : n_keep;
    CHECK(rig.text(id) == shifted_text("a prompt of some length", 200, n_kept, small_model()));
  }
}

TEST_CASE("a request says how much it loses at once, but not too little") {
  for (const std::int32_t n_discard : {4, 7, 50, 1000}) {
    CAPTURE(n_discard);
    Rig rig(small_model(), shifting(5));
    Request request = Rig::generate_request("a prompt of some length", 200);
    std::get<GenerateRequest>(request.body).n_discard = n_discard;
    const RequestId id = rig.submit(std::move(request));
    rig.run_until_idle();
    CHECK(rig.text(id) ==
          shifted_text("a prompt of some length", 200, 5, small_model(), n_discard));
  }
  Rig rig(small_model(), shifting());
  for (const std::int32_t n_discard : {-1, 1, 3}) {
    Request request = Rig::generate_request("hi", 200);
    std::get<GenerateRequest>(request.body).n_discard = n_discard;
    const RequestId id = rig.submit(std::move(request));
    rig.run_until_idle();
    CHECK(rig.done(id).error == ErrorCode::kInvalidArgument);
    CHECK(rig.done(id).param == "n_discard");
  }
}

TEST_CASE("without a limit of its own a text ends after one context") {
  Rig rig(small_model(), shifting());
  const RequestId id = rig.generate("hi", -1);
  rig.run_until_idle();
  CHECK(rig.done(id).usage.n_generated == 64);
  CHECK(rig.outcome(id).finish.at(0) == FinishReason::kLength);
}

TEST_CASE("a full context ends the text when nothing may or can be dropped") {
  const auto n_generated = [](FakeModelParams model, EngineParams params) {
    Rig rig(model, params);
    const RequestId id = rig.generate("hi", 300);
    rig.run_until_idle();
    CHECK(rig.outcome(id).finish.at(0) == FinishReason::kLength);
    CHECK(rig.kv().n_drops == 0);
    return rig.done(id).usage.n_generated;
  };
  CHECK(n_generated(small_model(), {}) == 62);
  CHECK(n_generated(small_model(), shifting(60)) == 62); // nearly all is kept
  for (const KvKind kind : {KvKind::kRecurrent, KvKind::kHybrid, KvKind::kSlidingWindow}) {
    FakeModelParams model = small_model();
    model.kind = kind;
    CHECK(n_generated(model, shifting()) == 62);
  }
  FakeModelParams model = small_model();
  model.can_shift = false;
  CHECK(n_generated(model, shifting()) == 62);
}

TEST_CASE("a prompt too long is shortened where the context shifts, else refused") {
  const std::string prompt = "0123456789" + std::string(70, 'x') + "the end of it";
  Rig rig(small_model(), shifting(10));
  const RequestId id = rig.generate(prompt, 20);
  rig.run_until_idle();
  // Blocks of 27 after 10 tokens: two of them go.
  const std::string kept = prompt.substr(0, 10) + prompt.substr(64);
  CHECK(rig.text(id) == alone(kept, 20));
  CHECK(rig.done(id).usage.n_prompt == static_cast<std::int32_t>(kept.size()));
  CHECK(rig.done(id).usage.n_dropped == 54);

  Rig strict(small_model());
  const RequestId refused = strict.generate(prompt, 20);
  strict.run_until_idle();
  CHECK(strict.done(refused).error == ErrorCode::kContextExceeded);
}

TEST_CASE("cells of a running neighbour are not moved: the rest is computed anew") {
  FakeModelParams model = small_model();
  model.n_slots = 2;
  const std::string prompt(40, 'p');
  Rig rig(model, shifting());
  const RequestId neighbour = rig.generate(prompt + "1", 20); // shares 40 cells
  for (int i = 0; i < 2; ++i) {
    rig.step();
  }
  const RequestId shifts = rig.generate(prompt + "2", 23);
  const RequestId later = rig.generate(prompt + "1", 20);
  rig.run_until_idle();
  CHECK(rig.text(neighbour) == alone(prompt + "1", 20));
  CHECK(rig.text(later) == alone(prompt + "1", 20));
  CHECK(rig.text(shifts).substr(0, 22) == alone(prompt + "2", 22));
  CHECK(rig.done(shifts).usage.n_generated == 23);
}

TEST_CASE("a shift among sharers leaves every neighbour as it was") {
  // The choices share their prompt; all of them shift, some while others still hold it.
  FakeModelParams model = small_model();
  model.n_slots = 3;
  Rig rig(model, shifting());
  const std::string prompt(40, 'p');
  const RequestId all = rig.generate(prompt, 60, 3);
  for (int i = 0; i < 4; ++i) {
    rig.step();
  }
  rig.run_until_idle();
  CHECK(rig.scheduler().stats().n_context_shifts >= 3);
  for (std::int32_t choice = 0; choice < 3; ++choice) {
    CHECK(rig.text(all, choice).size() == 60);
    CHECK(rig.text(all, choice).substr(0, 24) == alone(prompt, 24));
  }
  CHECK(rig.scheduler().stats().n_kv_used == rig.kv().n_used());
}

TEST_CASE("a retained prefix gives way to a shift") {
  Rig rig(small_model(), shifting());
  const std::string prompt(40, 'p');
  after(rig, prompt + " and one more", 4);
  Request request = Rig::generate_request(prompt, 200);
  std::get<GenerateRequest>(request.body).slot = 2; // not the one that holds it
  const RequestId id = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.text(id) == shifted_text(prompt, 200, 0, small_model()));
  CHECK(rig.kv().n_shares == 1);
  CHECK(rig.kv().n_drops > 0);
}

TEST_CASE("moved cells are no prefix for others") {
  Rig rig(small_model(), shifting());
  const std::string prompt = "a prompt of some length";
  const std::string text = after(rig, prompt, 100);
  // What is in KV now: the first token and the end of the text.
  const std::string context = prompt.substr(0, 1) + text.substr(text.size() - 30);
  CHECK(after(rig, context, 10) == alone(context, 10));
}

TEST_CASE("who shifted and loses its cells ends with what it has") {
  FakeModelParams model = small_model();
  model.n_slots = 2;
  model.n_cells = 96;
  Rig rig(model, shifting());
  const RequestId elder = rig.generate("four", 55);
  rig.step();
  const std::string prompt(40, 'q');
  const RequestId younger = rig.generate(prompt, 100);
  rig.run_until_idle();
  CHECK(rig.text(elder) == alone("four", 55));
  CHECK(rig.outcome(younger).finish.at(0) == FinishReason::kLength);
  const std::string &text = rig.text(younger);
  CHECK(text.size() > 24);
  CHECK(text.size() < 100);
  CHECK(text == shifted_text(prompt, 100, 0, model).substr(0, text.size()));
}

TEST_CASE("later parts of a retained prompt are reused in their new place") {
  const std::string system = "You are kind. ";
  const std::string old_turn = "An old turn that is cut off later. ";
  const std::string turn = "A turn that stays in the conversation. ";
  EngineParams params;
  params.n_cache_reuse = 16;
  const auto second = [&](std::int32_t n_cache_reuse, FakeModelParams model = {}) {
    EngineParams with = params;
    with.n_cache_reuse = n_cache_reuse;
    Rig rig(model, with);
    after(rig, system + old_turn + turn + "Why?", 1);
    const RequestId id = rig.generate(system + turn + "How?", 5);
    rig.run_until_idle();
    CHECK(rig.text(id).size() == 5);
    CHECK((rig.kv().n_drops == 0 || rig.text(id) != alone(system + turn + "How?", 5)));
    return rig.done(id).usage.n_cached;
  };
  // "A" of the turn is that of the old turn too: the common prefix takes one more.
  const auto n_system = static_cast<std::int32_t>(system.size() + 1);
  const auto n_turn = static_cast<std::int32_t>(turn.size() - 1);
  CHECK(second(16) == n_system + n_turn);
  CHECK(second(0) == n_system);
  CHECK(second(n_turn + 1) == n_system);
  FakeModelParams fixed;
  fixed.can_shift = false;
  CHECK(second(16, fixed) == n_system);
}

TEST_CASE("choices and running neighbours have no part in reused chunks") {
  EngineParams params;
  params.n_cache_reuse = 4;
  Rig rig({}, params);
  const std::string turns = "0123456789 abcdefghijklmnop";
  after(rig, turns, 1);
  const RequestId choices = rig.generate("abcdefghijklmnop!", 6, 2);
  rig.run_until_idle();
  CHECK(rig.kv().n_drops == 0);
  CHECK(rig.text(choices, 1) == alone("abcdefghijklmnop!", 6));
  // A running sequence that shares the chunk keeps it.
  const RequestId running = rig.generate(turns + "?", 40);
  for (int i = 0; i < 3; ++i) {
    rig.step();
  }
  after(rig, "abcdefghijklmnop?", 3);
  CHECK(rig.text(running) == alone(turns + "?", 40));
}
