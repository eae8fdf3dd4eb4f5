#include "llama/answer_grammar.h"

#include <cstddef>

namespace llamabox {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_in_name(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

// Behind the literal, class, repetition or comment that begins at `at`; `at` where none does.
std::size_t skip_opaque(std::string_view text, std::size_t at) {
  constexpr std::string_view kOpen = "\"[{#";
  constexpr std::string_view kClose = "\"]}\n";
  const std::size_t kind = kOpen.find(text[at]);
  if (kind == std::string_view::npos) {
    return at;
  }
  for (++at; at < text.size() && text[at] != kClose[kind]; ++at) {
    at += text[at] == '\\' ? 1 : 0;
  }
  return at + 1;
}

} // namespace

std::string with_root_named(std::string text, std::string_view name) {
  const std::string root = "root ::= ";
  const std::size_t at = text.starts_with(root) ? 0 : text.find("\n" + root) + 1;
  return text.replace(at, root.size(), std::string(name) + " ::= ");
}

std::string with_prefixed_rules(std::string_view text, std::string_view prefix) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = skip_opaque(text, at);
    if (end == at && is_letter(text[at])) {
      out += prefix;
      while (end < text.size() && is_in_name(text[end])) {
        ++end;
      }
    }
    end = end == at ? at + 1 : end;
    out += text.substr(at, end - at);
    at = end;
  }
  return out;
}

std::string call_or_answer(const std::string &call, const std::string &answer) {
  return with_root_named(call, "llamabox-call") + with_prefixed_rules(answer, "llamabox-answer-") +
         "root ::= [ \\t\\n]{0,4} (llamabox-call | llamabox-answer-root)\n";
}

} // namespace llamabox
