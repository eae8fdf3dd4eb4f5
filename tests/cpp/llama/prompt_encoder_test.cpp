#include "temp_model.h"
#include "tiny_model.h"

#include <thread>

using namespace llamabox;

namespace {

Error refusal(const Models &models, const PromptInput &input) {
  Error error = error_of([&] { models.encoder->encode(input); });
  CHECK(error.code() == ErrorCode::kInvalidArgument);
  return error;
}

std::unique_ptr<Models> load_bytes(const std::string &gguf) {
  const TempFile file(gguf);
  LlamaParams params = small_params("demo");
  params.model.model_path = file.path();
  return load_models(params);
}

const ChatPrompt kHello = {{{"user", "Hello!"}}, true};

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
  CHECK(encoded.make_parser); // for its thinking blocks
  CHECK(encoded.grammar.empty());

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

TEST_CASE("a begin token is added where the model wants one, and never twice") {
  std::string gguf = bytes_of(model_path("demo"));
  set_add_bos(gguf);
  set_template(gguf, "{{ bos_token }}{{ messages[0].content }}");
  const auto models = load_bytes(gguf);
  const std::vector<Token> hello = models->vocab->tokenize("Hello!", {});
  const std::vector<Token> begun = models->vocab->tokenize("Hello!", {.add_special = true});
  REQUIRE(begun.size() == hello.size() + 1);
  CHECK(models->encoder->encode(kHello).prompt.tokens == begun);
  CHECK(models->encoder->encode(TextPrompt{"Hello!"}).prompt.tokens == begun);
  CHECK(models->encoder->encode(TokenPrompt{hello}).prompt.tokens == hello);

  // A model that wants none, with a template that writes one: the template has its way.
  std::string other = bytes_of(model_path("demo"));
  set_template(other, "{{ bos_token }}{{ messages[0].content }}");
  const auto without = load_bytes(other);
  CHECK(without->encoder->encode(kHello).prompt.tokens == begun);
  CHECK(without->encoder->encode(TextPrompt{"Hello!"}).prompt.tokens == hello);
}

TEST_CASE("a model without a template is given ChatML, and says so") {
  std::string gguf = bytes_of(model_path("demo"));
  drop_template(gguf);
  const auto models = load_bytes(gguf);
  CHECK_FALSE(models->info.has_chat_template);
  CHECK(models->encoder->encode(kHello).text ==
        "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n");
  ChatPrompt with_tools = kHello;
  with_tools.tools = {{"f", "", "{}"}};
  const Error error = refusal(*models, with_tools);
  CHECK(error.param() == "tools");
  CHECK(contains(error.what(), "no chat template"));
}

TEST_CASE("what the template refuses is the messages' fault") {
  std::string gguf = bytes_of(model_path("demo"));
  set_template(gguf, "{% if messages|length > 1 %}{{ raise_exception('one message only') }}"
                     "{% endif %}{{ messages[0].content }}");
  const auto models = load_bytes(gguf);
  CHECK(models->encoder->encode(kHello).text == "Hello!");
  const Error error = refusal(*models, ChatPrompt{{{"user", "a"}, {"user", "b"}}, true});
  CHECK(error.param() == "messages");
  INFO(error.what());
  CHECK(contains(error.what(), "one message only"));
  CHECK_FALSE(contains(error.what(), "\n"));
}

TEST_CASE("a template that is none stops the load") {
  std::string gguf = bytes_of(model_path("demo"));
  set_template(gguf, "{% if %}");
  const Error error = error_of([&] { load_bytes(gguf); });
  CHECK(error.code() == ErrorCode::kLoadFailed);
  CHECK(contains(error.what(), "chat template"));
}
