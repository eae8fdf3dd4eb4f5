// The built-in chat templates that --chat-template names: llama.cpp's formatters, three of our own,
// and for conversations with tools the family's Jinja template where there is one.
// Thread rule: render() from any thread, several at a time.
// ERRORS: Error(kInvalidArgument) for tools the family does not have, or template variables, which
// a formatter does not have; the message names --jinja.
// Covered by tests/cpp/llama/named_template_test.cpp.
#pragma once

#include "llama/chat_template.h"

#include <memory>
#include <string>

namespace llamabox {

class NamedTemplate {
public:
  // `model` gives its begin and end tokens to the Jinja template; it may be null.
  // ERRORS: Error(kLoadFailed) for a name that is none.
  NamedTemplate(const llama_model *model, std::string name);

  RenderedChat render(const ChatPrompt &chat) const;
  bool supports_tools() const { return with_tools_ != nullptr; }

private:
  std::string format(const ChatPrompt &chat) const;

  std::string name_;
  bool can_skip_thinking_ = false; // an empty thinking block keeps the model from thinking
  std::unique_ptr<const ChatTemplate> with_tools_; // null: the family has no tools
  MakeOutputParser make_parser_;                   // takes a leading thinking block out
};

} // namespace llamabox
