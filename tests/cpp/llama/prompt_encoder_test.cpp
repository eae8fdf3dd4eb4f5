#include "tiny_model.h"

#include <thread>

using namespace llamabox;

namespace {

Error refusal(const Models &models, const PromptInput &input) {
  const std::optional<Error> error = error_of([&] { models.encoder->encode(input); });
  REQUIRE(error.has_value());
  CHECK(error->code() == ErrorCode::kInvalidArgument);
  return *error;
}

} // namespace

TEST_CASE("messages are rendered by the model's own template") {
  const auto models = load("demo");
  const ChatPrompt chat = {{{"system", "Be brief."}, {"user", "Hi {{ x }}"}}, true};
  const EncodedPrompt encoded = models->encoder->encode(chat);
  const std::string expected = "<|im_start|>system\nBe brief.<|im_end|>\n"
                               "<|im_start|>user\nHi {{ x }}<|im_end|>\n"
                               "<|im_start|>assistant\n";
  CHECK(encoded.text == expected);
  CHECK(encoded.prompt.tokens == models->vocab->tokenize(expected, {}));
  CHECK(encoded.prompt.media.empty());
  CHECK(encoded.stop.empty());
  CHECK_FALSE(encoded.make_parser);

  const EncodedPrompt without = models->encoder->encode(ChatPrompt{chat.messages, false});
  CHECK(without.text + "<|im_start|>assistant\n" == expected);
}

TEST_CASE("text is tokenized with its special tokens") {
  const auto models = load("demo");
  const std::string text = "<|im_start|>user\nHello!<|im_end|>\n";
  const EncodedPrompt encoded = models->encoder->encode(TextPrompt{text});
  CHECK(encoded.text == text);
  CHECK(encoded.prompt.tokens == models->vocab->tokenize(text, {.parse_special = true}));
}

TEST_CASE("token ids are taken as they are, within the vocabulary") {
  const auto models = load("demo");
  const EncodedPrompt encoded = models->encoder->encode(TokenPrompt{{5, 6, 7}});
  CHECK(encoded.prompt.tokens == std::vector<Token>{5, 6, 7});
  CHECK(encoded.text.empty());

  const std::string outside = std::to_string(models->vocab->n_tokens());
  const Error error = refusal(*models, TokenPrompt{{5, models->vocab->n_tokens()}});
  CHECK(error.param() == "prompt");
  CHECK(contains(error.what(), outside));
  CHECK(refusal(*models, TokenPrompt{{-1}}).param() == "prompt");
}

TEST_CASE("an empty prompt is refused by name") {
  const auto models = load("demo");
  CHECK(refusal(*models, TokenPrompt{}).param() == "prompt");
  CHECK(refusal(*models, TextPrompt{}).param() == "prompt");
  CHECK(refusal(*models, ChatPrompt{}).param() == "messages");
}

TEST_CASE("chat prompts of one encoder are rendered by several threads alike") {
  const auto models = load("demo");
  const auto text_of = [&](int i) {
    const ChatPrompt chat = {{{"user", "number " + std::to_string(i)}}, true};
    return models->encoder->encode(chat).text;
  };
  const std::string last = text_of(199);
  std::vector<std::string> texts(4);
  {
    std::vector<std::jthread> threads;
    for (std::string &text : texts) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          text = text_of(i);
        }
      });
    }
  }
  for (const std::string &text : texts) {
    CHECK(text == last);
  }
}
