#include "engine/engine.h"
#include "engine/media_worker.h"
#include "fake_models.h"
#include "rig.h"

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace llamabox;

namespace {

std::shared_ptr<const Media> picture(std::uint64_t hash) {
  auto media = std::make_shared<Media>();
  media->hash = hash;
  return media;
}

ChatPrompt question(const std::vector<std::uint64_t> &hashes, const std::string &text = "what?") {
  ChatMessage message{"user", text};
  for (const std::uint64_t hash : hashes) {
    message.media.push_back({picture(hash), 0, "messages[0]"});
  }
  return {{message}};
}

Arrival arrival_of(const ChatPrompt &chat, const Models &models, RequestId id = 1) {
  Submission submission;
  submission.ticket = {id, std::make_shared<std::atomic<bool>>(false)};
  GenerateRequest body;
  body.prompt = chat;
  body.sampling.temperature = 0;
  submission.request.body = std::move(body);
  return prepare(std::move(submission), models);
}

// A worker on a fake projector.
struct Desk {
  explicit Desk(FakeMediaParams media = {}, std::int32_t n_cached = 0) {
    media.is_there = true;
    FakeModelParams params;
    params.media = media;
    models = load_fake_models(params, &fakes);
    worker = std::make_unique<MediaWorker>(
        MediaWorkerContext{*models->media, n_cached, clock, turns, arrivals});
  }

  Arrival encode(const std::vector<std::uint64_t> &hashes) {
    worker->put(arrival_of(question(hashes), *models));
    return take();
  }

  Arrival take() {
    while (taken.empty()) {
      for (Arrival &arrival : arrivals.take_all(kNever)) {
        taken.push_back(std::move(arrival));
      }
    }
    Arrival arrival = std::move(taken.front());
    taken.pop_front();
    return arrival;
  }

  FakeHandles fakes;
  std::unique_ptr<Models> models;
  SteadyClock clock;
  ComputeTurns turns;
  Inbox<Arrival> arrivals;
  std::deque<Arrival> taken;
  std::unique_ptr<MediaWorker> worker;
};

// What an engine answers; `media` is how its projector works.
std::vector<std::string> answers(const FakeMediaParams &media, const EngineParams &engine_params,
                                 const std::vector<ChatPrompt> &chats, bool together,
                                 Stats *stats = nullptr) {
  FakeModelParams params;
  params.media = media;
  params.media.is_there = true;
  Engine engine(load_fake_models(params), engine_params);
  engine.start();
  std::map<RequestId, std::string> texts;
  std::vector<RequestId> ids;
  std::size_t n_done = 0;
  const auto drain = [&](std::size_t n_wanted) {
    while (n_done < n_wanted) {
      for (Event &event : engine.drain()) {
        texts[event.request] += event.text + event.message;
        n_done += event.kind == EventKind::kDone ? 1 : 0;
      }
      std::this_thread::yield();
    }
  };
  for (const ChatPrompt &chat : chats) {
    GenerateRequest body;
    body.prompt = chat;
    body.sampling.temperature = 0;
    body.max_tokens = 12;
    Request request;
    request.body = std::move(body);
    ids.push_back(engine.submit(std::move(request)));
    drain(together ? 0 : ids.size());
  }
  drain(ids.size());
  if (stats != nullptr) {
    *stats = engine.stats();
  }
  engine.stop();
  std::vector<std::string> found;
  for (const RequestId id : ids) {
    found.push_back(texts[id]);
  }
  return found;
}

} // namespace

TEST_CASE("every span of an arrival gets the embeddings of its content") {
  Desk desk;
  const Arrival arrival = desk.encode({5, 6, 5});
  REQUIRE(arrival.prompt->media.size() == 3);
  CHECK(*arrival.prompt->media[0].embd == fake_embeddings(5, 6));
  CHECK(*arrival.prompt->media[1].embd == fake_embeddings(6, 6));
  CHECK(*arrival.prompt->media[2].embd == fake_embeddings(5, 6));
  CHECK_FALSE(needs_encoding(arrival));
  CHECK(desk.fakes.media->n_encoded == 2); // the same picture once
}

TEST_CASE("embeddings are kept as long as the cache has room, the last used ones") {
  Desk none;
  none.encode({5});
  CHECK(none.encode({5}).n_media_cached == 0);
  CHECK(none.fakes.media->n_encoded == 2);
  Desk two({}, 2);
  two.encode({5});
  two.encode({6});
  CHECK(two.encode({5}).n_media_cached == 1);
  two.encode({7}); // 6 leaves
  CHECK(two.encode({5}).n_media_cached == 1);
  CHECK(two.encode({6}).n_media_encoded == 1);
  CHECK(two.fakes.media->n_encoded == 4);
}

