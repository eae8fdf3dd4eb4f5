#include "llama/prompt_encoder.h"

#include "base/error.h"
#include "llama/media_prompt.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace llamabox {

LlamaPromptEncoder::LlamaPromptEncoder(const llama_model *model, const Vocab &vocab,
                                       const ChatParams &chat, const LlamaMedia *media)
    : vocab_(vocab), media_(media), infill_(llama_model_get_vocab(model), vocab),
      template_(model, chat.template_source) {
  if (!chat.template_name.empty()) {
    named_ = std::make_unique<const NamedTemplate>(model, chat.template_name);
  }
}

bool LlamaPromptEncoder::supports_tools() const {
  return named_ ? named_->supports_tools() : template_.supports_tools();
}

EncodedPrompt LlamaPromptEncoder::encode(const PromptInput &input) const {
  if (const auto *text = std::get_if<TextPrompt>(&input)) {
    return encode_text(text->text, "prompt");
  }
  if (const auto *tokens = std::get_if<TokenPrompt>(&input)) {
    return encode_tokens(tokens->tokens);
  }
  if (const auto *infill = std::get_if<InfillPrompt>(&input)) {
    EncodedPrompt encoded;
    encoded.prompt.tokens = infill_.encode(*infill);
    return encoded;
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

EncodedPrompt LlamaPromptEncoder::encode_parts(const std::vector<PromptPart> &parts) const {
  EncodedPrompt encoded;
  for (const PromptPart &part : parts) {
    if (part.media != nullptr && media_ == nullptr) {
      throw Error(ErrorCode::kUnsupported,
                  part.media->path + ": this server has no projector (--mmproj), so that it takes"
                                     " text only",
                  part.media->path);
    }
    encoded.text += part.media == nullptr ? part.text : "<__media__>";
  }
  encoded.prompt = media_->make_prompt(parts);
  return encoded;
}

EncodedPrompt LlamaPromptEncoder::encode_chat(ChatPrompt chat) const {
  const MediaMarks marks(chat);
  // Upstream takes a begin token off the rendered text when the tokenizer will add one.
  RenderedChat rendered = named_ ? named_->render(chat) : template_.render(chat);
  EncodedPrompt encoded = marks.empty() ? encode_text(std::move(rendered.text), "messages")
                                        : encode_parts(marks.split(rendered.text));
  encoded.stop = std::move(rendered.stop);
  encoded.make_parser = std::move(rendered.make_parser);
  encoded.grammar = std::move(rendered.grammar);
  encoded.thinks_freely = rendered.thinks_freely;
  for (const std::string &text : rendered.shown) {
    if (const Token token = single_token(text); token != kNoToken) {
      encoded.shown_tokens.push_back(token);
    }
  }
  // A special token has no text of its own, so a word that is one cannot be found in the text.
  for (GrammarTrigger &trigger : encoded.grammar.triggers) {
    if (trigger.kind != GrammarTrigger::Kind::kWord) {
      continue;
    }
    trigger.token = single_token(trigger.value);
    if (trigger.token != kNoToken) {
      trigger.kind = GrammarTrigger::Kind::kToken;
      encoded.shown_tokens.push_back(trigger.token);
    }
  }
  encoded.thinking = std::move(rendered.thinking);
  if (!encoded.thinking.ends.empty() && !encoded.thinking.begin.empty()) {
    encoded.thinking.end_tokens =
        vocab_.tokenize(encoded.thinking.ends.front(), {.parse_special = true});
    encoded.thinking.begin_tokens =
        vocab_.tokenize(encoded.thinking.begin, {.parse_special = true});
  }
  std::sort(encoded.shown_tokens.begin(), encoded.shown_tokens.end());
  return encoded;
}

Token LlamaPromptEncoder::single_token(const std::string &text) const {
  const std::vector<Token> tokens = vocab_.tokenize(text, {.parse_special = true});
  return tokens.size() == 1 ? tokens.front() : kNoToken;
}

} // namespace llamabox
