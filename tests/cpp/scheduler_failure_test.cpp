#include "rig.h"

#include <doctest/doctest.h>

using namespace llamabox;

TEST_CASE("a prompt that does not fit the context is refused with both numbers") {
  Rig rig({.n_ctx = 32});
  const RequestId id = rig.generate(std::string(40, 'x'), 5);
  rig.run_until_idle();
  CHECK(rig.done(id).error == ErrorCode::kContextExceeded);
  CHECK(rig.done(id).message.find("40") != std::string::npos);
  CHECK(rig.done(id).message.find("32") != std::string::npos);
}

TEST_CASE("an empty prompt and a bad parameter are the request's own error") {
  Rig rig;
  const RequestId empty = rig.generate("", 5);
  Request request = Rig::generate_request("x", 5);
  std::get<GenerateRequest>(request.body).sampling.temperature = -1;
  const RequestId bad = rig.submit(std::move(request));
  const RequestId good = rig.generate("fine", 5);
  rig.run_until_idle();
  CHECK(rig.done(empty).error == ErrorCode::kInvalidArgument);
  CHECK(rig.done(bad).param == "temperature");
  CHECK(rig.text(good) == alone("fine", 5));
}

TEST_CASE("a sampler that finds no token ends its request and no other") {
  Rig rig({.n_slots = 4});
  const std::string text = alone("stuck", 12);
  Request request = Rig::generate_request("stuck", 12, 2);
  auto &body = std::get<GenerateRequest>(request.body);
  body.sampling.grammar.text = "#" + text.substr(0, 4);
  const std::size_t at = text.find_first_not_of(body.sampling.grammar.text);
  REQUIRE(at != std::string::npos);
  const RequestId stuck = rig.submit(std::move(request));
  const RequestId beside = rig.generate("beside", 12);
  rig.run_until_idle();
  CHECK(rig.done(stuck).error == ErrorCode::kInvalidArgument);
  CHECK(rig.done(stuck).param == "grammar");
  CHECK(rig.outcome(stuck).done.size() == 1);
  CHECK(rig.text(stuck) == text.substr(0, at));
  CHECK(rig.text(beside) == alone("beside", 12));
}

TEST_CASE("the queue refuses what exceeds its tokens, and takes more when it drained") {
  EngineParams params;
  params.n_queue_contexts = 1;
  Rig rig({.n_ctx = 100, .n_cells = 100, .n_slots = 1}, params);
  rig.generate(std::string(60, 'a'), 5);
  rig.step();
  const RequestId waits = rig.generate(std::string(60, 'b'), 5);
  const RequestId refused = rig.generate(std::string(60, 'c'), 5);
  rig.run_until_idle();
  CHECK(rig.done(waits).error == ErrorCode::kNone);
  CHECK(rig.done(refused).error == ErrorCode::kQueueFull);
  const RequestId later = rig.generate(std::string(60, 'c'), 5);
  rig.run_until_idle();
  CHECK(rig.done(later).error == ErrorCode::kNone);
}

TEST_CASE("too little KV for all: the young are preempted, every text is the undisturbed one") {
  // Each needs up to 90 cells, 160 are there: three at once cannot finish without preemption.
  Rig rig({.n_ctx = 128, .n_cells = 160, .n_batch = 32, .n_slots = 4});
  std::vector<std::pair<RequestId, std::string>> expected;
  for (const char c : std::string("abcdef")) {
    const std::string prompt(30, c);
    expected.emplace_back(rig.generate(prompt, 60), alone(prompt, 60));
  }
  rig.run_until_idle();
  for (const auto &[id, text] : expected) {
    CHECK(rig.text(id) == text);
  }
  CHECK(rig.scheduler().stats().n_preempted > 0);
  CHECK(rig.scheduler().stats().n_preempted_tokens > 0);
}

TEST_CASE("preemption keeps the random state") {
  const auto run = [](std::int32_t n_cells) {
    Rig rig({.n_ctx = 128, .n_cells = n_cells, .n_slots = 4});
    std::vector<RequestId> ids;
    for (std::uint32_t i = 0; i < 4; ++i) {
      Request request = Rig::generate_request("seeded " + std::to_string(i), 60);
      auto &body = std::get<GenerateRequest>(request.body);
      body.sampling.temperature = 1;
      body.sampling.seed = i;
      ids.push_back(rig.submit(std::move(request)));
    }
    rig.run_until_idle();
    std::string all;
    for (const RequestId id : ids) {
      all += rig.text(id) + "|";
    }
    return std::pair(all, rig.scheduler().stats().n_preempted);
  };
  const auto [undisturbed, none] = run(4096);
  const auto [preempted, some] = run(128);
  CHECK(undisturbed == preempted);
  CHECK(none == 0);
  CHECK(some > 0);
}

