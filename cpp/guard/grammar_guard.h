// Reads a GBNF grammar before upstream does, whose parser recurses without a limit, expands
// repetitions, and explains a refusal on stderr only. What passes is small and finite work.
// Thread rule: pure. Guarantee: time and stack are bounded by the limits, whatever the text.
// ERRORS: Error(kInvalidArgument, ..., "grammar") says the line and what is wrong there.
// Covered by grammar_guard_test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace llamabox {

struct GrammarLimits {
  std::size_t n_bytes = 64 * 1024;
  std::int32_t n_nested = 128;         // parentheses within parentheses
  std::uint64_t n_repeat = 2000;       // times a part may be repeated; upstream lifts larger bounds
  std::uint64_t n_rules = 16 * 1024;   // with those that groups and repetitions become
  std::uint64_t n_elements = 1 << 18;  // of all rules, repetitions written out
  std::uint64_t n_alternatives = 2048; // ways one rule may begin, through all rules it begins with
  std::int32_t n_left = 512;           // rules that begin with each other, one in the next
  bool repeats_empty = false;          // may a part that may be empty be repeated without end?
};

// What a schema becomes is longer than what people write, and upstream's own grammars of tool calls
// repeat what may be empty; its matcher takes each position once, so that this ends.
inline constexpr GrammarLimits kGeneratedGrammar{.n_bytes = 1024 * 1024, .repeats_empty = true};

void check_grammar(std::string_view text, const GrammarLimits &limits = {});

} // namespace llamabox
