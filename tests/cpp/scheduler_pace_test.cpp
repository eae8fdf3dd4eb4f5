// Limits of tokens per second in the scheduler, on a clock that only decodes and the test move.
#include "engine/engine.h"
#include "rig.h"

#include <doctest/doctest.h>

#include <poll.h>

using namespace llamabox;

namespace {

Request paced(const std::string &prompt, std::int32_t max_tokens, double tokens_per_second,
              std::int32_t n = 1) {
  Request request = Rig::generate_request(prompt, max_tokens, n);
  std::get<GenerateRequest>(request.body).tokens_per_second = tokens_per_second;
  return request;
}

// Steps until all ended, and sleeps as the engine thread would.
void run(Rig &rig, std::vector<std::int64_t> *token_times = nullptr, RequestId id = 0) {
  std::size_t n_seen = 0;
  do {
    rig.step();
    if (token_times && rig.text(id).size() > n_seen) {
      n_seen = rig.text(id).size();
      token_times->push_back(rig.clock().now_ns());
    }
    const std::int64_t wake_ns = rig.scheduler().wake_ns();
    if (wake_ns != 0 && wake_ns != kNever) {
      rig.clock().advance_ms(ms_between(rig.clock().now_ns(), wake_ns) + 1e-6);
    }
  } while (!rig.scheduler().idle());
}

} // namespace

TEST_CASE("a paced request has its tokens an interval apart, and the same text") {
  Rig rig;
  const RequestId id = rig.submit(paced("hello", 40, 50)); // 20 ms; a step takes 1.1
  std::vector<std::int64_t> times;
  run(rig, &times, id);
  CHECK(rig.text(id) == alone("hello", 40));
  REQUIRE(times.size() == 40);
  for (std::size_t i = 2; i < times.size(); ++i) {
    CHECK(ms_between(times[i - 1], times[i]) == doctest::Approx(20).epsilon(0.01));
  }
  CHECK(ms_between(times.front(), times.back()) == doctest::Approx(39 * 20.0).epsilon(0.01));
}

TEST_CASE("beside a paced stream the others run as if it were not there") {
  const auto n_steps_of_other = [](double tokens_per_second) {
    Rig rig({.n_ctx = 512, .n_cells = 4096});
    rig.submit(paced("slow", 100, tokens_per_second));
    const RequestId other = rig.generate("quick", 100);
    int n_steps = 0;
    while (rig.outcome(other).done.empty()) {
      rig.step();
      ++n_steps;
    }
    CHECK(rig.text(other) == alone("quick", 100));
    return n_steps;
  };
  CHECK(n_steps_of_other(0.5) == n_steps_of_other(0));
}

TEST_CASE("a held sequence takes no row, and nobody spins for it") {
  Rig rig;
  rig.runner().keep_log = true;
  rig.submit(paced("hello", 10, 10));
  rig.step(); // the prompt and the first token
  REQUIRE(rig.runner().log.size() == 1);
  rig.step();
  rig.step();
  CHECK(rig.runner().log.size() == 1);
  const std::int64_t wake_ns = rig.scheduler().wake_ns();
  CHECK(ms_between(rig.clock().now_ns(), wake_ns) == doctest::Approx(100));
  rig.clock().advance_ms(101);
  CHECK(rig.scheduler().wake_ns() == 0);
  rig.step();
  CHECK(rig.runner().log.size() == 2);
}

TEST_CASE("choices share one limit") {
  Rig rig;
  const RequestId id = rig.submit(paced("hello", 20, 40, 4));
  const std::int64_t begin_ns = rig.clock().now_ns();
  run(rig);
  // 80 tokens at 40 a second; the first of each choice is not waited for.
  CHECK(ms_between(begin_ns, rig.clock().now_ns()) == doctest::Approx(1900).epsilon(0.05));
  for (int choice = 0; choice < 4; ++choice) {
    CHECK(rig.text(id, choice) == alone("hello", 20));
  }
}

TEST_CASE("who waits for a slot gets it while the others are held back") {
  Rig rig({.n_slots = 2});
  const RequestId slow = rig.submit(paced("slow", 50, 1));
  const RequestId quick = rig.generate("quick", 3);
  const RequestId third = rig.generate("third", 3);
  while (rig.outcome(third).done.empty()) {
    rig.step();
    CHECK(rig.scheduler().wake_ns() != kNever);
    REQUIRE(rig.clock().now_ns() < 100'000'000);
  }
  CHECK(rig.text(quick) == alone("quick", 3));
  CHECK(rig.text(third) == alone("third", 3));
  rig.cancel(slow);
  rig.step();
  CHECK(rig.done(slow).finish == FinishReason::kCancelled);
}

TEST_CASE("a deadline wakes the engine before the next token is due") {
  Rig rig;
  Request request = paced("hello", 10, 0.1);
  request.timeout_ns = 50'000'000;
  const RequestId id = rig.submit(std::move(request));
  rig.step();
  CHECK(rig.scheduler().wake_ns() == 50'000'001);
  rig.clock().advance_ms(50);
  rig.step();
  CHECK(rig.done(id).error == ErrorCode::kDeadlineExceeded);
}

TEST_CASE("a limit that is no number is refused by name") {
  Rig rig;
  const RequestId id = rig.submit(paced("hello", 10, -1));
  rig.step();
  CHECK(rig.done(id).param == "tokens_per_second");
}

TEST_CASE("with its threads, the engine sleeps between the tokens of a paced stream") {
  Engine engine(load_fake_models({}), {});
  engine.start();
  engine.submit(paced("hello", 6, 200));
  for (bool is_done = false; !is_done;) {
    pollfd entry{engine.wake_fd(), POLLIN, 0};
    REQUIRE(::poll(&entry, 1, 30000) == 1);
    for (const Event &event : engine.drain()) {
      is_done = is_done || event.kind == EventKind::kDone;
      if (event.kind == EventKind::kDone) {
        CHECK(event.usage.decode_ms >= 5 * 5.0 - 1);
      }
    }
  }
  engine.stop();
  // A step a token, and a few for what else wakes it.
  CHECK(engine.stats().n_steps == 6);
}
