#include "llama/call_grammar.h"

#include "llama/answer_grammar.h"
#include "llama/peg_walk.h"

#include "chat-peg-parser.h"
#include "chat.h"
#include "json-schema-to-grammar.h"

#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace llamabox {
namespace {

GrammarTrigger trigger_of(const common_grammar_trigger &trigger) {
  switch (trigger.type) {
  case COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN:
    return {GrammarTrigger::Kind::kToken, trigger.value, trigger.token};
  case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN:
    return {GrammarTrigger::Kind::kPattern, trigger.value};
  case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL:
    return {GrammarTrigger::Kind::kPatternFull, trigger.value};
  case COMMON_GRAMMAR_TRIGGER_TYPE_WORD:
    break;
  }
  return {GrammarTrigger::Kind::kWord, trigger.value};
}

// The empty literal, unlike the empty parser, has a form in GBNF wherever a parser may stand.
const common_peg_parser_variant kNothing = common_peg_literal_parser{};

std::vector<common_peg_parser_id> tagged(const common_peg_arena &arena, std::string_view name) {
  std::vector<common_peg_parser_id> ids;
  for (common_peg_parser_id id = 0; id < arena.size(); ++id) {
    const auto *tag = std::get_if<common_peg_tag_parser>(&arena.get(id));
    if (tag != nullptr && tag->tag == name) {
      ids.push_back(id);
    }
  }
  return ids;
}

// Takes out what the template wrote already: the literal that every answer begins with.
void drop_prefix(common_peg_arena &arena, std::string_view prefix) {
  common_peg_parser_id id = arena.root();
  while (true) {
    const auto *literal = std::get_if<common_peg_literal_parser>(&arena.get(id));
    if (literal != nullptr) {
      if (prefix.starts_with(literal->literal)) {
        arena.get(id) = kNothing;
      }
      return;
    }
    const std::vector<common_peg_parser_id> children = children_of(arena, arena.get(id));
    if (children.empty()) {
      return;
    }
    id = children.front();
  }
}

bool holds(const common_peg_arena &arena, common_peg_parser_id root, std::string_view name) {
  bool found = false;
  walk(arena, root, [&](common_peg_parser_id, const common_peg_parser_variant &node) {
    const auto *tag = std::get_if<common_peg_tag_parser>(&node);
    found = found || (tag != nullptr && tag->tag == name);
  });
  return found;
}

// Takes out the parts that are optional as a whole and hold the tag, with the marks around it.
void drop_optional(common_peg_arena &arena, std::string_view name) {
  for (common_peg_parser_id id = 0; id < arena.size(); ++id) {
    const auto *repeated = std::get_if<common_peg_repetition_parser>(&arena.get(id));
    if (repeated != nullptr && repeated->min_count == 0 && holds(arena, id, name) &&
        !holds(arena, id, common_chat_peg_builder::TOOL_NAME)) {
      arena.get(id) = kNothing;
    }
  }
}

// REQUIRES: the parser was made for a required call.
std::string required_text(const common_chat_params &params, bool with_reasoning) {
  common_peg_arena arena = params.parser;
  drop_prefix(arena, params.generation_prompt);
  if (!with_reasoning) {
    drop_optional(arena, common_chat_peg_builder::REASONING);
  }
  drop_optional(arena, common_chat_peg_builder::CONTENT);
  for (const common_peg_parser_id id : tagged(arena, common_chat_peg_builder::CONTENT)) {
    arena.get(id) = kNothing;
  }
  return build_grammar(
      [&](const common_grammar_builder &builder) { arena.build_grammar(builder, false); });
}

enum class Thinking { kNotNow, kMayBegin, kHasBegun };

Thinking thinking_of(const common_chat_params &params, bool is_enabled) {
  if (params.thinking_start_tag.empty() || params.thinking_end_tags.empty()) {
    return Thinking::kNotNow;
  }
  const std::size_t begun = params.generation_prompt.rfind(params.thinking_start_tag);
  if (begun == std::string::npos) {
    return is_enabled ? Thinking::kMayBegin : Thinking::kNotNow;
  }
  for (const std::string &end : params.thinking_end_tags) {
    if (params.generation_prompt.find(end, begun) != std::string::npos) {
      return Thinking::kNotNow;
    }
  }
  return Thinking::kHasBegun;
}

std::string gbnf_literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    out += c;
  }
  return out + '"';
}

// The template opened a thinking block: free until its end, and then what the grammar wants.
Grammar after_thinking(const common_chat_params &params, const std::string &text) {
  Grammar grammar;
  grammar.lazy = true;
  std::string ends;
  for (const std::string &end : params.thinking_end_tags) {
    ends += (ends.empty() ? "" : " | ") + gbnf_literal(end);
    grammar.triggers.push_back({GrammarTrigger::Kind::kWord, end});
  }
  grammar.text = with_root_named(text, "llamabox-rest") + "root ::= (" + ends +
                 ") [ \\t\\n]{0,4} llamabox-rest\n";
  return grammar;
}

} // namespace

Grammar call_grammar(const common_chat_params &params, const ChatPrompt &chat) {
  Grammar grammar;
  if (chat.tools.empty()) {
    return grammar;
  }
  if (chat.tool_choice == ToolChoice::kAuto) {
    grammar.text = params.grammar;
    grammar.lazy = params.grammar_lazy;
    for (const common_grammar_trigger &trigger : params.grammar_triggers) {
      grammar.triggers.push_back(trigger_of(trigger));
    }
    return grammar;
  }
  const Thinking thinking = thinking_of(params, chat.enable_thinking);
  if (thinking == Thinking::kHasBegun) {
    return after_thinking(params, required_text(params, false));
  }
  grammar.text = required_text(params, thinking == Thinking::kMayBegin);
  return grammar;
}

Grammar call_or_answer_grammar(const common_chat_params &params, const std::string &answer,
                               bool is_enabled, bool thinks_freely) {
  const Thinking thinking = thinking_of(params, is_enabled);
  const bool holds_block = thinking == Thinking::kMayBegin && !thinks_freely;
  const std::string text = call_or_answer(required_text(params, holds_block), answer);
  if (thinking == Thinking::kHasBegun && !thinks_freely) {
    return after_thinking(params, text);
  }
  Grammar grammar;
  grammar.text = text;
  return grammar;
}

} // namespace llamabox
