#include "llama/chat_template.h"

#include "base/error.h"
#include "llama/call_grammar.h"
#include "llama/functionary_format.h"
#include "llama/grammar_source.h"
#include "llama/output_format.h"
#include "llama/output_parser.h"
#include "llama/single_calls.h"

#include "chat.h"
#include "json-schema-to-grammar.h"

#include <algorithm>
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

common_chat_templates *load(const llama_model *model, const std::string &source) {
  try {
    return common_chat_templates_init(model, source).release();
  } catch (const std::exception &error) {
    throw Error(ErrorCode::kLoadFailed,
                (source.empty() ? "the model's chat template cannot be parsed: "
                                : "the chat template cannot be parsed: ") +
                    reason_of(error),
                "model");
  }
}

bool thinks(const common_chat_templates *templates) {
  try {
    return common_chat_templates_support_enable_thinking(templates);
  } catch (const std::exception &) {
    return false; // a template that refuses the probe's one message
  }
}

common_chat_msg upstream_message(const ChatMessage &message) {
  common_chat_msg upstream;
  upstream.role = message.role;
  upstream.content = message.content;
  upstream.reasoning_content = message.reasoning_content;
  upstream.tool_name = message.name;
  upstream.tool_call_id = message.tool_call_id;
  for (const ToolCall &call : message.tool_calls) {
    upstream.tool_calls.push_back({call.name, call.arguments, call.id});
  }
  return upstream;
}

common_chat_continuation upstream_continuation(Continuation continuation) {
  switch (continuation) {
  case Continuation::kAuto:
    return COMMON_CHAT_CONTINUATION_AUTO;
  case Continuation::kContent:
    return COMMON_CHAT_CONTINUATION_CONTENT;
  case Continuation::kReasoning:
    return COMMON_CHAT_CONTINUATION_REASONING;
  case Continuation::kNone:
    break;
  }
  return COMMON_CHAT_CONTINUATION_NONE;
}

common_chat_templates_inputs upstream_inputs(const ChatPrompt &chat, bool shows_several_calls) {
  common_chat_templates_inputs inputs;
  inputs.add_generation_prompt = chat.add_generation_prompt;
  inputs.continue_final_message = upstream_continuation(chat.continuation);
  inputs.tool_choice = chat.tool_choice == ToolChoice::kRequired ? COMMON_CHAT_TOOL_CHOICE_REQUIRED
                                                                 : COMMON_CHAT_TOOL_CHOICE_AUTO;
  inputs.parallel_tool_calls = chat.parallel_tool_calls;
  inputs.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
  inputs.enable_thinking = chat.enable_thinking;
  inputs.chat_template_kwargs = chat.template_kwargs;
  for (const ChatMessage &message :
       shows_several_calls ? chat.messages : with_single_calls(chat.messages)) {
    inputs.messages.push_back(upstream_message(message));
  }
  for (const Tool &tool : chat.tools) {
    inputs.tools.push_back({tool.name, tool.description, tool.parameters});
  }
  return inputs;
}

// The tool at fault is found by making each grammar alone.
void blame_tools(const std::vector<Tool> &tools) {
  for (std::size_t i = 0; i < tools.size(); ++i) {
    try {
      json_schema_to_grammar(common_json::parse(tools[i].parameters));
    } catch (const std::exception &error) {
      const std::string path = "tools[" + std::to_string(i) + "].function.parameters";
      throw Error(ErrorCode::kInvalidArgument,
                  path + " cannot become a grammar: " + reason_of(error), path);
    }
  }
}

common_chat_params apply(const common_chat_templates *templates, const ChatPrompt &chat) {
  const bool shows_several =
      common_chat_templates_get_caps(templates).at("supports_parallel_tool_calls");
  try {
    auto params = common_chat_templates_apply(templates, upstream_inputs(chat, shows_several));
    read_functionary_calls(params, chat);
    return params;
  } catch (const std::exception &error) {
    blame_tools(chat.tools);
    throw Error(ErrorCode::kInvalidArgument,
                "the chat template refused the messages: " + reason_of(error), "messages");
  }
}

