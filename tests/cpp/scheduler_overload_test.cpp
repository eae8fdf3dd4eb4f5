// More requests than slots, cells or time: who goes first, who gives way, who waits how long, and
// that nobody waits for ever or fails for somebody else's sake.
#include "rig.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <map>

using namespace llamabox;

namespace {

Request with_priority(const std::string &prompt, std::int32_t max_tokens, std::int32_t priority) {
  Request request = Rig::generate_request(prompt, max_tokens);
  request.priority = priority;
  return request;
}

} // namespace

TEST_CASE("a level of priority is worth ten seconds of waiting, so nobody waits for ever") {
  Rig rig({.n_ctx = 512, .n_cells = 4096, .n_slots = 1});
  rig.runner().ms_per_step = 1000;
  rig.generate("running", 2);
  rig.step();
  const RequestId low = rig.generate("low", 2);
  int n_urgent = 0;
  while (rig.outcome(low).done.empty()) {
    // Somebody more urgent arrives all the time.
    rig.submit(with_priority("urgent " + std::to_string(n_urgent), 2, 2));
    rig.step();
    REQUIRE(++n_urgent < 1000);
  }
  // Two levels are twenty seconds, in which twenty arrive, each of which takes two.
  CHECK(rig.done(low).usage.queue_ms >= 36'000);
  CHECK(rig.done(low).usage.queue_ms < 44'000);
}

TEST_CASE("a priority out of range is the request's own error") {
  Rig rig;
  for (const std::int32_t priority : {kMostPriority + 1, -kMostPriority - 1}) {
    const RequestId id = rig.submit(with_priority("x", 2, priority));
    rig.run_until_idle();
    CHECK(rig.done(id).error == ErrorCode::kInvalidArgument);
    CHECK(rig.done(id).param == "priority");
  }
}

TEST_CASE("when cells run out the lowest priority gives way first, and says what it would have") {
  Rig rig({.n_ctx = 128, .n_cells = 192, .n_batch = 64, .n_slots = 3});
  const RequestId low = rig.submit(with_priority(std::string(30, 'a'), 60, -1));
  const RequestId first = rig.generate(std::string(30, 'b'), 60);
  const RequestId second = rig.generate(std::string(30, 'c'), 60);
  rig.run_until_idle();
  CHECK(rig.scheduler().stats().n_preempted > 0);
  CHECK(rig.done(low).usage.decode_ms > rig.done(first).usage.decode_ms);
  CHECK(rig.done(low).usage.decode_ms > rig.done(second).usage.decode_ms);
  CHECK(rig.text(low) == alone(std::string(30, 'a'), 60));
  CHECK(rig.text(first) == alone(std::string(30, 'b'), 60));
  CHECK(rig.text(second) == alone(std::string(30, 'c'), 60));
}

TEST_CASE("memory for half of the requests gives all of them the texts they have alone") {
  // Eight of 96 cells in 384.
  Rig rig({.n_ctx = 384, .n_cells = 384, .n_batch = 64, .n_slots = 8});
  std::map<RequestId, std::string> prompts;
  for (const char c : std::string("abcdefgh")) {
    const std::string prompt(24, c);
    prompts.emplace(rig.generate(prompt, 72), prompt);
  }
  rig.run_until_idle();
  for (const auto &[id, prompt] : prompts) {
    CHECK(rig.done(id).error == ErrorCode::kNone);
    CHECK(rig.text(id) == alone(prompt, 72));
  }
  // What is computed twice stays a fraction of the work.
  const Stats &stats = rig.scheduler().stats();
  CHECK(stats.n_preempted > 0);
  CHECK(stats.n_preempted_tokens < 8 * 96);
}

TEST_CASE("who gave way computes anew only what another one took") {
  // Two of 90 cells in 160: the second one waits for the last ten tokens of the first.
  Rig rig({.n_ctx = 160, .n_cells = 160, .n_batch = 64, .n_slots = 2});
  const RequestId first = rig.generate(std::string(30, 'a'), 60);
  const RequestId second = rig.generate(std::string(30, 'b'), 60);
  rig.run_until_idle();
  CHECK(rig.text(first) == alone(std::string(30, 'a'), 60));
  CHECK(rig.text(second) == alone(std::string(30, 'b'), 60));
  const Stats &stats = rig.scheduler().stats();
  CHECK(stats.n_preempted == 1);
  CHECK(stats.n_preempted_tokens <= 12);
  CHECK(stats.n_prompt_tokens <= 60 + 13);
}

TEST_CASE("a prompt that no memory holds is refused at once, others go on") {
  Rig rig({.n_ctx = 256, .n_cells = 64});
  const RequestId beside = rig.generate("beside", 20);
  rig.step();
  const RequestId huge = rig.generate(std::string(100, 'x'), 4);
  rig.step();
  CHECK(rig.done(huge).error == ErrorCode::kContextExceeded);
  rig.run_until_idle();
  CHECK(rig.text(beside) == alone("beside", 20));
}

TEST_CASE("a time limit says in which phase it passed") {
  Rig rig({.n_ctx = 2048, .n_cells = 4096, .n_batch = 16, .n_slots = 1});
  const auto limited = [&](const std::string &prompt, std::int64_t ms) {
    Request request = Rig::generate_request(prompt, 1000);
    request.timeout_ns = ms * 1'000'000;
    return rig.submit(std::move(request));
  };
  const RequestId decoding = limited("decoding", 20);
  rig.step();
  const RequestId queued = limited("queued", 10);
  rig.run_until_idle();
  const RequestId prefilling = limited(std::string(1000, 'p'), 20);
  rig.run_until_idle();
  for (const RequestId id : {decoding, queued, prefilling}) {
    CHECK(rig.done(id).error == ErrorCode::kDeadlineExceeded);
    CHECK(rig.done(id).param == "X-Request-Timeout");
  }
  CHECK(rig.done(decoding).message.ends_with("generated"));
  CHECK(rig.done(queued).message.ends_with("waited"));
  CHECK(rig.done(prefilling).message.ends_with("read"));
  CHECK(rig.scheduler().stats().n_slots_busy == 0);
}

TEST_CASE("beside a long prompt streams keep the target, and its own steps end soon without them") {
  EngineParams params;
  params.itl_target_ms = 20;
  Rig rig({.n_ctx = 16384, .n_cells = 32768, .n_batch = 2048, .n_ubatch = 512, .n_slots = 4},
          params);
  rig.runner().ms_per_step = 2;
  rig.runner().ms_per_row = 0.5;
  rig.runner().keep_log = true;
  const RequestId stream = rig.generate("stream", 400);
  rig.step();
  const RequestId huge = rig.generate(std::string(8000, 'x'), 4);
  double longest_ms = 0;
  int n_steps = 0;
  while (rig.outcome(huge).done.empty()) {
    const std::int64_t begin_ns = rig.clock().now_ns();
    rig.step();
    // The first steps learn what rows cost; the target counts once more for the one that waits.
    longest_ms =
        ++n_steps < 4 ? 0 : std::max(longest_ms, ms_between(begin_ns, rig.clock().now_ns()));
  }
  CHECK(longest_ms < 1.15 * 2 * 20);
  CHECK(longest_ms > 0.85 * 2 * 20);
  rig.cancel(stream);
  rig.step();
  rig.runner().log.clear();
  rig.generate(std::string(8000, 'y'), 1);
  rig.run_until_idle();
  CHECK(rig.runner().log.at(0).size() == 512); // 1,000 rows fit into the time of such a step
}

TEST_CASE("two sets of adapters and embeddings: nobody waits more than two quanta") {
  Rig rig({.n_ctx = 512, .n_cells = 8192, .n_batch = 64, .n_slots = 6, .n_loras = 2});
  std::map<RequestId, int> seen_at; // the last step with something of the request
  int longest = 0;
  const auto submit = [&](int step) {
    Request request = Rig::generate_request("prompt " + std::to_string(step), 12);
    std::get<GenerateRequest>(request.body).loras = LoraSet{{step % 2, 1.0F}};
    seen_at[rig.submit(std::move(request))] = step;
    EncodeRequest encode;
    encode.inputs = {TextPrompt{"text " + std::to_string(step)}};
    Request embed;
    embed.body = std::move(encode);
    seen_at[rig.submit(std::move(embed))] = step;
  };
  for (int step = 0; step < 400; ++step) {
    // No more than there are slots, so that what is measured is the turns.
    if (step < 300 && rig.scheduler().stats().n_slots_busy < 5) {
      submit(step);
    }
    std::map<RequestId, int> before;
    for (const auto &[id, at] : seen_at) {
      before[id] = rig.outcome(id).n_events;
    }
    rig.step();
    for (auto it = seen_at.begin(); it != seen_at.end();) {
      longest = std::max(longest, step - it->second);
      it->second = rig.outcome(it->first).n_events > before[it->first] ? step : it->second;
      it = rig.outcome(it->first).done.empty() ? std::next(it) : seen_at.erase(it);
    }
  }
  CHECK(seen_at.empty());
  CHECK(longest >= kClassQuantum); // both sets were there
  CHECK(longest <= 2 * kClassQuantum);
}
