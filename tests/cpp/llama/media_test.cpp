#include "llama/media_prompt.h"
#include "media_rig.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

using namespace llamabox;

namespace {

// Of `projector` what it is asked about; one file can see and hear.
struct Pair {
  std::string model;
  std::string projector;
  bool hears = false;
};

// All types of the specification but qwen2a, alone and in qwen25o, whose 750 rows of random numbers
// make near ties; and qwen25vl with and without sections in the text model.
const std::vector<Pair> kPairs = {
    {"demo", "mlp"},      {"marked", "resampler"}, {"qwen2vl", "qwen2vl"},
    {"demo", "adapter"},  {"qwen2vl", "qwen25vl"}, {"demo", "qwen25vl"},
    {"demo", "gemma3"},   {"demo", "idefics3"},    {"demo", "pixtral"},
    {"demo", "ldp"},      {"demo", "ldpv2"},       {"marked", "internvl"},
    {"marked", "llama4"}, {"qwen2vl", "qwen25o"},  {"demo", "ultravox", true}};

std::shared_ptr<const Media> content(const Pair &pair, std::uint64_t seed) {
  return pair.hears ? tone(200.0 * static_cast<double>(seed)) : stripes(seed);
}

std::vector<ChatPrompt> conversations(const Pair &pair) {
  const auto one = content(pair, 3);
  const auto other = content(pair, 11);
  std::vector<ChatPrompt> chats;
  chats.push_back({{said("What colour is this?", {one})}});
  chats.push_back({{said("What colour is this?", {other})}});
  chats.push_back({{said("And these?", {one, other})}});
  chats.push_back({{ChatMessage{"user", "hello"}}});
  // The first picture again, in a conversation that goes on.
  chats.push_back({{said("What colour is this?", {one}), ChatMessage{"assistant", "Red."},
                    said("And this?", {other})}});
  return chats;
}

// Between two slices nothing happens, but they are as short as can be.
struct ShortSlices final : SliceGate {
  bool pass() override { return ++n_passed != stops_at; }
  std::int64_t slice_ns() const override { return ns; }
  std::int64_t ns = 1;
  int n_passed = 0;
  int stops_at = -1;
};

EncodedPrompt encoded(const Models &models, const std::shared_ptr<const Media> &media) {
  return models.encoder->encode(ChatPrompt{{said("this?", {media})}});
}

std::vector<float> embeddings(Models &models, const MediaSpan &span, SliceGate &gate) {
  return models.media->encode(*span.chunk, gate);
}

} // namespace

TEST_CASE("a projector says what it takes, and its media become spans of rows") {
  for (const Pair &pair : kPairs) {
    INFO(pair.projector);
    const auto models = load_models(exact_media_params(pair.model, pair.projector));
    const bool has_both = pair.projector == "qwen25o";
    CHECK(models->info.sees_images == (has_both || !pair.hears));
    CHECK(models->info.hears_audio == (has_both || pair.hears));
    const EncodedPrompt prompt = encoded(*models, content(pair, 3));
    REQUIRE_FALSE(prompt.prompt.media.empty());
    const MediaSpan &span = prompt.prompt.media.front();
    CHECK(span.n_rows > 0);
    CHECK(span.start > 0);
    CHECK(prompt.prompt.tokens[static_cast<std::size_t>(span.start)] == kNoToken);
    CHECK(span.positions.size() == static_cast<std::size_t>(span.n_rows));
    CHECK(prompt.text.find("<__media__>") != std::string::npos);
    CHECK(span.causal == (pair.projector != "gemma3"));
    CHECK((span.n_pos < span.n_rows) == (pair.model == "qwen2vl" && !pair.hears));
    CHECK((span.kind == MediaKind::kAudio) == pair.hears);
  }
}

