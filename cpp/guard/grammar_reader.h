// The rules of a GBNF text, as far as grammar_guard judges them: what follows what, what refers to
// what and how often it is repeated. Characters are all alike.
// Thread rule: pure. ERRORS: as in grammar_guard.h. Covered by grammar_guard_test.
#pragma once

#include "guard/grammar_guard.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

inline constexpr std::size_t kTerminal = std::numeric_limits<std::size_t>::max();
inline constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

// One part of a sequence: characters or a rule, and how often.
struct GrammarPart {
  std::size_t rule = kTerminal;
  std::uint64_t n_elements = 1;
  std::uint64_t least = 1;
  std::uint64_t most = 1;
  std::uint64_t n_rules = 1; // that upstream counts for a group
};

using GrammarSequence = std::vector<GrammarPart>;

struct GrammarRule {
  std::string name;     // of a group: that of the rule it stands in
  std::size_t line = 0; // of its definition; 0: only referred to
  std::vector<GrammarSequence> alternatives;
};

struct GrammarOutline {
  std::vector<GrammarRule> rules;
  std::size_t root = kTerminal;
};

GrammarOutline read_grammar(std::string_view text, const GrammarLimits &limits);

[[noreturn]] void refuse_grammar(std::size_t line, const std::string &problem);

} // namespace llamabox
