// From a request's prompt to tokens: chat template and tokenizer of the model.
// Thread rule: encode() from any prompt worker, several at a time.
// Guarantee: a begin token is added where the model wants one, and never twice.
// Covered by tests/cpp/llama/prompt_encoder_test.cpp.
#pragma once

#include "llama/chat_template.h"
#include "model/prompt_encoder.h"
#include "model/vocab.h"

#include "llama.h"

namespace llamabox {

class LlamaPromptEncoder final : public PromptEncoder {
public:
  // REQUIRES: model and vocab outlive the object.
  LlamaPromptEncoder(const llama_model *model, const Vocab &vocab);

  EncodedPrompt encode(const PromptInput &input) const override;
  bool has_chat_template() const { return template_.is_from_model(); }

private:
  EncodedPrompt encode_text(std::string text, const char *param) const;
  EncodedPrompt encode_tokens(const std::vector<Token> &tokens) const;
  EncodedPrompt encode_chat(const ChatPrompt &chat) const;

  const Vocab &vocab_;
  ChatTemplate template_;
};

} // namespace llamabox
