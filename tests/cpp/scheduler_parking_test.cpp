// What KV has no room for goes to RAM and comes back as it was.
#include "rig.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace llamabox;

namespace {

EngineParams with_ram(std::uint64_t n_bytes = 1 << 24) {
  EngineParams params;
  params.cache_ram_bytes = n_bytes;
  return params;
}

FakeModelParams model_of(KvKind kind, std::int32_t n_cells = 1100) {
  FakeModelParams model;
  model.kind = kind;
  model.n_ctx = 1000;
  model.n_cells = n_cells;
  model.n_batch = 128;
  model.n_slots = 2;
  return model;
}

std::string prompt_of(int chat, std::size_t n = 300) {
  return std::to_string(chat) + std::string(n, static_cast<char>('a' + chat));
}

std::string ask(Rig &rig, const std::string &prompt, std::int32_t max_tokens = 6) {
  const RequestId id = rig.generate(prompt, max_tokens);
  rig.run_until_idle();
  CHECK(rig.text(id) == alone(prompt, max_tokens));
  return rig.text(id);
}

} // namespace

TEST_CASE("parked and restored equals kept, on every kind of memory") {
  for (const KvKind kind :
       {KvKind::kUnified, KvKind::kSplit, KvKind::kRecurrent, KvKind::kHybrid}) {
    CAPTURE(static_cast<int>(kind));
    Rig rig(model_of(kind), with_ram());
    std::vector<std::string> history;
    for (int chat = 0; chat < 6; ++chat) {
      history.push_back(prompt_of(chat) + ask(rig, prompt_of(chat)));
    }
    CHECK(rig.scheduler().stats().n_parked_tokens > 600);
    const auto n_run = rig.scheduler().stats().n_prompt_tokens;
    for (const std::string &chat : history) {
      ask(rig, chat + " and then?");
    }
    CHECK(rig.scheduler().stats().n_restored_tokens > 1200);
    CHECK(rig.scheduler().stats().n_prompt_tokens - n_run < 200);
    CHECK(rig.scheduler().stats().n_kv_used == rig.kv().n_used());
  }
}

TEST_CASE("a prompt that goes on differently takes the common part") {
  Rig rig(model_of(KvKind::kUnified), with_ram());
  for (int chat = 0; chat < 5; ++chat) {
    ask(rig, prompt_of(chat));
  }
  const std::string other = prompt_of(0).substr(0, 280) + "something else";
  const RequestId id = rig.generate(other, 6);
  rig.run_until_idle();
  CHECK(rig.text(id) == alone(other, 6));
  CHECK(rig.done(id).usage.n_cached == 280);
}

TEST_CASE("where a sequence cannot go back, the state at the end of the prompt is kept") {
  for (const KvKind kind : {KvKind::kRecurrent, KvKind::kHybrid}) {
    Rig rig(model_of(kind), with_ram());
    const std::string prompt = prompt_of(1);
    const std::string first = ask(rig, prompt, 20);
    CHECK(ask(rig, prompt, 20) == first);
    const RequestId id = rig.generate(prompt + "another answer", 6);
    rig.run_until_idle();
    CHECK(rig.text(id) == alone(prompt + "another answer", 6));
    CHECK(rig.done(id).usage.n_cached == 300);
  }
}

TEST_CASE("one parked prefix for eight requests is copied once") {
  FakeModelParams model = model_of(KvKind::kUnified, 4000);
  model.n_slots = 8;
  Rig rig(model, with_ram());
  const std::string common = prompt_of(0, 900);
  ask(rig, common);
  for (int chat = 1; chat < 6; ++chat) {
    ask(rig, prompt_of(chat, 900)); // the common one is evicted
  }
  const int n_before = rig.kv().n_restores;
  std::vector<RequestId> ids;
  for (int i = 0; i < 8; ++i) {
    ids.push_back(rig.generate(common + std::to_string(i), 4));
  }
  rig.run_until_idle();
  CHECK(rig.kv().n_restores - n_before == 4); // pieces of 256 tokens
  for (int i = 0; i < 8; ++i) {
    const RequestId id = ids[static_cast<std::size_t>(i)];
    CHECK(rig.text(id) == alone(common + std::to_string(i), 4));
    CHECK(rig.done(id).usage.n_cached >= 900);
  }
}

