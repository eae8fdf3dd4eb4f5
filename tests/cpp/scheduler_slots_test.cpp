// Slots are saved, restored and erased between steps, on every kind of memory.
#include "rig.h"

#include <doctest/doctest.h>

using namespace llamabox;

namespace {

RequestId call(Rig &rig, SideKind kind, std::int32_t slot,
               std::shared_ptr<SavedSlot> saved = nullptr) {
  SideRequest side;
  side.call.kind = kind;
  side.call.slot = slot;
  side.call.saved = std::move(saved);
  Request request;
  request.body = std::move(side);
  const RequestId id = rig.submit(std::move(request));
  rig.step();
  return id;
}

RequestId generate_on(Rig &rig, std::int32_t slot, const std::string &prompt,
                      std::int32_t max_tokens) {
  Request request = Rig::generate_request(prompt, max_tokens);
  std::get<GenerateRequest>(request.body).slot = slot;
  return rig.submit(std::move(request));
}

std::shared_ptr<SavedSlot> copy_of(const SavedSlot &saved) {
  return std::make_shared<SavedSlot>(saved);
}

FakeModelParams model_of(KvKind kind) {
  FakeModelParams model;
  model.kind = kind;
  model.n_cells = 1024;
  return model;
}

} // namespace

TEST_CASE("saved, restored and continued equals undisturbed, on every kind of memory") {
  for (const KvKind kind : {KvKind::kUnified, KvKind::kSplit, KvKind::kRecurrent, KvKind::kHybrid,
                            KvKind::kSlidingWindow}) {
    CAPTURE(static_cast<int>(kind));
    Rig rig(model_of(kind));
    const RequestId first = generate_on(rig, 2, "a conversation", 10);
    rig.run_until_idle();
    const RequestId saved = call(rig, SideKind::kSlotSave, 2);
    REQUIRE(rig.done(saved).result);
    const SavedSlot state = *rig.done(saved).result->saved;
    CHECK(rig.done(saved).result->n_slot_tokens == 23); // the last token is not in KV
    CHECK(state.n_exact == 23);

    // Another server of the same model.
    Rig other(model_of(kind));
    const RequestId restored = call(other, SideKind::kSlotRestore, 1, copy_of(state));
    REQUIRE(other.done(restored).error == ErrorCode::kNone);
    CHECK(other.scheduler().stats().n_kv_used == other.kv().n_used());
    const std::string prompt = "a conversation" + rig.text(first) + "goes on";
    const RequestId next = other.generate(prompt, 12);
    other.run_until_idle();
    CHECK(other.text(next) == alone(prompt, 12));
    CHECK(other.done(next).usage.n_cached == 23);
  }
}

TEST_CASE("what is not there or busy is not saved") {
  Rig rig;
  CHECK(rig.done(call(rig, SideKind::kSlotSave, 0)).error == ErrorCode::kNotFound);
  CHECK(rig.done(call(rig, SideKind::kSlotSave, 4)).error == ErrorCode::kNotFound);
  CHECK(rig.done(call(rig, SideKind::kSlotErase, -1)).error == ErrorCode::kNotFound);
  generate_on(rig, 0, "runs", 50);
  rig.step();
  for (const SideKind kind : {SideKind::kSlotSave, SideKind::kSlotErase, SideKind::kSlotRestore}) {
    CHECK(rig.done(call(rig, kind, 0)).error == ErrorCode::kUnavailable);
  }
  rig.run_until_idle();
  CHECK(rig.done(call(rig, SideKind::kSlotErase, 0)).result->n_slot_tokens == 53);
  CHECK(rig.done(call(rig, SideKind::kSlotSave, 0)).error == ErrorCode::kNotFound);
  CHECK(rig.kv().n_used() == 0);
}

TEST_CASE("a slot that does not exist is refused by name") {
  Rig rig;
  const RequestId id = generate_on(rig, 4, "hi", 2);
  rig.run_until_idle();
  CHECK(rig.done(id).error == ErrorCode::kInvalidArgument);
  CHECK(rig.done(id).param == "id_slot");
}

TEST_CASE("a refused state leaves the slot as it was") {
  for (const KvKind kind : {KvKind::kUnified, KvKind::kSplit, KvKind::kRecurrent}) {
    Rig rig(model_of(kind));
    const RequestId first = generate_on(rig, 0, "before", 10);
    rig.run_until_idle();
    const SavedSlot state = *rig.done(call(rig, SideKind::kSlotSave, 0)).result->saved;
    const std::string prompt = "before" + rig.text(first) + "!";

    SavedSlot wrong = state;
    wrong.state.pop_back();
    SavedSlot other_length = state;
    other_length.tokens.push_back('x');
    SavedSlot foreign = state;
    foreign.loras = {{0, 1.0F}};
    for (const SavedSlot &bad : {wrong, other_length, foreign, SavedSlot{}}) {
      const RequestId id = call(rig, SideKind::kSlotRestore, 0, copy_of(bad));
      CHECK(rig.done(id).error == ErrorCode::kInvalidArgument);
      CHECK(rig.scheduler().stats().n_kv_used == rig.kv().n_used());
    }
    const RequestId next = generate_on(rig, 0, prompt, 8);
    rig.run_until_idle();
    CHECK(rig.text(next) == alone(prompt, 8));
    CHECK(rig.done(next).usage.n_cached == 15);
  }
}

