// The image engine on real threads with a model whose pixels are known.
#include "image/image_engine.h"

#include "fake_clock.h"
#include "fake_image_model.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

using namespace llamabox;

namespace {

ImageRequest request(const std::string &prompt, std::int32_t n = 1, std::int32_t steps = 3) {
  ImageRequest made;
  made.prompt = prompt;
  made.n = n;
  made.steps = steps;
  made.width = 64;
  made.height = 64;
  made.seed = 7;
  made.sampler = "euler";
  made.schedule = "default";
  return made;
}

// The worker stops at a gate before each step that a test names.
class Gate {
public:
  void reach() {
    std::unique_lock<std::mutex> lock(mutex_);
    reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void await() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return reached_; });
  }
  void open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reached_ = false;
  bool open_ = false;
};

struct Rig {
  explicit Rig(FakeImageParams params = {}, ImageEngineParams sizes = {}) {
    auto owned = std::make_unique<FakeImageModel>(std::move(params));
    model = owned.get();
    engine = std::make_unique<ImageEngine>(std::move(owned), sizes);
  }

  // Events until so many requests have ended.
  std::vector<ImageEvent> run(std::size_t n_requests) const {
    std::vector<ImageEvent> all;
    std::size_t n_done = 0;
    while (n_done < n_requests) {
      pollfd waiting{engine->wake_fd(), POLLIN, 0};
      REQUIRE(poll(&waiting, 1, 10000) == 1);
      for (ImageEvent &event : engine->drain()) {
        n_done += event.kind == EventKind::kDone ? 1 : 0;
        all.push_back(std::move(event));
      }
    }
    return all;
  }

  FakeImageModel *model = nullptr;
  std::unique_ptr<ImageEngine> engine;
};

std::vector<ImageEvent> of(const std::vector<ImageEvent> &events, RequestId id, EventKind kind) {
  std::vector<ImageEvent> found;
  for (const ImageEvent &event : events) {
    if (event.request == id && event.kind == kind) {
      found.push_back(event);
    }
  }
  return found;
}

} // namespace

TEST_CASE("each step is told, each image once, and image i has seed + i") {
  Rig rig;
  rig.engine->start();
  const ImageRequest asked = request("a", 2);
  const RequestId id = rig.engine->submit(asked);
  const auto events = rig.run(1);
  const auto steps = of(events, id, EventKind::kDelta);
  REQUIRE(steps.size() == 6);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CHECK(steps[i].index == static_cast<std::int32_t>(i / 3));
    CHECK(steps[i].step == static_cast<std::int32_t>(i % 3) + 1);
    CHECK(steps[i].n_steps == 3);
    CHECK(steps[i].pixels == nullptr);
  }
  const auto images = of(events, id, EventKind::kFinish);
  REQUIRE(images.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto seed = static_cast<std::int64_t>(7 + i);
    CHECK(images[i].pixels->bytes[100] == FakeImageModel::byte_at(asked, seed, 100));
    CHECK(images[i].pixels->width == 64);
  }
  const auto done = of(events, id, EventKind::kDone);
  REQUIRE(done.size() == 1);
  CHECK(done[0].finish == FinishReason::kStop);
  CHECK(done[0].usage.n_images == 2);
  CHECK(done[0].usage.n_steps == 6);
  const ImageStats stats = rig.engine->stats();
  CHECK(stats.n_requests == 1);
  CHECK(stats.n_images == 2);
  CHECK(stats.n_forward == 2);
  CHECK(stats.n_reverse == 6);
  CHECK(stats.n_slots_busy == 0);
}

TEST_CASE("a preview comes with its step") {
  Rig rig;
  rig.engine->start();
  ImageRequest asked = request("a");
  asked.preview = Preview::kFast;
  const RequestId id = rig.engine->submit(std::move(asked));
  for (const ImageEvent &event : of(rig.run(1), id, EventKind::kDelta)) {
    REQUIRE(event.pixels != nullptr);
    CHECK(event.pixels->width == 8);
    CHECK(event.pixels->bytes[0] == 7 + event.step);
  }
}

