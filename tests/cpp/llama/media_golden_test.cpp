// Every projector type of the specification against upstream's own llama-mtmd-cli: the rows of each
// chunk, the length of the prompt and the greedy text (tools/make_media_golden.py recorded them).
#include "media_rig.h"

#include "nlohmann/json.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

using Json = nlohmann::json;

std::shared_ptr<const Media> media_of(const Json &numbers) {
  if (numbers.size() == 1) {
    return tone(numbers[0].get<double>());
  }
  return stripes(numbers[0].get<std::uint64_t>(), numbers[1].get<std::int32_t>(),
                 numbers[2].get<std::int32_t>());
}

ChatPrompt asked(const Json &entry, const std::string &question) {
  std::vector<std::shared_ptr<const Media>> media;
  for (const Json &one : entry["media"]) {
    media.push_back(media_of(one));
  }
  return {{said(question, media)}};
}

// An answer's parser leaves out the white space that it begins with.
std::string without_lead(const std::string &text) {
  const std::size_t begin = text.find_first_not_of(" \n");
  return begin == std::string::npos ? "" : text.substr(begin);
}

// Random projectors make near ties, which processors with other instructions round apart.
constexpr float kTie = 0.1F;
constexpr int kMostTies = 8; // of 48 texts

std::vector<std::int32_t> rows_of(const Prompt &prompt) {
  std::vector<std::int32_t> rows;
  for (const MediaSpan &span : prompt.media) {
    rows.push_back(span.n_rows);
  }
  return rows;
}

} // namespace

TEST_CASE("every projector type gives upstream's chunks and greedy text") {
  std::ifstream file(LLAMABOX_SOURCE_DIR "/tests/golden/media-b11549.json");
  const Json golden = Json::parse(file);
  const auto n_tokens = golden["n_predict"].get<std::int32_t>();
  const auto question = golden["question"].get<std::string>();
  CHECK(golden["pairs"].size() == 16); // fifteen types, one of which both sees and hears
  int n_ties = 0;
  for (const Json &pair : golden["pairs"]) {
    const auto projector = pair["projector"].get<std::string>();
    INFO(projector);
    const LlamaParams params = media_params(pair["model"].get<std::string>(), projector);
    const auto models = load_models(params);
    MediaDesk desk(params);
    for (const Json &entry : pair["entries"]) {
      INFO(entry["media"].dump());
      const ChatPrompt chat = asked(entry, question);
      const Prompt prompt = models->encoder->encode(chat).prompt;
      CHECK(rows_of(prompt) == entry["rows"].get<std::vector<std::int32_t>>());
      CHECK(prompt.size() == entry["n_prompt"].get<std::int32_t>());
      const auto expected = without_lead(entry["text"].get<std::string>());
      const RequestId id = desk.ask(chat, n_tokens);
      const bool is_same = desk.wait(id) == expected;
      INFO(desk.said_by(id).text << " instead of " << expected);
      CHECK(lead_where_other(desk.said_by(id), expected) < kTie);
      n_ties += is_same ? 0 : 1;
    }
  }
  CHECK(n_ties <= kMostTies);
}
