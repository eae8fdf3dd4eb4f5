// The engine with its real threads: what the scheduler tests cannot see.
#include "engine/engine.h"
#include "rig.h"

#include <doctest/doctest.h>

#include <map>
#include <poll.h>
#include <thread>

using namespace llamabox;

namespace {

// Waits on the descriptor, as an event loop does, until `n_done` requests have ended.
std::map<RequestId, Outcome> collect(Engine &engine, std::size_t n_done) {
  std::map<RequestId, Outcome> outcomes;
  std::size_t n = 0;
  while (n < n_done) {
    pollfd entry{engine.wake_fd(), POLLIN, 0};
    REQUIRE(::poll(&entry, 1, 30000) == 1);
    for (Event &event : engine.drain()) {
      Outcome &outcome = outcomes[event.request];
      outcome.text[event.choice] += event.text;
      if (event.kind == EventKind::kDone) {
        outcome.done.push_back(std::move(event));
        ++n;
      }
    }
  }
  return outcomes;
}

} // namespace

TEST_CASE("requests from several threads all end, with the right texts") {
  Engine engine(load_fake_models({.n_cells = 4096}), {});
  engine.start();
  std::vector<std::thread> clients;
  Mutex mutex;
  std::map<RequestId, std::string> expected;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 25; ++i) {
        const std::string prompt = "client " + std::to_string(client) + "/" + std::to_string(i);
        const RequestId id = engine.submit(Rig::generate_request(prompt, 12));
        MutexLock lock(mutex);
        expected[id] = prompt;
      }
    });
  }
  const auto outcomes = collect(engine, 100);
  CHECK(engine.stats().n_slots_busy == 0); // never older than the events that were drained
  for (std::thread &client : clients) {
    client.join();
  }
  for (const auto &[id, prompt] : expected) {
    CHECK(outcomes.at(id).text.at(0) == alone(prompt, 12));
  }
  engine.stop();
  CHECK(engine.stats().n_requests == 100);
  CHECK(engine.stats().healthy);
}

TEST_CASE("stop ends what runs, waits or is not encoded yet, each once") {
  Engine engine(load_fake_models({.n_ctx = 60000, .n_cells = 60000}), {});
  engine.start();
  for (int i = 0; i < 50; ++i) {
    engine.submit(Rig::generate_request("endless", -1));
  }
  engine.stop();
  const auto outcomes = collect(engine, 50);
  for (const auto &[id, outcome] : outcomes) {
    CHECK(outcome.done.at(0).error == ErrorCode::kUnavailable);
  }
  CHECK_THROWS_AS(engine.submit(Rig::generate_request("late", 1)), Error);
  engine.stop(); // again is nothing
}

TEST_CASE("a lost device ends every request with its own code, and the engine is not healthy") {
  Engine engine(load_fake_models({.n_ctx = 60000, .n_cells = 60000, .lost_after = 3}), {});
  engine.start();
  std::size_t n_taken = 0;
  try {
    for (; n_taken < 20; ++n_taken) {
      engine.submit(Rig::generate_request("endless", -1));
    }
  } catch (const Error &) {
    REQUIRE(n_taken > 0); // the device was lost while more came
  }
  for (const auto &[id, outcome] : collect(engine, n_taken)) {
    REQUIRE(outcome.done.size() == 1);
    CHECK(outcome.done[0].error == ErrorCode::kDeviceLost);
    CHECK(outcome.done[0].message == "the RPC server fake:1 was lost");
  }
  CHECK_FALSE(engine.stats().healthy);
  CHECK_THROWS_AS(engine.submit(Rig::generate_request("late", 1)), Error);
  engine.stop();
}

TEST_CASE("cancel from another thread reaches a sleeping and a running engine") {
  Engine engine(load_fake_models({.n_ctx = 1 << 20, .n_cells = 1 << 20, .step_us = 50}), {});
  engine.start();
  const RequestId id = engine.submit(Rig::generate_request("endless", -1));
  std::thread other([&] { engine.cancel(id); });
  const auto outcomes = collect(engine, 1);
  other.join();
  CHECK(outcomes.at(id).done.at(0).finish == FinishReason::kCancelled);
  engine.cancel(id);
  engine.cancel(12345);
}

TEST_CASE("a full queue refuses at once") {
  EngineParams params;
  params.n_slots = 1;
  params.n_queue = 2;
  Engine engine(load_fake_models({.n_ctx = 1 << 20, .n_cells = 1 << 20, .step_us = 50}), params);
  engine.start();
  int n_refused = 0;
  for (int i = 0; i < 10; ++i) {
    try {
      engine.submit(Rig::generate_request("endless", -1));
    } catch (const Error &error) {
      n_refused += error.code() == ErrorCode::kQueueFull ? 1 : 0;
    }
  }
  CHECK(n_refused >= 7);
}

TEST_CASE("parameters out of range are refused by name") {
  EngineParams params;
  params.n_slots = 241;
  try {
    Engine engine(load_fake_models({}), params);
    FAIL("accepted");
  } catch (const Error &error) {
    CHECK(error.param() == "n_slots");
  }
}

TEST_CASE("tokens and text") {
  Engine engine(load_fake_models({}), {});
  CHECK(engine.tokenize("hi", {}) == std::vector<Token>{'h', 'i'});
  CHECK(engine.detokenize({'h', 'i', kFakeEnd}, true) == "hi<end>");
  CHECK_THROWS_AS(engine.detokenize({-1}, false), Error);
  CHECK_THROWS_AS(engine.detokenize({kFakeVocab}, false), Error);
}