TEST_CASE("a restored slot is taken by whom it suits, and evicted last") {
  FakeModelParams model = model_of(KvKind::kRecurrent);
  model.n_slots = 2;
  Rig rig(model);
  generate_on(rig, 0, "saved", 5);
  rig.run_until_idle();
  const SavedSlot state = *rig.done(call(rig, SideKind::kSlotSave, 0)).result->saved;
  call(rig, SideKind::kSlotErase, 0);
  call(rig, SideKind::kSlotRestore, 0, copy_of(state));
  for (int i = 0; i < 3; ++i) {
    rig.generate("other " + std::to_string(i), 3);
    rig.run_until_idle();
  }
  CHECK(rig.done(call(rig, SideKind::kSlotSave, 0)).result->saved->tokens == state.tokens);
}

TEST_CASE("a state that does not fit beside those who run is refused, and fits later") {
  FakeModelParams model;
  model.n_ctx = model.n_cells = 100;
  model.n_slots = 3;
  Rig rig(model);
  generate_on(rig, 0, std::string(60, 's'), 5);
  rig.run_until_idle();
  const SavedSlot state = *rig.done(call(rig, SideKind::kSlotSave, 0)).result->saved;
  const RequestId running = generate_on(rig, 1, std::string(50, 'r'), 30);
  rig.step();
  rig.step();
  const RequestId refused = call(rig, SideKind::kSlotRestore, 2, copy_of(state));
  CHECK(rig.done(refused).error == ErrorCode::kInvalidArgument);
  rig.run_until_idle();
  CHECK(rig.text(running) == alone(std::string(50, 'r'), 30));
  const RequestId restored = call(rig, SideKind::kSlotRestore, 2, copy_of(state));
  CHECK(rig.done(restored).error == ErrorCode::kNone);
  CHECK(rig.kv().n_used() <= 100);
}

TEST_CASE("a state knows its adapters") {
  FakeModelParams model;
  model.n_loras = 2;
  Rig rig(model);
  Request request = Rig::generate_request("with an adapter", 6);
  std::get<GenerateRequest>(request.body).loras = LoraSet{{1, 0.5F}};
  std::get<GenerateRequest>(request.body).slot = 0;
  rig.submit(std::move(request));
  rig.run_until_idle();
  const SavedSlot state = *rig.done(call(rig, SideKind::kSlotSave, 0)).result->saved;
  REQUIRE(state.loras.size() == 1);
  CHECK(state.loras[0] == std::pair(1, 0.5F));

  Rig other(model);
  call(other, SideKind::kSlotRestore, 0, copy_of(state));
  const auto n_cached = [&](const LoraSet &loras) {
    Request next = Rig::generate_request("with an adapter, and more", 6);
    std::get<GenerateRequest>(next.body).loras = loras;
    const RequestId id = other.submit(std::move(next));
    other.run_until_idle();
    return other.done(id).usage.n_cached;
  };
  CHECK(n_cached({}) == 0);
  CHECK(n_cached({{1, 0.5F}}) == 15);
}

TEST_CASE("moved cells stay known as such through a file") {
  FakeModelParams model;
  model.n_ctx = 64;
  EngineParams params;
  params.context_shift = true;
  Rig rig(model, params);
  generate_on(rig, 0, "a prompt of some length", 50);
  rig.run_until_idle();
  const SavedSlot state = *rig.done(call(rig, SideKind::kSlotSave, 0)).result->saved;
  CHECK(state.n_exact == 1);
  CHECK(state.tokens.size() < 50);
  Rig other(model, params);
  call(other, SideKind::kSlotRestore, 0, copy_of(state));
  const std::string context(state.tokens.begin(), state.tokens.end());
  const RequestId next = other.generate(context + "!", 10);
  other.run_until_idle();
  CHECK(other.text(next) == alone(context + "!", 10));
}

TEST_CASE("a sequence that ends right after a shift leaves only what can be read") {
  FakeModelParams model;
  model.n_ctx = 64;
  EngineParams params;
  params.context_shift = true;
  Rig rig(model, params);
  const RequestId id = generate_on(rig, 0, std::string(60, 'p'), 100);
  while (rig.kv().n_drops == 0) {
    rig.step();
  }
  rig.cancel(id);
  rig.step();
  const RequestId saved = call(rig, SideKind::kSlotSave, 0);
  CHECK(rig.done(saved).result->n_slot_tokens == 1); // the first token, which was not moved
  CHECK(rig.scheduler().stats().n_kv_used == rig.kv().n_used());
}
