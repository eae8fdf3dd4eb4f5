#include "llama/prompt_encoder.h"

#include "base/error.h"

#include <utility>

namespace llamabox {

LlamaPromptEncoder::LlamaPromptEncoder(const llama_model *model, const Vocab &vocab)
    : vocab_(vocab), template_(model) {}

EncodedPrompt LlamaPromptEncoder::encode(const PromptInput &input) const {
  if (const auto *text = std::get_if<TextPrompt>(&input)) {
    return encode_text(text->text, "prompt");
  }
  if (const auto *tokens = std::get_if<TokenPrompt>(&input)) {
    return encode_tokens(tokens->tokens);
  }
  return encode_chat(std::get<ChatPrompt>(input));
}

EncodedPrompt LlamaPromptEncoder::encode_text(std::string text, const char *param) const {
  EncodedPrompt encoded;
  try {
    encoded.prompt.tokens =
        vocab_.tokenize(text, TokenizeOptions{.add_special = true, .parse_special = true});
  } catch (const Error &error) {
    throw Error(error.code(), error.what(), param);
  }
  if (encoded.prompt.tokens.empty()) {
    throw Error(ErrorCode::kInvalidArgument, std::string(param) + " has no tokens", param);
  }
  encoded.text = std::move(text);
  return encoded;
}

EncodedPrompt LlamaPromptEncoder::encode_tokens(const std::vector<Token> &tokens) const {
  if (tokens.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "prompt has no tokens", "prompt");
  }
  for (const Token token : tokens) {
    if (token < 0 || token >= vocab_.n_tokens()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "token id " + std::to_string(token) + " in prompt is not within 0 and " +
                      std::to_string(vocab_.n_tokens() - 1),
                  "prompt");
    }
  }
  EncodedPrompt encoded;
  encoded.prompt.tokens = tokens;
  return encoded;
}

EncodedPrompt LlamaPromptEncoder::encode_chat(const ChatPrompt &chat) const {
  // Upstream takes a begin token off the rendered text when the tokenizer will add one.
  RenderedChat rendered = template_.render(chat);
  EncodedPrompt encoded = encode_text(std::move(rendered.text), "messages");
  encoded.stop = std::move(rendered.stop);
  return encoded;
}

} // namespace llamabox
