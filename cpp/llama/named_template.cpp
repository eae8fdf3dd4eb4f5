#include "llama/named_template.h"

#include "base/error.h"
#include "llama/family_template.h"
#include "llama/output_format.h"
#include "llama/output_parser.h"

#include "chat-peg-parser.h"
#include "llama.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace llamabox {
namespace {

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kEndThink = "</think>";
constexpr std::string_view kNoThinking = "<think>\n\n</think>\n\n";

// How our own formatters write a turn of each role, around its text.
struct Turn {
  std::string_view before;
  std::string_view after;
};

struct Formatter {
  std::string_view name;
  Turn system;
  Turn user;
  Turn assistant;
  std::string_view answer; // what the model continues
};

constexpr std::array kFormatters = {
    Formatter{"falcon", {"System: ", "\n"}, {"User: ", "\n"}, {"Falcon: ", "\n"}, "Falcon:"},
    Formatter{"llava", {"", "\n"}, {"USER: ", "\n"}, {"ASSISTANT: ", "</s>\n"}, "ASSISTANT:"},
    Formatter{"llava-mistral", {"[INST] ", "\n"}, {"[INST] ", " [/INST]"}, {" ", "</s>"}, ""},
};

const Formatter *own_formatter(std::string_view name) {
  for (const Formatter &formatter : kFormatters) {
    if (formatter.name == name) {
      return &formatter;
    }
  }
  return nullptr;
}

std::string format_own(const Formatter &formatter, const std::vector<ChatMessage> &messages,
                       bool add_generation_prompt) {
  std::string text;
  bool in_turn = false; // a system message has opened the user's turn already
  for (const ChatMessage &message : messages) {
    const bool is_system = message.role == "system" || message.role == "developer";
    const Turn &turn = is_system                     ? formatter.system
                       : message.role == "assistant" ? formatter.assistant
                                                     : formatter.user;
    const bool continues = in_turn && turn.before == formatter.user.before &&
                           formatter.system.before == formatter.user.before;
    text += continues ? std::string_view() : turn.before;
    text += message.content;
    text += turn.after;
    in_turn = is_system;
  }
  return add_generation_prompt ? text + std::string(formatter.answer) : text;
}

std::string format_builtin(const std::string &name, const std::vector<ChatMessage> &messages,
                           bool add_generation_prompt) {
  std::vector<llama_chat_message> chat;
  std::size_t size = 256;
  for (const ChatMessage &message : messages) {
    chat.push_back({message.role.c_str(), message.content.c_str()});
    size += 2 * (message.role.size() + message.content.size());
  }
  std::string text(size, '\0');
  const auto apply = [&] {
    return llama_chat_apply_template(name.c_str(), chat.data(), chat.size(), add_generation_prompt,
                                     text.data(), static_cast<std::int32_t>(text.size()));
  };
  std::int32_t n = apply();
  if (n > static_cast<std::int32_t>(text.size())) {
    text.resize(static_cast<std::size_t>(n));
    n = apply();
  }
  if (n < 0) {
    throw Error(ErrorCode::kInvalidArgument, "the chat template refused the messages", "messages");
  }
  text.resize(static_cast<std::size_t>(n));
  return text;
}

bool is_builtin(const std::string &name) {
  std::vector<const char *> names(
      static_cast<std::size_t>(llama_chat_builtin_templates(nullptr, 0)));
  llama_chat_builtin_templates(names.data(), names.size());
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A thinking block counts as one only where the answer begins with it.
MakeOutputParser thinking_parser() {
  common_chat_params params;
  params.format = COMMON_CHAT_FORMAT_PEG_NATIVE;
  params.thinking_end_tags = {std::string(kEndThink)};
  params.parser = build_chat_peg_parser([](common_chat_peg_builder &p) {
    const auto thinking = p.literal(std::string(kThink)) +
                          p.reasoning(p.until(std::string(kEndThink))) +
                          p.literal(std::string(kEndThink)) + p.space();
    return p.optional(thinking) + p.content(p.rest()) + p.end();
  });
  auto format = std::make_shared<const OutputFormat>(params, std::vector<std::string>{});
  return [format = std::move(format)] { return std::make_unique<ChatOutputParser>(format); };
}

bool has_tools(const ChatPrompt &chat) {
  return !chat.tools.empty() ||
         std::any_of(chat.messages.begin(), chat.messages.end(), [](const ChatMessage &message) {
           return !message.tool_calls.empty() || message.role == "tool";
         });
}

bool is_qwen3(const llama_model *model) {
  std::array<char, 64> architecture{};
  return model != nullptr &&
         llama_model_meta_val_str(model, "general.architecture", architecture.data(),
                                  architecture.size()) > 0 &&
         std::string_view(architecture.data()).starts_with("qwen3");
}

} // namespace

NamedTemplate::NamedTemplate(const llama_model *model, std::string name)
    : name_(std::move(name)),
      can_skip_thinking_(name_ == "deepseek3" || (name_ == "chatml" && is_qwen3(model))),
      make_parser_(thinking_parser()) {
  if (own_formatter(name_) == nullptr && !is_builtin(name_)) {
    throw Error(ErrorCode::kLoadFailed, "there is no built-in chat template " + name_, "model");
  }
  if (const std::string source = family_template(name_); !source.empty()) {
    with_tools_ = std::make_unique<const ChatTemplate>(model, source);
  }
}

std::string NamedTemplate::format(const ChatPrompt &chat) const {
  const bool continues = chat.continuation != Continuation::kNone;
  std::vector<ChatMessage> messages = chat.messages;
  if (continues) {
    messages.pop_back();
  }
  const bool answers = chat.add_generation_prompt || continues;
  const Formatter *own = own_formatter(name_);
  std::string text = own != nullptr ? format_own(*own, messages, answers)
                                    : format_builtin(name_, messages, answers);
  if (answers && !chat.enable_thinking && can_skip_thinking_) {
    text += kNoThinking;
  }
  return continues ? text + chat.messages.back().content : text;
}

RenderedChat NamedTemplate::render(const ChatPrompt &chat) const {
  if (chat.messages.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "messages is empty", "messages");
  }
  if (has_tools(chat)) {
    if (!with_tools_) {
      throw Error(ErrorCode::kInvalidArgument,
                  "the built-in chat template " + name_ +
                      " has no tools; start the server with "
                      "--jinja to use the model's own",
                  chat.tools.empty() ? "messages" : "tools");
    }
    return with_tools_->render(chat);
  }
  if (!chat.template_kwargs.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "the built-in chat template " + name_ +
                    " has no variables; start the server with "
                    "--jinja to use the model's own",
                "chat_template_kwargs");
  }
  RenderedChat rendered;
  rendered.text = format(chat);
  rendered.shown = {std::string(kThink), std::string(kEndThink)};
  rendered.make_parser = make_parser_;
  rendered.thinking.begin = kThink;
  rendered.thinking.ends = {std::string(kEndThink)};
  rendered.thinking.may_precede = chat.enable_thinking && chat.continuation == Continuation::kNone;
  return rendered;
}

} // namespace llamabox
