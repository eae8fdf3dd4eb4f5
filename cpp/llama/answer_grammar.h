// A grammar of two that is either of them: a tool call in its family's format, or an answer that
// follows the schema beside the tools.
// Thread rule: pure. Guarantee: the names of the two grammars' rules stay apart, whatever they are.
// Covered by tests/cpp/llama/answer_grammar_test.cpp and chat_families_test.cpp.
#pragma once

#include <string>
#include <string_view>

namespace llamabox {

// The grammar's "root" as the rule `name`. REQUIRES: a grammar as upstream writes it.
std::string with_root_named(std::string text, std::string_view name);

// The grammar with `prefix` before the name of each of its rules.
std::string with_prefixed_rules(std::string_view text, std::string_view prefix);

// A call or an answer, behind at most a few characters of white space.
std::string call_or_answer(const std::string &call, const std::string &answer);

} // namespace llamabox
