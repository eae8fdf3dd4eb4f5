// Who waits for a prefill under way, and who takes it over. That requests which begin alike read it
// once is in scheduler_states_test, on every kind of memory.
#include "rig.h"

#include <doctest/doctest.h>

#include <string>

using namespace llamabox;

namespace {

FakeModelParams large_model() {
  FakeModelParams model;
  model.n_ctx = 4096;
  model.n_cells = 1 << 16;
  model.n_batch = 512;
  model.n_slots = 16;
  return model;
}

Request in_group(const std::string &prompt, const std::string &group) {
  Request request = Rig::generate_request(prompt, 4);
  std::get<GenerateRequest>(request.body).share_group = group;
  return request;
}

} // namespace

TEST_CASE("when the leader is cancelled, another one leads from where it was") {
  FakeModelParams model = large_model();
  model.n_batch = 256;
  Rig rig(model);
  const std::string common(1000, 'c');
  const RequestId leader = rig.generate(common + "1", 8);
  const RequestId second = rig.generate(common + "2", 8);
  const RequestId third = rig.generate(common + "3", 8);
  rig.step();
  rig.step();
  rig.cancel(leader);
  rig.run_until_idle();
  CHECK(rig.text(second) == alone(common + "2", 8, model));
  CHECK(rig.text(third) == alone(common + "3", 8, model));
  CHECK(rig.scheduler().stats().n_prompt_tokens <= 1010);
}

TEST_CASE("whose own part is the larger one does not wait") {
  FakeModelParams model = large_model();
  model.n_batch = 64;
  Rig rig(model);
  rig.generate(std::string(100, 'c') + std::string(1000, 'x'), 4);
  const RequestId other = rig.generate(std::string(100, 'c') + std::string(300, 'y'), 4);
  rig.step();
  CHECK(rig.scheduler().state().bound.size() == 2);
  rig.run_until_idle();
  CHECK(rig.text(other) == alone(std::string(100, 'c') + std::string(300, 'y'), 4, model));
}

TEST_CASE("a prompt that waits for another lets those behind it pass") {
  FakeModelParams model = large_model();
  model.n_batch = 32;
  Rig rig(model);
  const std::string common(500, 'c');
  rig.generate(common + "1", 4);
  rig.generate(common + "2", 4);
  const RequestId other = rig.generate("something else", 4);
  rig.step();
  CHECK(rig.scheduler().state().bound.size() == 2);
  rig.run_until_idle();
  CHECK(rig.text(other) == alone("something else", 4, model));
}

TEST_CASE("what another group has in KV is cold, and not waited for") {
  Rig rig(large_model());
  const std::string prompt(600, 'p');
  const RequestId first = rig.submit(in_group(prompt, "one"));
  const RequestId beside = rig.submit(in_group(prompt, "two"));
  rig.run_until_idle();
  const RequestId none = rig.submit(in_group(prompt, ""));
  const RequestId same = rig.submit(in_group(prompt, "one"));
  rig.run_until_idle();
  CHECK(rig.done(beside).usage.n_cached == 0);
  CHECK(rig.done(none).usage.n_cached == 0);
  CHECK(rig.done(same).usage.n_cached == 599);
  for (const RequestId id : {first, beside, none, same}) {
    CHECK(rig.text(id) == alone(prompt, 4, large_model()));
  }
}

TEST_CASE("without a prompt cache only the choices of one request share") {
  EngineParams params;
  params.cache_prompt = false;
  Rig rig(large_model(), params);
  const std::string prompt(300, 'p');
  const RequestId first = rig.generate(prompt, 4, 3);
  rig.run_until_idle();
  CHECK(rig.scheduler().stats().n_prompt_tokens == 302);
  const RequestId second = rig.generate(prompt, 4);
  rig.run_until_idle();
  CHECK(rig.done(second).usage.n_cached == 0);
  CHECK(rig.text(first, 2) == rig.text(second));
}

TEST_CASE("more chats than slots come back to what they left") {
  FakeModelParams model = large_model();
  model.n_slots = 2;
  model.n_spare_seqs = 8;
  Rig rig(model);
  for (int round = 0; round < 2; ++round) {
    for (int chat = 0; chat < 8; ++chat) {
      const std::string prompt = std::to_string(chat) + std::string(200, 'q');
      const RequestId id = rig.generate(prompt + std::string(20U * round, 'r'), 4);
      rig.run_until_idle();
      CHECK(rig.done(id).usage.n_cached >= 200 * round);
      CHECK(rig.text(id) == alone(prompt + std::string(20U * round, 'r'), 4, model));
    }
  }
  CHECK(rig.kv().n_shares <= 8); // nothing is copied when a chat ends
}
