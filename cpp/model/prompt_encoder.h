// Turns what a client sent into a Prompt: chat template, tokenizer, media.
// Thread rule: encode() from any prompt worker, several at a time.
// ERRORS: Error(kInvalidArgument) when the input cannot be rendered or tokenized.
// Covered by prompt_encoder_test; FakePromptEncoder serves the engine tests.
#pragma once

#include "model/grammar.h"
#include "model/output_parser.h"
#include "model/prompt.h"

#include <string>
#include <variant>
#include <vector>

namespace llamabox {

struct ChatMessage {
  std::string role;
  std::string content; // text parts joined by the shell
};

struct ChatPrompt {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
};

struct TextPrompt {
  std::string text;
};

struct TokenPrompt {
  std::vector<Token> tokens; // ids are checked against the vocabulary by encode()
};

using PromptInput = std::variant<TextPrompt, TokenPrompt, ChatPrompt>;

struct EncodedPrompt {
  Prompt prompt;
  std::string text;              // rendered; empty for token prompts
  std::vector<std::string> stop; // stop strings the template asks for
  MakeOutputParser make_parser;  // empty: plain text
  Grammar grammar;               // that tools ask for; empty: the request's own
};

class PromptEncoder {
public:
  virtual ~PromptEncoder() = default;
  virtual EncodedPrompt encode(const PromptInput &input) const = 0;
};

} // namespace llamabox