TEST_CASE("no cell although the budget saw room: retained prefixes go, then the plan shrinks") {
  Rig rig;
  const RequestId first = rig.generate("leaves a retained prefix", 4);
  rig.run_until_idle();
  rig.runner().next_status = {DecodeStatus::kNoCells, DecodeStatus::kNoCells};
  const RequestId second = rig.generate("finds no cell twice at first", 4);
  rig.run_until_idle();
  CHECK(rig.text(first) == alone("leaves a retained prefix", 4));
  CHECK(rig.text(second) == alone("finds no cell twice at first", 4));
}

TEST_CASE("one that never finds a cell ends with its own error, others go on") {
  Rig rig;
  const RequestId doomed = rig.generate("doomed", 4);
  for (int i = 0; i < 8; ++i) {
    rig.runner().next_status.push_back(DecodeStatus::kNoCells);
  }
  rig.step();
  CHECK(rig.done(doomed).error == ErrorCode::kContextExceeded);
  rig.runner().next_status.clear();
  const RequestId next = rig.generate("next", 4);
  rig.run_until_idle();
  CHECK(rig.text(next) == alone("next", 4));
}

TEST_CASE("a failed decode ends the requests of its batch and leaves no prefix behind") {
  Rig rig({.n_slots = 2});
  const RequestId one = rig.generate("in the failed batch", 9);
  rig.step();
  const RequestId waiting = rig.generate("also in it", 9);
  rig.runner().next_status = {DecodeStatus::kFailed};
  rig.step();
  CHECK(rig.done(one).error == ErrorCode::kInternal);
  CHECK(rig.done(waiting).error == ErrorCode::kInternal);
  CHECK(rig.kv().n_used() == 0);
  const RequestId again = rig.generate("in the failed batch", 9);
  rig.run_until_idle();
  CHECK(rig.text(again) == alone("in the failed batch", 9));
}

TEST_CASE("cancel takes effect within one step in every phase") {
  Rig rig({.n_ctx = 256, .n_cells = 256, .n_batch = 16, .n_slots = 1});
  const RequestId before = rig.generate("cancelled before it is taken in", 9);
  rig.cancel(before);
  rig.step();
  CHECK(rig.done(before).finish == FinishReason::kCancelled);

  const RequestId prefilling = rig.generate(std::string(100, 'x'), 9);
  const RequestId queued = rig.generate("queued", 9);
  rig.step();
  rig.cancel(prefilling);
  rig.cancel(queued);
  rig.step();
  CHECK(rig.done(prefilling).finish == FinishReason::kCancelled);
  CHECK(rig.done(queued).finish == FinishReason::kCancelled);

  const RequestId decoding = rig.generate("decoding", 100);
  rig.step();
  rig.step();
  rig.cancel(decoding);
  rig.step();
  CHECK(rig.done(decoding).finish == FinishReason::kCancelled);
  CHECK(rig.scheduler().idle());
  CHECK(rig.scheduler().stats().n_slots_busy == 0);
  rig.cancel(decoding); // repeatable, and ignored once ended
  rig.step();
  CHECK(rig.outcome(decoding).done.size() == 1);
}

TEST_CASE("a deadline ends a request wherever it is") {
  Rig rig({.n_slots = 1});
  Request request = Rig::generate_request("slow", 200);
  request.timeout_ns = 20'000'000;
  const RequestId id = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.done(id).error == ErrorCode::kDeadlineExceeded);
  CHECK(rig.text(id).size() < 50);
}

TEST_CASE("a media span larger than the batch is refused") {
  Rig rig({.n_batch = 16});
  Submission submission;
  submission.ticket = rig.registry().accept();
  submission.request = Rig::generate_request("abc", 4);
  Arrival arrival = prepare(std::move(submission), rig.models());
  auto prompt = std::make_shared<Prompt>(*arrival.prompt);
  MediaSpan span;
  span.n_rows = 20;
  span.can_split = false;
  prompt->media = {span};
  arrival.prompt = prompt;
  const RequestId id = rig.submit_prepared(std::move(arrival));
  rig.run_until_idle();
  CHECK(rig.done(id).error == ErrorCode::kInvalidArgument);
}

TEST_CASE("end_all ends everything once") {
  Rig rig({.n_slots = 1});
  const RequestId running = rig.generate("running", 50);
  const RequestId waiting = rig.generate("waiting", 50);
  rig.step();
  rig.scheduler().end_all(Error(ErrorCode::kUnavailable, "stopping"));
  rig.step();
  CHECK(rig.done(running).error == ErrorCode::kUnavailable);
  CHECK(rig.done(waiting).error == ErrorCode::kUnavailable);
  CHECK(rig.registry().n_live() == 0);
}
