// A chat template: renders conversations with llama.cpp's Jinja engine, and says how the answer is
// to be constrained and read.
// Thread rule: render() from any thread, several at a time: the parsed template is only read.
// ERRORS: Error(kInvalidArgument) with the field's path: "messages" when the template refuses them,
// "tools[i].function.parameters" for a schema that cannot become a grammar.
// Covered by tests/cpp/llama/prompt_encoder_test.cpp and chat_families_test.cpp.
#pragma once

#include "model/prompt_encoder.h"

#include <memory>
#include <string>
#include <vector>

struct common_chat_templates;
struct llama_model;

namespace llamabox {

struct RenderedChat {
  std::string text;
  std::vector<std::string> stop;  // strings after which the template wants no more
  std::vector<std::string> shown; // special tokens whose text the parser needs
  ThinkingMarks thinking;         // without the tokens
  Grammar grammar;                // of tool calls; its triggers are words and patterns
  bool thinks_freely = false;     // it is about what follows the thinking block
  MakeOutputParser make_parser;   // empty: plain text
};

class ChatTemplate {
public:
  // The template of `source`, or the model's own where that is empty; a model without one is given
  // ChatML. `model` may be null when there is a source.
  // ERRORS: Error(kLoadFailed) when the template cannot be parsed.
  explicit ChatTemplate(const llama_model *model, const std::string &source = {});
  ~ChatTemplate();
  ChatTemplate(const ChatTemplate &) = delete;
  ChatTemplate &operator=(const ChatTemplate &) = delete;

  bool is_explicit() const; // false: ChatML for lack of a template
  bool supports_tools() const;
  bool supports_thinking() const { return supports_thinking_; }

  RenderedChat render(const ChatPrompt &chat) const;

private:
  std::unique_ptr<common_chat_templates, void (*)(common_chat_templates *)> templates_;
  bool supports_thinking_ = false;
};

} // namespace llamabox
