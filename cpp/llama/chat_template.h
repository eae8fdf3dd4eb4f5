// The chat template of a model, rendered by llama.cpp's Jinja engine.
// Thread rule: render() from any thread, several at a time: the parsed template is only read.
// ERRORS: Error(kInvalidArgument, "messages") when the template refuses the messages.
// Covered by tests/cpp/llama/prompt_encoder_test.cpp.
#pragma once

#include "model/prompt_encoder.h"

#include "llama.h"

#include <memory>
#include <string>
#include <vector>

struct common_chat_templates;

namespace llamabox {

struct RenderedChat {
  std::string text;
  std::vector<std::string> stop; // strings after which the template wants no more
};

class ChatTemplate {
public:
  // A model without a template is given ChatML.
  // ERRORS: Error(kLoadFailed) when the model's template cannot be parsed.
  explicit ChatTemplate(const llama_model *model);
  ~ChatTemplate();
  ChatTemplate(const ChatTemplate &) = delete;
  ChatTemplate &operator=(const ChatTemplate &) = delete;

  bool is_from_model() const;
  RenderedChat render(const ChatPrompt &chat) const;

private:
  std::unique_ptr<common_chat_templates, void (*)(common_chat_templates *)> templates_;
};

} // namespace llamabox