TEST_CASE("embeddings depend on the content and not on the slices they are made in") {
  for (const Pair &pair : kPairs) {
    INFO(pair.projector);
    const auto models = load_models(exact_media_params(pair.model, pair.projector));
    const EncodedPrompt one = encoded(*models, content(pair, 3));
    const EncodedPrompt other = encoded(*models, content(pair, 11));
    ShortSlices many;
    ShortSlices few;
    few.ns = 1'000'000'000'000;
    const auto expected = embeddings(*models, one.prompt.media[0], few);
    CHECK(expected.size() == static_cast<std::size_t>(one.prompt.media[0].n_rows) *
                                 static_cast<std::size_t>(models->runner->limits().n_embd));
    CHECK(embeddings(*models, one.prompt.media[0], many) == expected);
    CHECK(many.n_passed > few.n_passed);
    CHECK(embeddings(*models, other.prompt.media[0], few) != expected);
    ShortSlices stopped;
    stopped.stops_at = 2;
    CHECK(embeddings(*models, one.prompt.media[0], stopped).empty());
    CHECK(embeddings(*models, one.prompt.media[0], few) == expected); // as if nothing had been
  }
}

TEST_CASE("answers do not depend on company, cache or kept prefixes") {
  for (const Pair &pair : kPairs) {
    INFO((pair.model + " " + pair.projector));
    const std::vector<ChatPrompt> chats = conversations(pair);
    std::vector<std::string> expected;
    {
      EngineParams cold;
      cold.cache_prompt = false;
      MediaDesk desk(exact_media_params(pair.model, pair.projector), cold);
      for (const ChatPrompt &chat : chats) {
        expected.push_back(desk.answer(chat));
      }
    }
    CHECK(expected[0] != expected[1]);
    EngineParams warm;
    warm.n_media_cached = 4;
    MediaDesk desk(exact_media_params(pair.model, pair.projector), warm);
    std::vector<RequestId> ids;
    for (const ChatPrompt &chat : chats) {
      ids.push_back(desk.ask(chat));
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      CHECK(desk.wait(ids[i]) == expected[i]);
    }
    for (std::size_t i = 0; i < chats.size(); ++i) {
      CHECK(desk.answer(chats[i]) == expected[i]); // now from prefixes and kept embeddings
    }
  }
}

TEST_CASE("a second turn on the same picture runs only what is new") {
  for (const Pair &pair : kPairs) {
    INFO((pair.model + " " + pair.projector));
    MediaDesk desk(exact_media_params(pair.model, pair.projector));
    ChatPrompt chat{{said("What colour is this?", {content(pair, 3)})}};
    const RequestId first = desk.ask(chat, 4);
    const std::string text = desk.wait(first);
    const std::int32_t n_media = desk.usage(first).n_image + desk.usage(first).n_audio;
    CHECK(n_media > 0);
    chat.messages.push_back({"assistant", text});
    chat.messages.push_back({"user", "sure?"});
    const RequestId second = desk.ask(chat, 4);
    desk.wait(second);
    CHECK(desk.usage(second).n_cached >= n_media);
    // All that the first turn ran, but for a token where the new text joins on.
    CHECK(desk.usage(second).n_cached + 2 >= desk.usage(first).n_prompt);
  }
}

TEST_CASE("the text model's positions with sections keep rows and memory in step") {
  MediaDesk desk(exact_media_params("qwen2vl", "qwen25vl"));
  // A picture in front of another prompt's picture: the prefix ends before the second.
  const auto one = stripes(3, 84, 56);
  const auto two = stripes(9, 56, 84);
  const std::string cold = desk.answer({{said("And?", {one, two})}});
  const RequestId id = desk.ask({{said("And?", {one, one})}});
  desk.wait(id);
  CHECK(desk.usage(id).n_cached > 0);
  CHECK(desk.answer({{said("And?", {one, two})}}) == cold);
}

TEST_CASE("a text beside a picture is what it is alone") {
  for (const Pair &pair : kPairs) {
    MediaDesk desk(exact_media_params(pair.model, pair.projector));
    const ChatPrompt text{{ChatMessage{"user", "Tell me a story."}}};
    const std::string alone = desk.answer(text, 40);
    const RequestId running = desk.ask(text, 40);
    const RequestId picture = desk.ask({{said("this?", {content(pair, 5)})}});
    CHECK(desk.wait(running) == alone);
    desk.wait(picture);
  }
}

