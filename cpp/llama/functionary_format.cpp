#include "llama/functionary_format.h"

#include "chat-peg-parser.h"
#include "chat.h"
#include "json-schema-to-grammar.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace llamabox {
namespace {

constexpr const char *kMark = ">>>";
constexpr const char *kHead = "<|start_header_id|>assistant<|end_header_id|>\n\n>>>";

// Of one of the tools: its name in a line, then its arguments.
common_peg_parser any_call(common_chat_peg_builder &p, const std::vector<Tool> &tools) {
  auto calls = p.choice();
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string rule = "tool-" + std::to_string(i);
    const auto schema = common_json::parse(tools[i].parameters);
    const auto open = p.tool_open(p.tool_name(p.literal(tools[i].name)) + p.literal("\n"));
    const auto arguments = p.tool_args(p.schema(p.json(), rule + "-schema", schema));
    calls |= p.rule(rule, p.tool(open + arguments));
  }
  return calls;
}

// What ends the content: a mark alone is text.
std::vector<std::string> call_beginnings(const std::vector<Tool> &tools) {
  std::vector<std::string> beginnings;
  beginnings.reserve(tools.size());
  for (const Tool &tool : tools) {
    beginnings.push_back(kMark + tool.name + "\n");
  }
  return beginnings;
}

common_peg_arena reader_of(const ChatPrompt &chat) {
  return build_chat_peg_parser([&](common_chat_peg_builder &p) {
    const auto mark = p.literal(kMark);
    const auto call = p.rule("call", any_call(p, chat.tools));
    const auto first = p.optional(mark) + call;
    const auto calls = p.trigger_rule(
        "calls", chat.parallel_tool_calls ? first + p.zero_or_more(mark + call) : first);
    const auto content =
        p.literal("all\n") + p.content(p.until_one_of(call_beginnings(chat.tools)));
    const auto answer = chat.tool_choice == ToolChoice::kRequired
                            ? p.optional(content) + calls
                            : p.choice({content + p.optional(calls), calls});
    return p.literal(kHead) + answer + p.end();
  });
}

std::string any_name(const std::vector<Tool> &tools) {
  std::string names;
  for (const Tool &tool : tools) {
    names += names.empty() ? "" : "|";
    for (const char c : tool.name) {
      names += c == '.' ? std::string("\\.") : std::string(1, c);
    }
  }
  return "(?:" + names + ")";
}

} // namespace

void read_functionary_calls(common_chat_params &params, const ChatPrompt &chat) {
  const auto &kept = params.preserved_tokens;
  if (chat.tools.empty() || std::ranges::find(kept, ">>>all") == kept.end()) {
    return;
  }
  params.parser = reader_of(chat);
  params.grammar_lazy = chat.tool_choice == ToolChoice::kAuto;
  params.grammar = build_grammar([&](const common_grammar_builder &builder) {
    params.parser.build_grammar(builder, params.grammar_lazy);
  });
  const std::string name = any_name(chat.tools) + "\n";
  params.grammar_triggers = {{COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN, "^" + name},
                             {COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN, kMark + name}};
}

} // namespace llamabox
