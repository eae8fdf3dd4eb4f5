// A grammar as a machine that is built while it runs. A state is every way in which the text so far
// can be read: a set of stacks of places in the rules. Stacks and states are numbered once and
// steps between states are remembered, so that known text costs one look-up for a character.
// Thread rule: one thread at a time (compiled_grammar.h shares one).
// Guarantee: next() is the same whoever asked before; work and memory of one call are bounded
// by allow_work(). ERRORS: Error(kInvalidArgument, ..., "grammar") when the bound is reached.
// Covered by grammar_automaton_test, and against upstream by tests/cpp/llama/grammar_test.cpp.
#pragma once

#include "grammar/rules.h"
#include "grammar/utf8_part.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace llamabox {

using StateId = std::uint32_t;

// Where a text has come to.
struct TextState {
  StateId state = 0;
  Utf8Part part;
};

class GrammarAutomaton {
public:
  static constexpr StateId kDead = 0;      // no text of the grammar begins like this
  static constexpr StateId kAmbiguous = 1; // more readings than are followed
  static constexpr std::size_t kMaxStacks = 1024;
  using Stacks = std::vector<std::vector<SymbolAt>>; // bottom first

  explicit GrammarAutomaton(std::shared_ptr<const GrammarRules> rules);

  // For the calls until the next one. The unit is about one visit of a place in the rules.
  void allow_work(std::size_t n_work) { n_work_left_ = n_work; }

  StateId start();
  // After one more character; after a token as such, where the grammar names tokens.
  StateId next(StateId from, std::uint32_t code_point);
  StateId next_token(StateId from, Token token);
  bool takes_token(StateId from, Token token) const;
  // After one more byte; kDead also where it is no UTF-8.
  TextState next_byte(const TextState &from, std::uint8_t byte);
  // What is read by either.
  StateId join(StateId a, StateId b);

  bool can_end(StateId state) const { return states_[state].can_end; }
  bool names_tokens(StateId state) const { return states_[state].names_tokens; }
  // Whether a text may go on after it: its last character is whole, or can become one that fits.
  bool can_stop(const TextState &at);

  // To carry a state over to another automaton of the same rules.
  Stacks stacks_of(StateId state) const;
  StateId state_of(const Stacks &stacks);

  std::size_t n_bytes() const { return n_bytes_; }

private:
  using StackId = std::uint32_t; // 0: nothing more is to come
  static constexpr StateId kUnknown = UINT32_MAX;
  static constexpr std::size_t kAscii = 128;

  struct Stack {
    SymbolAt top;
    StackId rest;
  };
  struct State {
    std::vector<StackId> stacks; // ascending; the top of each is no rule
    std::vector<StateId> next;   // by class of characters; kUnknown until asked
    bool can_end = false;
    bool names_tokens = false;
  };
  struct HashStacks {
    std::size_t operator()(const std::vector<StackId> &stacks) const;
  };

  std::size_t class_of(std::uint32_t code_point) const;
  void find_classes();
  void work(std::size_t n);
  bool is_token(StackId stack, Token token) const;
  StackId push(StackId rest, SymbolAt top);
  StackId after(SymbolAt symbol, StackId rest);
  // Appends what `stack` becomes once rules at its top are replaced by what they begin with.
  void expand(StackId stack, std::vector<StackId> &out);
  StateId intern(std::vector<StackId> stacks);

  std::shared_ptr<const GrammarRules> rules_;
  std::vector<std::uint32_t> class_begins_; // ascending first code points; the first is 0
  std::vector<std::uint16_t> class_of_ascii_;
  std::vector<Stack> stacks_;
  std::unordered_map<std::uint64_t, StackId> stack_ids_;
  std::vector<State> states_;
  std::unordered_map<std::vector<StackId>, StateId, HashStacks> state_ids_;
  std::vector<StackId> todo_; // of expand()
  std::vector<StackId> seen_;
  std::size_t n_work_left_ = 0;
  std::size_t n_bytes_ = 0;
};

} // namespace llamabox