TEST_CASE("another group's parked prefix is cold") {
  Rig rig(model_of(KvKind::kUnified), with_ram());
  for (int chat = 0; chat < 5; ++chat) {
    ask(rig, prompt_of(chat));
  }
  Request request = Rig::generate_request(prompt_of(0), 6);
  std::get<GenerateRequest>(request.body).share_group = "other";
  const RequestId id = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.done(id).usage.n_cached == 0);
  CHECK(rig.text(id) == alone(prompt_of(0), 6));
}

TEST_CASE("a restore that finds no room goes on as a prefill") {
  Rig rig(model_of(KvKind::kUnified), with_ram());
  for (int chat = 0; chat < 5; ++chat) {
    ask(rig, prompt_of(chat));
  }
  rig.kv().n_refusals = 1;
  ask(rig, prompt_of(0));
  CHECK(rig.scheduler().stats().n_restored_tokens == 0);
  CHECK(rig.scheduler().stats().n_kv_used == rig.kv().n_used());
}

TEST_CASE("what was parked with a long answer finds room for a short prompt") {
  Rig rig(model_of(KvKind::kUnified), with_ram());
  const std::string prompt = prompt_of(0, 100);
  ask(rig, prompt, 120);
  for (int chat = 1; chat < 7; ++chat) {
    ask(rig, prompt_of(chat));
  }
  REQUIRE(rig.kv().n_used() > 1100 - 220);
  const auto n_run = rig.scheduler().stats().n_prompt_tokens;
  ask(rig, prompt + "?");
  CHECK(rig.scheduler().stats().n_prompt_tokens - n_run < 5);
}

TEST_CASE("restored beside running streams: theirs and its own text are as alone") {
  Rig rig(model_of(KvKind::kUnified, 1400), with_ram());
  for (int chat = 0; chat < 6; ++chat) {
    ask(rig, prompt_of(chat));
  }
  const RequestId stream = rig.generate("a stream", 100);
  rig.step();
  rig.step();
  const RequestId back = rig.generate(prompt_of(0) + "?", 10);
  rig.run_until_idle();
  CHECK(rig.text(stream) == alone("a stream", 100));
  CHECK(rig.text(back) == alone(prompt_of(0) + "?", 10));
}

TEST_CASE("who gave way comes back from RAM, with its sampler where it was") {
  const auto run = [](std::int32_t n_cells, std::uint64_t n_ram) {
    Rig rig(model_of(KvKind::kUnified, n_cells), with_ram(n_ram));
    std::vector<RequestId> ids;
    for (int chat = 0; chat < 2; ++chat) {
      Request request = Rig::generate_request(prompt_of(chat, 400), 300);
      auto &body = std::get<GenerateRequest>(request.body);
      body.sampling.temperature = 1;
      body.sampling.seed = 7 + static_cast<std::uint32_t>(chat);
      ids.push_back(rig.submit(std::move(request)));
    }
    rig.run_until_idle();
    const Stats &stats = rig.scheduler().stats();
    CHECK((stats.n_preempted > 0) == (n_cells < 1400));
    if (n_cells < 1400) {
      // The first one takes 200 cells of the other before it ends.
      CHECK(stats.n_preempted_tokens < (n_ram > 0 ? 60 : 320));
      CHECK((stats.n_restored_tokens > 100) == (n_ram > 0));
    }
    return rig.text(ids[0]) + "|" + rig.text(ids[1]);
  };
  const std::string undisturbed = run(4000, 0);
  CHECK(run(1000, 0) == undisturbed);
  CHECK(run(1000, 1 << 24) == undisturbed);
}

TEST_CASE("without RAM nothing is parked") {
  Rig rig(model_of(KvKind::kUnified));
  for (int chat = 0; chat < 6; ++chat) {
    ask(rig, prompt_of(chat));
  }
  CHECK(rig.scheduler().stats().n_parked_tokens == 0);
}