TEST_CASE("media without a projector, or of the other kind, is refused by name") {
  const auto error_for = [](const Models &models, const std::shared_ptr<const Media> &media) {
    return error_of([&] { encoded(models, media); });
  };
  const auto blind = load("demo");
  CHECK(error_for(*blind, stripes(3)).code() == ErrorCode::kUnsupported);
  CHECK(contains(error_for(*blind, stripes(3)).what(), "--mmproj"));
  CHECK(error_for(*blind, stripes(3)).param() == "messages[0].content[0]");
  const auto sees = load_models(exact_media_params("demo", "mlp"));
  CHECK(contains(error_for(*sees, tone(400)).what(), "no audio"));
  const auto hears = load_models(exact_media_params("demo", "ultravox"));
  CHECK(contains(error_for(*hears, stripes(3)).what(), "no images"));
  auto broken = std::make_shared<Media>(*tone(400));
  broken->bytes.resize(20);
  CHECK(error_for(*hears, broken).code() == ErrorCode::kInvalidArgument);
  auto thin = std::make_shared<Media>(*stripes(3));
  thin->bytes.pop_back();
  CHECK(error_for(*sees, thin).code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("the sounds of a request last so long together") {
  LlamaParams params = exact_media_params("demo", "ultravox");
  params.projector.n_audio_max = 1;
  const auto models = load_models(params);
  const auto half = tone(400);
  const auto heard = [&](const std::vector<std::shared_ptr<const Media>> &media) {
    return error_of([&] { models->encoder->encode(ChatPrompt{{said("these?", media)}}); });
  };
  CHECK(heard({half, half}).code() == ErrorCode::kNone);
  const Error error = heard({half, half, half});
  CHECK(error.code() == ErrorCode::kInvalidArgument);
  CHECK(contains(error.what(), "one sound too many"));
  CHECK(error.param() == "messages[0].content[0]");
}

TEST_CASE("a projector that does not fit is refused when it is loaded") {
  const Error wide = error_of([] { load_models(exact_media_params("gemma3", "mlp")); });
  CHECK(wide.code() == ErrorCode::kLoadFailed);
  CHECK(contains(wide.what(), "mismatch"));
  LlamaParams params = small_params("demo");
  params.projector.path = model_path("demo");
  CHECK(contains(error_of([&] { load_models(params); }).what(), "no projector"));
  params.projector.path = "/nowhere.gguf";
  CHECK(error_of([&] { load_models(params); }).code() == ErrorCode::kLoadFailed);
}

TEST_CASE("the batch grows to what a picture takes at once") {
  LlamaParams params = exact_media_params("demo", "gemma3");
  params.context.n_ubatch = 8;
  params.context.n_batch = 8;
  const auto models = load_models(params);
  CHECK(models->runner->limits().n_ubatch >= 16);
  CHECK(models->runner->limits().n_batch >= 16);
}

TEST_CASE("marks carry media through a template, and look-alikes are text") {
  ChatPrompt chat{{said("see <__media__> and <__media_0_0__>", {stripes(3), stripes(5)})}};
  chat.messages[0].media[1].at = 4;
  const MediaMarks marks(chat);
  REQUIRE_FALSE(marks.empty());
  const auto parts = marks.split("[" + chat.messages[0].content + "]");
  REQUIRE(parts.size() == 5);
  CHECK(parts[0].text == "[");
  CHECK(parts[1].media->media->hash == 3);
  CHECK(parts[2].text == "see ");
  CHECK(parts[3].media->media->hash == 5);
  CHECK(parts[4].text == "<__media__> and <__media_0_0__>]");
  CHECK(error_of([&] { marks.split("nothing"); }).code() == ErrorCode::kInvalidArgument);
  ChatPrompt plain{{ChatMessage{"user", "<__media__>"}}};
  CHECK(MediaMarks(plain).empty());
}
