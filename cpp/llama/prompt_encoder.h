// From a request's prompt to tokens: chat template and tokenizer of the model.
// Thread rule: encode() from any prompt worker, several at a time.
// Guarantee: a begin token is added where the model wants one, and never twice.
// Covered by tests/cpp/llama/prompt_encoder_test.cpp.
#pragma once

#include "llama/chat_template.h"
#include "llama/infill_format.h"
#include "llama/media.h"
#include "llama/named_template.h"
#include "llama/params.h"
#include "model/prompt_encoder.h"
#include "model/vocab.h"

#include "llama.h"

#include <memory>
#include <string>
#include <vector>

namespace llamabox {

class LlamaPromptEncoder final : public PromptEncoder {
public:
  // REQUIRES: model, vocab and media (null: text only) outlive the object.
  LlamaPromptEncoder(const llama_model *model, const Vocab &vocab, const ChatParams &chat = {},
                     const LlamaMedia *media = nullptr);

  EncodedPrompt encode(const PromptInput &input) const override;
  bool has_chat_template() const { return template_.is_explicit(); }
  bool supports_tools() const;
  bool supports_thinking() const { return template_.supports_thinking(); }

private:
  EncodedPrompt encode_text(std::string text, const char *param) const;
  EncodedPrompt encode_tokens(const std::vector<Token> &tokens) const;
  EncodedPrompt encode_chat(ChatPrompt chat) const;
  EncodedPrompt encode_parts(const std::vector<PromptPart> &parts) const;
  Token single_token(const std::string &text) const; // kNoToken when it takes several

  const Vocab &vocab_;
  const LlamaMedia *media_;
  InfillFormat infill_;
  ChatTemplate template_;
  std::unique_ptr<const NamedTemplate> named_; // instead, where the server was given a name
};

} // namespace llamabox
