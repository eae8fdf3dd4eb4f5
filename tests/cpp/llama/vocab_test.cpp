#include "tiny_model.h"

using namespace llamabox;

namespace {

std::string join(const Vocab &vocab, std::span<const Token> tokens, bool render_special) {
  std::string text;
  for (const Token token : tokens) {
    text += vocab.piece(token, render_special);
  }
  return text;
}

} // namespace

TEST_CASE("text comes back from its tokens") {
  const auto models = load("demo");
  for (const std::string text : {"What is 9 + 8?", "a\n\n  b\tc", "Grüße, 世界! 🙂", ""}) {
    const std::vector<Token> tokens = models->vocab->tokenize(text, {});
    CHECK(join(*models->vocab, tokens, false) == text);
    CHECK(tokens.empty() == text.empty());
  }
}

TEST_CASE("special tokens in text are tokens only when asked for") {
  const auto models = load("demo");
  const std::string text = "<|im_end|>";
  const std::vector<Token> parsed = models->vocab->tokenize(text, {.parse_special = true});
  REQUIRE(parsed.size() == 1);
  CHECK(models->vocab->is_end_of_generation(parsed[0]));
  CHECK(models->vocab->piece(parsed[0], false).empty());
  CHECK(models->vocab->piece(parsed[0], true) == text);

  const std::vector<Token> plain = models->vocab->tokenize(text, {.parse_special = false});
  CHECK(plain.size() > 1);
  CHECK(join(*models->vocab, plain, false) == text);
}

TEST_CASE("a long text is tokenized whole") {
  const auto models = load("demo");
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    text += std::to_string(i * 7919) + "!?";
  }
  const std::vector<Token> tokens = models->vocab->tokenize(text, {});
  CHECK(join(*models->vocab, tokens, false) == text);
}

TEST_CASE("ids outside the vocabulary are nothing") {
  const auto models = load("demo");
  for (const Token token : {-1, models->vocab->n_tokens()}) {
    CHECK(models->vocab->piece(token, true).empty());
    CHECK_FALSE(models->vocab->is_end_of_generation(token));
  }
}