TEST_CASE("a running request that is cancelled ends before its next step") {
  Rig rig;
  Gate gate;
  rig.model->on_step = [&](const ImageRequest &, std::int32_t step) {
    if (step == 2) {
      gate.reach();
    }
  };
  rig.engine->start();
  const RequestId id = rig.engine->submit(request("a", 4, 50));
  gate.await();
  rig.engine->cancel(id);
  gate.open();
  const auto events = rig.run(1);
  CHECK(of(events, id, EventKind::kDelta).size() == 1);
  CHECK(of(events, id, EventKind::kFinish).empty());
  CHECK(events.back().finish == FinishReason::kCancelled);
  rig.engine->submit(request("b"));
  CHECK(rig.run(1).back().finish == FinishReason::kStop);
}

TEST_CASE("a waiting request that is cancelled ends within a step of the one that runs") {
  Rig rig({}, {.n_slots = 1});
  Gate gate;
  rig.model->on_step = [&](const ImageRequest &, std::int32_t step) {
    if (step == 2) {
      gate.reach();
    }
  };
  rig.engine->start();
  const RequestId running = rig.engine->submit(request("a"));
  const RequestId waiting = rig.engine->submit(request("b"));
  gate.await();
  rig.engine->cancel(waiting);
  gate.open();
  const auto events = rig.run(2);
  std::vector<std::pair<RequestId, EventKind>> ends;
  for (const ImageEvent &event : events) {
    if (event.kind != EventKind::kDelta) {
      ends.emplace_back(event.request, event.kind);
    }
  }
  REQUIRE(ends.size() == 3);
  CHECK(ends[0] == std::pair(waiting, EventKind::kDone));
  CHECK(ends[1] == std::pair(running, EventKind::kFinish));
}

TEST_CASE("an image that fails ends its own request only") {
  Rig rig({.fails_on = "bad"});
  rig.engine->start();
  const RequestId bad = rig.engine->submit(request("bad", 3));
  const RequestId good = rig.engine->submit(request("good", 2));
  const auto events = rig.run(2);
  const auto failed = of(events, bad, EventKind::kDone);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].error == ErrorCode::kInternal);
  CHECK(failed[0].message == "the computation failed");
  CHECK(of(events, bad, EventKind::kFinish).empty());
  CHECK(of(events, good, EventKind::kFinish).size() == 2);
  CHECK(rig.engine->stats().healthy);
}

TEST_CASE("a device that is lost ends every request, and none is taken any more") {
  Rig rig({.loses_on = "far"}, {.n_slots = 1});
  Gate gate;
  rig.model->on_step = [&](const ImageRequest &, std::int32_t) { gate.reach(); };
  rig.engine->start();
  const RequestId far = rig.engine->submit(request("far", 2));
  gate.await();
  const RequestId waiting = rig.engine->submit(request("near"));
  gate.open();
  const auto events = rig.run(2);
  for (const RequestId id : {far, waiting}) {
    const auto done = of(events, id, EventKind::kDone);
    REQUIRE(done.size() == 1);
    CHECK(done[0].error == ErrorCode::kDeviceLost);
    CHECK(done[0].message == "the RPC server fake:1 was lost");
    CHECK(of(events, id, EventKind::kFinish).empty());
  }
  CHECK_FALSE(rig.engine->stats().healthy);
  CHECK_THROWS_AS(rig.engine->submit(request("near")), Error);
}

TEST_CASE("a failure of any kind is the request's own") {
  Rig rig;
  int kind = 0;
  rig.model->on_step = [&](const ImageRequest &, std::int32_t) {
    if (kind == 0) {
      throw std::bad_alloc();
    }
    throw std::runtime_error("odd");
  };
  rig.engine->start();
  rig.engine->submit(request("a"));
  CHECK(rig.run(1).back().message == "there is not enough memory for this image");
  kind = 1;
  rig.engine->submit(request("a"));
  CHECK(rig.run(1).back().message == "the image failed: odd");
}