TEST_CASE("a failing projector is the request's error") {
  Desk desk;
  desk.fakes.media->fails_at = 9;
  const Arrival arrival = desk.encode({5, 9});
  REQUIRE(arrival.error);
  CHECK(arrival.error->code() == ErrorCode::kInternal);
  CHECK_FALSE(desk.encode({5}).error);
}

TEST_CASE("a cancelled request comes out although the encoding would never end") {
  Desk desk;
  desk.fakes.media->never_ends = true;
  Arrival running = arrival_of(question({5}), *desk.models, 1);
  Arrival waiting = arrival_of(question({6}), *desk.models, 2);
  const CancelFlag stop_running = running.ticket.cancelled;
  const CancelFlag stop_waiting = waiting.ticket.cancelled;
  desk.worker->put(std::move(running));
  while (desk.fakes.media->n_begun == 0) {
    std::this_thread::yield();
  }
  desk.worker->put(std::move(waiting));
  stop_waiting->store(true);
  CHECK(desk.take().ticket.id == 2);
  stop_running->store(true);
  CHECK(desk.take().ticket.id == 1);
  CHECK(desk.fakes.media->n_encoded == 0);
}

TEST_CASE("somebody else gets a turn between two slices") {
  Desk desk;
  desk.fakes.media->never_ends = true;
  Arrival arrival = arrival_of(question({5}), *desk.models);
  const CancelFlag stop = arrival.ticket.cancelled;
  desk.worker->put(std::move(arrival));
  while (desk.fakes.media->n_begun == 0) {
    std::this_thread::yield();
  }
  for (int turn = 0; turn < 3; ++turn) {
    const ComputeTurn mine(&desk.turns);
    CHECK(desk.fakes.media->n_encoded == 0);
  }
  stop->store(true);
  desk.take();
}

TEST_CASE("requests take turns chunk by chunk") {
  Desk desk;
  {
    const ComputeTurn held(&desk.turns); // so that both are there before the first is encoded
    desk.worker->put(arrival_of(question({1, 2, 3, 4}), *desk.models, 1));
    desk.worker->put(arrival_of(question({5}), *desk.models, 2));
  }
  CHECK(desk.take().ticket.id == 2);
  CHECK(desk.take().ticket.id == 1);
}

TEST_CASE("an end with an encoding that runs and one that waits") {
  Desk desk;
  desk.fakes.media->never_ends = true;
  desk.worker->put(arrival_of(question({5}), *desk.models, 1));
  desk.worker->put(arrival_of(question({6}), *desk.models, 2));
  while (desk.fakes.media->n_begun == 0) {
    std::this_thread::yield();
  }
  desk.worker.reset();
  CHECK(desk.fakes.media->n_encoded == 0);
}

TEST_CASE("answers do not depend on company, cache, slices or kept prefixes") {
  const std::vector<ChatPrompt> chats = {question({5}), question({6}, "and?"), question({5, 6}),
                                         question({}, "no picture"), question({5}, "again?")};
  for (const bool causal : {true, false}) {
    FakeMediaParams plain;
    plain.causal = causal;
    plain.n_pos = causal ? 6 : 3;
    EngineParams cold;
    cold.cache_prompt = false;
    const auto expected = answers(plain, cold, chats, false);
    CHECK(expected[0] != expected[1]);
    for (const bool together : {false, true}) {
      FakeMediaParams sliced = plain;
      sliced.n_slices = 5;
      EngineParams warm;
      warm.n_media_cached = 8;
      CHECK(answers(sliced, warm, chats, together) == expected);
    }
  }
}

TEST_CASE("a second turn on the same picture runs only what is new") {
  const ChatPrompt first = question({5});
  ChatPrompt second = question({5});
  second.messages.push_back({"assistant", "a cat"});
  second.messages.push_back({"user", "sure?"});
  Stats one;
  Stats both;
  answers({}, {}, {first}, false, &one);
  answers({}, {}, {first, second}, false, &both);
  // "a cat\nuser:sure?\nassistant:" and the end of the first prompt, whose last token runs again.
  CHECK(both.n_prompt_tokens - one.n_prompt_tokens < 40);
  CHECK(both.n_cached_tokens > 20);
}

TEST_CASE("a prompt whose media cannot run is refused before it is encoded") {
  FakeMediaParams media;
  media.n_rows = media.n_pos = 300;
  FakeModelParams params;
  params.media = media;
  params.media.is_there = true;
  FakeHandles fakes;
  const auto models = load_fake_models(params, &fakes);
  const Arrival arrival = arrival_of(question({5}), *models);
  REQUIRE(arrival.error);
  CHECK(arrival.error->code() == ErrorCode::kContextExceeded);
  CHECK_FALSE(needs_encoding(arrival));
}
