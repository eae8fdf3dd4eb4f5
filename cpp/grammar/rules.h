// A grammar as data: rules of alternatives of symbols, flat in one array, so that a place in a rule
// is a number.
// Thread rule: plain value, read by many once it is made. Guarantee: none of its own; RuleBuilder
// gives every alternative its end. Covered by grammar_automaton_test.
#pragma once

#include "base/types.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace llamabox {

// Code points by inclusive ranges, or all others.
struct CharSet {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  bool is_negated = false; // without ranges: any character

  bool contains(std::uint32_t code_point) const {
    for (const auto &[low, high] : ranges) {
      if (low <= code_point && code_point <= high) {
        return !is_negated;
      }
    }
    return is_negated;
  }
};

enum class SymbolKind : std::uint8_t { kEnd, kRule, kChars, kToken, kTokenNot };

struct Symbol {
  SymbolKind kind = SymbolKind::kEnd;
  std::uint32_t value = 0; // a rule, a set of characters, a token
};

using SymbolAt = std::uint32_t; // an index of GrammarRules::symbols

struct GrammarRules {
  std::vector<Symbol> symbols;                     // alternatives, each with its kEnd
  std::vector<std::vector<SymbolAt>> alternatives; // of each rule: where they begin
  std::vector<CharSet> sets;
  std::uint32_t root = 0;
};

// Makes the rules in order; symbols go to the last alternative begun.
class RuleBuilder {
public:
  void begin_rule() { rules_.alternatives.emplace_back(); }
  void begin_alternative() {
    rules_.alternatives.back().push_back(static_cast<SymbolAt>(rules_.symbols.size()));
  }
  void add(SymbolKind kind, std::uint32_t value) { rules_.symbols.push_back({kind, value}); }
  void add(CharSet set) {
    add(SymbolKind::kChars, static_cast<std::uint32_t>(rules_.sets.size()));
    rules_.sets.push_back(std::move(set));
  }
  void end_alternative() { rules_.symbols.emplace_back(); }
  GrammarRules take(std::uint32_t root) {
    rules_.root = root;
    return std::move(rules_);
  }

private:
  GrammarRules rules_;
};

} // namespace llamabox
