// Embeddings and scores in the engine's steps: beside streams, cancelled, refused.
#include "rig.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace llamabox;

namespace {

Request encode(std::vector<EncodeInput> inputs, EncodeKind kind = EncodeKind::kEmbed,
               std::int32_t n_dims = 0) {
  Request request;
  request.body = EncodeRequest{kind, std::move(inputs), n_dims, false};
  return request;
}

std::vector<EncodeInput> texts(std::size_t n, const std::string &text) {
  return std::vector<EncodeInput>(n, TextPrompt{text});
}

} // namespace

TEST_CASE("an embedding request ends in one event with vectors and counts") {
  Rig rig;
  const RequestId id = rig.submit(encode({TextPrompt{"four"}, TokenPrompt{{1, 2}}}));
  rig.run_until_idle();
  const Event &done = rig.done(id);
  CHECK(rig.outcome(id).n_events == 1);
  CHECK(done.error == ErrorCode::kNone);
  CHECK(done.usage.n_prompt == 6);
  CHECK(done.result->n_values == FakeTextEncoder::kDims);
  CHECK(done.result->values.at(0) == 4.0F);
  CHECK(done.result->values.at(4) == 2.0F);
  CHECK(done.usage.ttft_ms == doctest::Approx(6));
  CHECK(rig.scheduler().stats().n_encoded_texts == 2);
  CHECK(rig.scheduler().stats().n_encode_passes == 1);
  CHECK(rig.scheduler().stats().n_prompt_tokens == 6);
}

TEST_CASE("scores of pairs, the unknown token among them") {
  Rig rig;
  const RequestId id = rig.submit(
      encode({PairPrompt{"abc", "xbx"}, PairPrompt{"abc", "cab"}, PairPrompt{"abc", std::nullopt}},
             EncodeKind::kRerank));
  rig.run_until_idle();
  CHECK(rig.done(id).result->values == std::vector<float>{1, 3, 0});
}

TEST_CASE("a stream beside embeddings says the same and gets a step after each pass") {
  FakeModelParams model;
  model.texts.n_batch = 512;
  Rig rig(model);
  const RequestId stream = rig.generate("hello", 20);
  rig.step();
  rig.submit(encode(texts(300, "0123456789")));
  const int n_before = rig.outcome(stream).n_events;
  for (int i = 1; i <= 5; ++i) {
    rig.step();
    CHECK(rig.outcome(stream).n_events == n_before + i);
  }
  for (std::size_t i = 1; i < rig.texts().tokens_of_passes.size(); ++i) {
    CHECK(rig.texts().tokens_of_passes[i] <= 50);
  }
  rig.run_until_idle();
  CHECK(rig.text(stream) == alone("hello", 20));
}

TEST_CASE("a cancelled request ends within one pass") {
  Rig rig;
  const RequestId id = rig.submit(encode(texts(100, "0123456789")));
  const RequestId other = rig.submit(encode(texts(2, "abc")));
  rig.step();
  rig.cancel(id);
  rig.step();
  CHECK(rig.done(id).finish == FinishReason::kCancelled);
  rig.run_until_idle();
  CHECK(rig.done(other).result->values.at(0) == 3.0F);
  CHECK(rig.texts().passes.size() < 5);
}

TEST_CASE("a request that waits too long ends with its deadline") {
  Rig rig;
  Request request = encode(texts(100, "0123456789"));
  request.timeout_ns = 50'000'000;
  const RequestId id = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.done(id).error == ErrorCode::kDeadlineExceeded);
}

TEST_CASE("a text that is too long is refused with both numbers and its place") {
  Rig rig;
  const RequestId id = rig.submit(encode({TextPrompt{"short"}, TextPrompt{std::string(65, 'x')}}));
  rig.run_until_idle();
  CHECK(rig.done(id).error == ErrorCode::kContextExceeded);
  CHECK(rig.done(id).message == "text[1] has 65 tokens; at most 64 can be read");
  CHECK(rig.done(id).param == "text[1]");
}

TEST_CASE("refusals name what is wrong") {
  FakeModelParams model;
  model.texts.ranks = false;
  model.generates = false;
  Rig rig(model);
  const RequestId dims = rig.submit(encode(texts(1, "x"), EncodeKind::kEmbed, 5));
  const RequestId none = rig.submit(encode({}));
  const RequestId foreign = rig.submit(encode({TokenPrompt{{9999}}}));
  const RequestId scores = rig.submit(encode({PairPrompt{"a", "b"}}, EncodeKind::kRerank));
  const RequestId text = rig.generate("hi", 4);
  rig.run_until_idle();
  CHECK(rig.done(dims).message == "dimensions is 5; the model's vectors have 4");
  CHECK(rig.done(none).error == ErrorCode::kInvalidArgument);
  CHECK(rig.done(foreign).error == ErrorCode::kInvalidArgument);
  CHECK(rig.done(scores).error == ErrorCode::kUnsupported);
  CHECK(rig.done(text).error == ErrorCode::kUnsupported);
}

TEST_CASE("what a kind needs is made for its first request, which says so") {
  FakeModelParams model;
  model.texts.n_prepared_bytes = 5000;
  Rig rig(model);
  const auto made_for = [&](EncodeInput input, EncodeKind kind) {
    const RequestId id = rig.submit(encode({std::move(input)}, kind));
    rig.run_until_idle();
    return rig.done(id).result->n_made_bytes;
  };
  CHECK(made_for(TextPrompt{"a"}, EncodeKind::kEmbed) == 5000);
  CHECK(made_for(TextPrompt{"a"}, EncodeKind::kEmbed) == 0);
  CHECK(made_for(PairPrompt{"a", "b"}, EncodeKind::kRerank) == 5000);
  model.texts.cannot_prepare = true;
  Rig poor(model);
  const RequestId id = poor.submit(encode({TextPrompt{"a"}}));
  poor.run_until_idle();
  CHECK(poor.done(id).error == ErrorCode::kUnavailable);
}

TEST_CASE("waiting embedding requests count towards the queue's limit until they run") {
  Rig rig({}, EngineParams{.n_queue = 2});
  rig.submit(encode(texts(50, "0123456789")));
  rig.submit(encode(texts(1, "abc")));
  CHECK(rig.registry().n_waiting() == 2);
  rig.step();
  CHECK(rig.registry().n_waiting() == 0);
  rig.run_until_idle();
  CHECK(rig.registry().n_live() == 0);
}

TEST_CASE("what cannot be encoded any more ends when all is ended") {
  Rig rig;
  const RequestId id = rig.submit(encode(texts(100, "0123456789")));
  rig.step();
  rig.scheduler().end_all(Error(ErrorCode::kUnavailable, "stopping"));
  rig.step();
  CHECK(rig.done(id).error == ErrorCode::kUnavailable);
}
