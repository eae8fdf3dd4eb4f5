// Prompts with pictures and sounds have drafts too, and say what they say without them.
#include "media_rig.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace llamabox;

namespace {

struct Pair {
  std::string model;
  std::string projector;
  bool hears = false;
};

// So few that no two tokens are likely to be equally likely: the model makes nothing of pictures.
constexpr std::int32_t kTokens = 24;
constexpr float kTie = 5e-3F;

const std::vector<Pair> kPairs = {
    {"demo", "mlp"}, {"demo", "gemma3"}, {"qwen2vl", "qwen25vl"}, {"demo", "ultravox", true}};

std::vector<ChatPrompt> conversations(const Pair &pair) {
  const auto content = [&](std::uint64_t seed) {
    return pair.hears ? tone(200.0 * static_cast<double>(seed)) : stripes(seed);
  };
  std::vector<ChatPrompt> chats;
  chats.push_back({{said("What colour is this?", {content(3)})}});
  chats.push_back({{said("cat dog tree cat dog tree: and these?", {content(3), content(11)})}});
  chats.push_back({{ChatMessage{"user", "Repeat: cat dog tree"}}});
  return chats;
}

struct Answers {
  std::vector<Answer> answers;
  std::int32_t n_accepted = 0; // of drafts for prompts with media
};

// All asked at once, then each again, now from prefixes.
Answers ask(const Pair &pair, std::int32_t lookup_ngram_min, bool with_model) {
  LlamaParams params = exact_media_params(pair.model, pair.projector);
  EngineParams engine;
  engine.speculation.n_max = lookup_ngram_min > 0 || with_model ? 5 : 0;
  engine.speculation.lookup_ngram_min = lookup_ngram_min;
  engine.speculation.adapt = false;
  params.context.n_draft_max = engine.speculation.n_max;
  params.draft.model_path = with_model ? model_path("draft") : "";
  params.draft.p_min = 0;
  MediaDesk desk(params, engine);
  Answers found;
  const auto note = [&](RequestId id) {
    desk.wait(id);
    found.answers.push_back(desk.said_by(id));
    const Usage &usage = desk.usage(id);
    found.n_accepted += usage.n_image + usage.n_audio > 0 ? usage.n_draft_accepted : 0;
  };
  std::vector<RequestId> ids;
  for (const ChatPrompt &chat : conversations(pair)) {
    ids.push_back(desk.ask(chat, kTokens));
  }
  for (const RequestId id : ids) {
    note(id);
  }
  for (const ChatPrompt &chat : conversations(pair)) {
    note(desk.ask(chat, kTokens));
  }
  return found;
}

// Rows of a draft are computed by other kernels than single ones, and random projectors make near
// ties: the texts are equal up to one.
void check_same(const Answers &plain, const Answers &drafted) {
  REQUIRE(plain.answers.size() == drafted.answers.size());
  for (std::size_t i = 0; i < plain.answers.size(); ++i) {
    INFO(plain.answers[i].text << " | " << drafted.answers[i].text);
    CHECK(lead_where_other(plain.answers[i], drafted.answers[i].text) < kTie);
  }
}

} // namespace

TEST_CASE("answers about media are the same with lookups") {
  for (const Pair &pair : kPairs) {
    INFO((pair.model + " " + pair.projector));
    const Answers plain = ask(pair, 0, false);
    CHECK(plain.n_accepted == 0);
    const Answers drafted = ask(pair, 1, false);
    check_same(plain, drafted);
    CHECK(drafted.n_accepted > 0);
  }
}

TEST_CASE("answers about media are the same with a draft model that reads the text only") {
  for (const Pair &pair : kPairs) {
    if (pair.model != "demo") {
      continue; // the draft model has the demo model's vocabulary
    }
    INFO(pair.projector);
    const Answers plain = ask(pair, 0, false);
    const Answers drafted = ask(pair, 0, true);
    check_same(plain, drafted);
    CHECK(drafted.n_accepted > 0);
    check_same(plain, ask(pair, 2, true));
  }
}
