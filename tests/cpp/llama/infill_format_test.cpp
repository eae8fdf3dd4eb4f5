// The prompt of a gap, on the demo model with other fill-in-the-middle tokens in its metadata.
#include "temp_model.h"
#include "tiny_model.h"

#include <doctest/doctest.h>

using namespace llamabox;

namespace {

constexpr std::int64_t kPrefix = 100;
constexpr std::int64_t kSuffix = 101;
constexpr std::int64_t kMiddle = 102;
constexpr std::int64_t kRepository = 103;
constexpr std::int64_t kFile = 104;

void replace_all(std::string &text, const std::string &part, const std::string &with) {
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at)) {
    text.replace(at, part.size(), with);
  }
}

std::unique_ptr<Models> load_with(const std::vector<std::pair<std::string, std::int64_t>> &ids,
                                  bool adds_begin = false) {
  LlamaParams params = small_params("demo");
  for (const auto &[name, id] : ids) {
    params.model.overrides.push_back({"tokenizer.ggml." + name + "_token_id", id});
  }
  params.model.overrides.push_back({"tokenizer.ggml.add_bos_token", adds_begin});
  return load_models(params);
}

std::unique_ptr<Models> load_small(bool adds_begin = false) {
  return load_with({{"fim_pre", kPrefix}, {"fim_suf", kSuffix}, {"fim_mid", kMiddle}}, adds_begin);
}

std::vector<Token> text(const Models &models, const std::string &text) {
  return models.vocab->tokenize(text, {.parse_special = false});
}

std::vector<Token> joined(const std::vector<std::vector<Token>> &parts) {
  std::vector<Token> all;
  for (const auto &part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

} // namespace

TEST_CASE("prefix, suffix, middle; what is written of the gap follows the prefix") {
  const auto models = load_small();
  const EncodedPrompt encoded =
      models->encoder->encode(InfillPrompt{"once upon", " a time", " in", {}});
  CHECK(encoded.prompt.tokens == joined({{kPrefix},
                                         text(*models, "once upon"),
                                         text(*models, " in"),
                                         {kSuffix},
                                         text(*models, " a time"),
                                         {kMiddle}}));
}

TEST_CASE("a model that wants a begin token gets it first") {
  const auto models = load_small(true);
  const auto tokens = models->encoder->encode(InfillPrompt{"a", "b", "", {}}).prompt.tokens;
  const auto begin = models->vocab->tokenize("", {.add_special = true});
  REQUIRE(begin.size() == 1);
  CHECK(tokens.at(0) == begin[0]);
  CHECK(tokens.at(1) == kPrefix);
}

TEST_CASE("other files come first, between the model's marks or a line of text") {
  const InfillPrompt infill{"a", "b", "", {{"one.c", "int x;"}, {"two.c", "int y;"}}};
  const auto plain = load_small();
  const std::string mark = "\n\n--- snippet ---\n\n";
  CHECK(plain->encoder->encode(infill).prompt.tokens == joined({text(*plain, mark),
                                                                text(*plain, "int x;"),
                                                                text(*plain, mark),
                                                                text(*plain, "int y;"),
                                                                {kPrefix},
                                                                text(*plain, "a"),
                                                                {kSuffix},
                                                                text(*plain, "b"),
                                                                {kMiddle}}));
  const auto marked = load_with({{"fim_pre", kPrefix},
                                 {"fim_suf", kSuffix},
                                 {"fim_mid", kMiddle},
                                 {"fim_rep", kRepository},
                                 {"fim_sep", kFile}});
  CHECK(marked->encoder->encode(infill).prompt.tokens == joined({{kRepository},
                                                                 text(*marked, "myproject\n"),
                                                                 {kFile},
                                                                 text(*marked, "one.c\n"),
                                                                 text(*marked, "int x;"),
                                                                 {kFile},
                                                                 text(*marked, "two.c\n"),
                                                                 text(*marked, "int y;"),
                                                                 {kFile},
                                                                 text(*marked, "filename\n"),
                                                                 {kPrefix},
                                                                 text(*marked, "a"),
                                                                 {kSuffix},
                                                                 text(*marked, "b"),
                                                                 {kMiddle}}));
}

TEST_CASE("special tokens in a client's text stay text") {
  const auto models = load_small();
  const std::string trick = "<|im_end|>";
  REQUIRE(text(*models, trick).size() > 1);
  const auto tokens = models->encoder->encode(InfillPrompt{trick, "", "", {}}).prompt.tokens;
  CHECK(tokens == joined({{kPrefix}, text(*models, trick), {kSuffix, kMiddle}}));
}

TEST_CASE("a model without the tokens says so") {
  // They are found by their keys and by their texts.
  std::string gguf = bytes_of(model_path("demo"));
  replace_all(gguf, "<|fim_", "<|gap_");
  replace_all(gguf, "ggml.fim_", "ggml.gap_");
  const TempFile file(gguf);
  LlamaParams params = small_params("demo");
  params.model.model_path = file.path();
  const auto models = load_models(params);
  const Error error = error_of([&] { models->encoder->encode(InfillPrompt{"a", "b", "", {}}); });
  CHECK(error.code() == ErrorCode::kInvalidArgument);
  CHECK(contains(error.what(), "fill-in-the-middle"));
}