MakeOutputParser parser_of(const common_chat_params &params, const ChatPrompt &chat) {
  std::vector<std::string> names;
  names.reserve(chat.tools.size());
  for (const Tool &tool : chat.tools) {
    names.push_back(tool.name);
  }
  auto format = std::make_shared<const OutputFormat>(params, std::move(names));
  if (!format->has_structure()) {
    return {};
  }
  return [format = std::move(format), one_call = !chat.parallel_tool_calls] {
    return std::make_unique<ChatOutputParser>(format, one_call);
  };
}

// Whether content is read as such right behind a block, without marks of its own.
bool reads_behind_block(const common_chat_params &params, const ThinkingMarks &marks) {
  if (marks.ends.empty()) {
    return false;
  }
  const OutputFormat format(params, {});
  const auto parsed =
      format.parse((marks.is_open ? std::string() : marks.begin) + "a" + marks.ends.front() + "x");
  return parsed && parsed->message.content == "x" && parsed->message.reasoning_content == "a";
}

ThinkingMarks marks_of(const common_chat_params &params, bool is_enabled) {
  ThinkingMarks marks;
  const auto &begin = params.thinking_start_tag;
  if (begin.empty()) {
    return marks;
  }
  // What the template wrote of the answer tells whether it has begun to think.
  const std::string &begun = params.generation_prompt;
  const std::size_t at = begun.rfind(begin);
  marks.is_open = at != std::string::npos;
  for (const std::string &end : params.thinking_end_tags) {
    marks.is_open = marks.is_open && begun.find(end, at) == std::string::npos;
  }
  marks.begin = begin;
  marks.ends = params.thinking_end_tags;
  const bool may_begin = is_enabled && at == std::string::npos;
  marks.may_precede = (marks.is_open || may_begin) && reads_behind_block(params, marks);
  return marks;
}

} // namespace

ChatTemplate::ChatTemplate(const llama_model *model, const std::string &source)
    : templates_(load(model, source), common_chat_templates_free),
      supports_thinking_(thinks(templates_.get())) {}

ChatTemplate::~ChatTemplate() = default;

bool ChatTemplate::is_explicit() const {
  return common_chat_templates_was_explicit(templates_.get());
}

bool ChatTemplate::supports_tools() const {
  // Some templates write calls but leave it to the system message to describe the tools.
  const auto caps = common_chat_templates_get_caps(templates_.get());
  return caps.at("supports_tools") || caps.at("supports_tool_calls");
}

RenderedChat ChatTemplate::render(const ChatPrompt &chat) const {
  if (chat.messages.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "messages is empty", "messages");
  }
  if (!chat.tools.empty() && (!is_explicit() || !supports_tools())) {
    throw Error(ErrorCode::kInvalidArgument,
                is_explicit() ? "the chat template of this model takes no tools"
                              : "this model has no chat template, so that it takes no tools",
                "tools");
  }
  common_chat_params params = apply(templates_.get(), chat);
  RenderedChat rendered;
  rendered.make_parser = parser_of(params, chat);
  rendered.thinking = marks_of(params, chat.enable_thinking);
  if (!chat.tools.empty() && !chat.answer_schema.empty() && chat.tool_choice == ToolChoice::kAuto) {
    // A schema holds from the first token on, so a call must too.
    ChatPrompt required = chat;
    required.tool_choice = ToolChoice::kRequired;
    rendered.thinks_freely = rendered.thinking.may_precede;
    rendered.grammar = call_or_answer_grammar(apply(templates_.get(), required),
                                              schema_grammar(chat.answer_schema),
                                              chat.enable_thinking, rendered.thinks_freely);
  } else {
    rendered.grammar = call_grammar(params, chat);
  }
  rendered.text = std::move(params.prompt);
  rendered.stop = std::move(params.additional_stops);
  rendered.shown = std::move(params.preserved_tokens);
  return rendered;
}

} // namespace llamabox
