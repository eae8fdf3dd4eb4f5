#include "guard/grammar_guard.h"

#include "base/error.h"
#include "guard/grammar_reader.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace llamabox {
namespace {

// Follows what each rule can begin with. Upstream does the same without memory, which takes
// exponential time for rules that begin with each other in two ways, and holds one stack for each
// way while it matches.
class Beginnings {
public:
  Beginnings(const GrammarOutline &grammar, const GrammarLimits &limits)
      : rules_(grammar.rules), limits_(limits), facts_(grammar.rules.size()) {}

  void check() {
    for (std::size_t id = 0; id < rules_.size(); ++id) {
      visit(id, 0);
    }
  }

private:
  enum class State : std::uint8_t { kNew, kOpen, kDone };
  struct Facts {
    State state = State::kNew;
    bool may_be_empty = false;
    std::uint64_t n_ways = 0;   // to begin
    std::uint64_t n_visits = 1; // that upstream's check for left recursion makes
  };

  const Facts &visit(std::size_t id, std::int32_t depth) {
    Facts &facts = facts_[id];
    const GrammarRule &rule = rules_[id];
    if (facts.state == State::kDone) {
      return facts;
    }
    if (facts.state == State::kOpen) {
      refuse_grammar(rule.line, "the rule \"" + rule.name + "\" begins with itself");
    }
    if (depth > limits_.n_left) {
      refuse_grammar(rule.line, "more than " + std::to_string(limits_.n_left) +
                                    " rules begin with each other");
    }
    facts.state = State::kOpen;
    for (const GrammarSequence &sequence : rule.alternatives) {
      follow(sequence, rule, facts, depth);
    }
    if (facts.n_ways > limits_.n_alternatives || facts.n_visits > limits_.n_elements) {
      refuse_grammar(rule.line, "the rule \"" + rule.name + "\" can begin in more than " +
                                    std::to_string(limits_.n_alternatives) + " ways");
    }
    facts.state = State::kDone;
    return facts;
  }

  void follow(const GrammarSequence &sequence, const GrammarRule &rule, Facts &facts,
              std::int32_t depth) {
    for (const GrammarPart &part : sequence) {
      if (part.rule == kTerminal) {
        ++facts.n_ways;
        if (part.least > 0) {
          return;
        }
        continue;
      }
      const Facts &inner = visit(part.rule, depth + 1);
      const bool endless = part.most == kUnlimited;
      if (inner.may_be_empty && endless && !limits_.repeats_empty) {
        refuse_grammar(rule.line,
                       "the rule \"" + rule.name + "\" repeats without end what may be empty");
      }
      const bool again = inner.may_be_empty && !endless;
      const std::uint64_t times = again ? std::max<std::uint64_t>(part.most, 1) : 1;
      facts.n_ways += times * inner.n_ways;
      facts.n_visits += times * (inner.n_visits + 1);
      if (!inner.may_be_empty && part.least > 0) {
        return;
      }
    }
    facts.may_be_empty = true;
  }

  const std::vector<GrammarRule> &rules_;
  const GrammarLimits &limits_;
  std::vector<Facts> facts_;
};

} // namespace

void check_grammar(std::string_view text, const GrammarLimits &limits) {
  if (text.size() > limits.n_bytes) {
    throw Error(ErrorCode::kInvalidArgument,
                "grammar has " + std::to_string(text.size()) + " bytes; it may have " +
                    std::to_string(limits.n_bytes),
                "grammar");
  }
  if (text.find('\0') != std::string_view::npos) {
    throw Error(ErrorCode::kInvalidArgument, "grammar has a NUL character", "grammar");
  }
  const GrammarOutline grammar = read_grammar(text, limits);
  Beginnings(grammar, limits).check();
}

} // namespace llamabox
