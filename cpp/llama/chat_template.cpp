#include "llama/chat_template.h"

#include "base/error.h"

#include "chat.h"

#include <exception>
#include <utility>

namespace llamabox {
namespace {

// Upstream puts an excerpt of the template before its message.
std::string reason_of(const std::exception &error) {
  const std::string text = error.what();
  const std::string mark = "\nError: ";
  const std::size_t marked = text.rfind(mark);
  const std::size_t from = marked == std::string::npos ? 0 : marked + mark.size();
  const std::size_t begin = text.find_first_not_of(" \r\n\t", from);
  if (begin == std::string::npos) {
    return "no reason given";
  }
  return text.substr(begin, text.find('\n', begin) - begin);
}

common_chat_templates *load(const llama_model *model) {
  try {
    return common_chat_templates_init(model, "").release();
  } catch (const std::exception &error) {
    throw Error(ErrorCode::kLoadFailed,
                "the model's chat template cannot be parsed: " + reason_of(error), "model");
  }
}

} // namespace

ChatTemplate::ChatTemplate(const llama_model *model)
    : templates_(load(model), common_chat_templates_free) {}

ChatTemplate::~ChatTemplate() = default;

bool ChatTemplate::is_from_model() const {
  return common_chat_templates_was_explicit(templates_.get());
}

RenderedChat ChatTemplate::render(const ChatPrompt &chat) const {
  if (chat.messages.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "messages is empty", "messages");
  }
  common_chat_templates_inputs inputs;
  inputs.use_jinja = true;
  inputs.add_generation_prompt = chat.add_generation_prompt;
  for (const ChatMessage &message : chat.messages) {
    common_chat_msg upstream;
    upstream.role = message.role;
    upstream.content = message.content;
    inputs.messages.push_back(std::move(upstream));
  }
  try {
    common_chat_params rendered = common_chat_templates_apply(templates_.get(), inputs);
    return {std::move(rendered.prompt), std::move(rendered.additional_stops)};
  } catch (const std::exception &error) {
    throw Error(ErrorCode::kInvalidArgument,
                "the chat template refused the messages: " + reason_of(error), "messages");
  }
}

} // namespace llamabox