TEST_CASE("two requests with slots take turns") {
  Rig rig;
  Gate gate;
  rig.model->on_step = [&](const ImageRequest &, std::int32_t) { gate.reach(); };
  rig.engine->start();
  const RequestId first = rig.engine->submit(request("a", 3));
  gate.await();
  const RequestId second = rig.engine->submit(request("b", 1));
  gate.open();
  std::vector<RequestId> order;
  for (const ImageEvent &event : rig.run(2)) {
    if (event.kind == EventKind::kFinish) {
      order.push_back(event.request);
    }
  }
  CHECK(order == std::vector<RequestId>{first, second, first, first});
}

TEST_CASE("limits: the queue, the pictures held, and what the model cannot do") {
  Rig rig({}, {.n_slots = 1, .n_queue = 1, .n_held_bytes = 64 * 64 * 3 + 100});
  Gate gate;
  rig.model->on_step = [&](const ImageRequest &, std::int32_t) { gate.reach(); };
  CHECK_THROWS_AS(rig.engine->submit(request("early")), Error);
  rig.engine->start();
  ImageRequest wrong = request("a");
  wrong.sampler = "none";
  CHECK_THROWS_WITH_AS(rig.engine->submit(wrong), "sampler has an unknown value", Error);
  rig.engine->submit(request("a"));
  gate.await();
  rig.engine->submit(request("b"));
  CHECK_THROWS_WITH_AS(rig.engine->submit(request("c")), "the queue is full: 1 requests wait",
                       Error);
  gate.open();
  rig.run(2);
  auto picture = std::make_shared<Pixels>(Pixels{64, 64, 3, {}});
  picture->bytes.resize(64 * 64 * 3);
  ImageRequest edit = request("a");
  edit.init = picture;
  rig.engine->submit(edit);
  rig.run(1);
  edit.prompt = std::string(200, 'a');
  CHECK_THROWS_WITH_AS(rig.engine->submit(edit),
                       "the pictures of waiting requests fill the memory for them", Error);
  CHECK_THROWS_AS(ImageEngine(load_fake_image_model({}), {.n_slots = 0}), Error);
}

TEST_CASE("a stop ends what runs and what waits, each once") {
  Rig rig({}, {.n_slots = 1});
  Gate gate;
  rig.model->on_step = [&](const ImageRequest &, std::int32_t) { gate.reach(); };
  rig.engine->start();
  rig.engine->submit(request("a", 2, 100));
  rig.engine->submit(request("b", 2, 100));
  gate.await();
  std::thread stopping([&] { rig.engine->stop(); });
  // Only the closed registry tells that the stop has begun.
  while (true) {
    try {
      rig.engine->submit(request("late"));
    } catch (const Error &error) {
      if (error.code() == ErrorCode::kUnavailable) {
        break;
      }
    }
  }
  gate.open();
  stopping.join();
  std::map<RequestId, int> n_done;
  for (const ImageEvent &event : rig.engine->drain()) {
    if (event.kind == EventKind::kDone) {
      ++n_done[event.request];
      CHECK(event.error == ErrorCode::kUnavailable);
    }
  }
  CHECK(n_done.size() >= 2);
  for (const auto &[id, n] : n_done) {
    CHECK(n == 1);
  }
}

TEST_CASE("random cancels: every request ends exactly once, and the engine is free afterwards") {
  Rig rig({}, {.n_slots = 3});
  rig.engine->start();
  std::vector<RequestId> ids;
  for (int i = 0; i < 50; ++i) {
    ids.push_back(rig.engine->submit(request("a", 1 + i % 3, 1 + i % 5)));
    if (i % 3 == 0) {
      rig.engine->cancel(ids[static_cast<std::size_t>(i / 2)]);
    }
  }
  std::map<RequestId, int> n_done;
  for (const ImageEvent &event : rig.run(ids.size())) {
    n_done[event.request] += event.kind == EventKind::kDone ? 1 : 0;
  }
  CHECK(n_done.size() == ids.size());
  for (const auto &[id, n] : n_done) {
    CHECK(n == 1);
  }
  const ImageStats stats = rig.engine->stats();
  CHECK(stats.n_slots_busy == 0);
  CHECK(stats.n_waiting == 0);
}
