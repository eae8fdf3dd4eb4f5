#include "grammar/automaton.h"

#include "base/error.h"

#include <algorithm>
#include <utility>

namespace llamabox {
namespace {

constexpr std::size_t kStackBytes = 64; // with its place in the table
constexpr std::size_t kStateBytes = 256;

} // namespace

std::size_t GrammarAutomaton::HashStacks::operator()(const std::vector<StackId> &stacks) const {
  constexpr std::uint64_t kPrime = 0x9E3779B97F4A7C15U;
  std::uint64_t hash = stacks.size();
  for (const StackId stack : stacks) {
    hash = (hash ^ stack) * kPrime;
    hash ^= hash >> 32U;
  }
  return static_cast<std::size_t>(hash);
}

GrammarAutomaton::GrammarAutomaton(std::shared_ptr<const GrammarRules> rules)
    : rules_(std::move(rules)), stacks_(1), states_(2) {
  find_classes();
  states_[kDead].next.assign(class_begins_.size(), kDead);
  states_[kAmbiguous].next.assign(class_begins_.size(), kAmbiguous);
  states_[kAmbiguous].can_end = true;
  state_ids_.emplace(std::vector<StackId>{}, kDead);
}

// Characters that no set tells apart are one class.
void GrammarAutomaton::find_classes() {
  class_begins_.push_back(0);
  for (const CharSet &set : rules_->sets) {
    for (const auto &[low, high] : set.ranges) {
      class_begins_.push_back(low);
      class_begins_.push_back(high + 1);
    }
  }
  std::ranges::sort(class_begins_);
  const auto repeated = std::ranges::unique(class_begins_);
  class_begins_.erase(repeated.begin(), repeated.end());
  for (std::uint32_t c = 0; c < kAscii; ++c) {
    const auto above = std::ranges::upper_bound(class_begins_, c);
    class_of_ascii_.push_back(static_cast<std::uint16_t>(above - class_begins_.begin() - 1));
  }
}

std::size_t GrammarAutomaton::class_of(std::uint32_t code_point) const {
  if (code_point < kAscii) {
    return class_of_ascii_[code_point];
  }
  const auto above = std::ranges::upper_bound(class_begins_, code_point);
  return static_cast<std::size_t>(above - class_begins_.begin()) - 1;
}

void GrammarAutomaton::work(std::size_t n) {
  if (n > n_work_left_) {
    n_work_left_ = 0;
    throw Error(ErrorCode::kInvalidArgument,
                "grammar cannot follow the text: it is too ambiguous to be read in bounded time",
                "grammar");
  }
  n_work_left_ -= n;
}

GrammarAutomaton::StackId GrammarAutomaton::push(StackId rest, SymbolAt top) {
  const std::uint64_t key = std::uint64_t{rest} << 32U | top;
  const auto [entry, is_new] = stack_ids_.try_emplace(key, static_cast<StackId>(stacks_.size()));
  if (is_new) {
    stacks_.push_back({top, rest});
    n_bytes_ += kStackBytes;
  }
  return entry->second;
}

// What remains when `symbol`, which was on top of `rest`, has been read.
GrammarAutomaton::StackId GrammarAutomaton::after(SymbolAt symbol, StackId rest) {
  const bool is_last = rules_->symbols[symbol + 1].kind == SymbolKind::kEnd;
  return is_last ? rest : push(rest, symbol + 1);
}

void GrammarAutomaton::expand(StackId stack, std::vector<StackId> &out) {
  todo_.assign(1, stack);
  seen_.clear();
  while (!todo_.empty()) {
    const StackId current = todo_.back();
    todo_.pop_back();
    work(1 + seen_.size() / 16);
    const Stack top = stacks_[current];
    if (current == 0 || rules_->symbols[top.top].kind != SymbolKind::kRule) {
      out.push_back(current);
      continue;
    }
    // A rule that may begin with nothing and be repeated comes back to itself.
    if (std::ranges::find(seen_, current) != seen_.end()) {
      continue;
    }
    seen_.push_back(current);
    const StackId rest = after(top.top, top.rest);
    for (const SymbolAt begin : rules_->alternatives[rules_->symbols[top.top].value]) {
      const bool is_empty = rules_->symbols[begin].kind == SymbolKind::kEnd;
      todo_.push_back(is_empty ? rest : push(rest, begin));
    }
  }
}

StateId GrammarAutomaton::intern(std::vector<StackId> stacks) {
  std::ranges::sort(stacks);
  const auto repeated = std::ranges::unique(stacks);
  stacks.erase(repeated.begin(), repeated.end());
  if (stacks.size() > kMaxStacks) {
    return kAmbiguous;
  }
  const auto found = state_ids_.find(stacks);
  if (found != state_ids_.end()) {
    return found->second;
  }
  const std::size_t n_classes = class_begins_.size();
  work(n_classes / 4 + stacks.size());
  State state;
  state.next.assign(n_classes, kUnknown);
  for (const StackId stack : stacks) {
    const SymbolKind kind = rules_->symbols[stacks_[stack].top].kind;
    state.can_end = state.can_end || stack == 0;
    state.names_tokens =
        state.names_tokens ||
        (stack != 0 && (kind == SymbolKind::kToken || kind == SymbolKind::kTokenNot));
  }
  state.stacks = stacks;
  n_bytes_ += kStateBytes + n_classes * sizeof(StateId) + 2 * stacks.size() * sizeof(StackId);
  const auto id = static_cast<StateId>(states_.size());
  states_.push_back(std::move(state));
  state_ids_.emplace(std::move(stacks), id);
  return id;
}

StateId GrammarAutomaton::start() {
  std::vector<StackId> stacks;
  for (const SymbolAt begin : rules_->alternatives[rules_->root]) {
    const bool is_empty = rules_->symbols[begin].kind == SymbolKind::kEnd;
    expand(is_empty ? 0 : push(0, begin), stacks);
  }
  return intern(std::move(stacks));
}

StateId GrammarAutomaton::next(StateId from, std::uint32_t code_point) {
  const std::size_t of = class_of(code_point);
  const StateId known = states_[from].next[of];
  if (known != kUnknown) {
    return known;
  }
  std::vector<StackId> stacks;
  for (const StackId stack : states_[from].stacks) {
    const Stack top = stacks_[stack];
    const Symbol symbol = rules_->symbols[top.top];
    const bool is_read = stack != 0 && symbol.kind == SymbolKind::kChars &&
                         rules_->sets[symbol.value].contains(code_point);
    if (is_read) {
      expand(after(top.top, top.rest), stacks);
    }
  }
  const StateId to = intern(std::move(stacks));
  states_[from].next[of] = to;
  return to;
}

bool GrammarAutomaton::is_token(StackId stack, Token token) const {
  if (stack == 0) {
    return false;
  }
  const Symbol symbol = rules_->symbols[stacks_[stack].top];
  const bool is_named = symbol.value == static_cast<std::uint32_t>(token);
  return (symbol.kind == SymbolKind::kToken && is_named) ||
         (symbol.kind == SymbolKind::kTokenNot && !is_named);
}

bool GrammarAutomaton::takes_token(StateId from, Token token) const {
  return from == kAmbiguous || std::ranges::any_of(states_[from].stacks, [&](StackId stack) {
           return is_token(stack, token);
         });
}

StateId GrammarAutomaton::next_token(StateId from, Token token) {
  if (from == kAmbiguous) {
    return from;
  }
  std::vector<StackId> stacks;
  for (const StackId stack : states_[from].stacks) {
    if (is_token(stack, token)) {
      expand(after(stacks_[stack].top, stacks_[stack].rest), stacks);
    }
  }
  return intern(std::move(stacks));
}

TextState GrammarAutomaton::next_byte(const TextState &from, std::uint8_t byte) {
  TextState to = from;
  if (!to.part.take(byte)) {
    return {};
  }
  if (to.part.n_missing == 0) {
    to.state = next(from.state, to.part.value);
    to.part = {};
  }
  return to;
}

StateId GrammarAutomaton::join(StateId a, StateId b) {
  if (a == kDead || b == kDead || a == b) {
    return a == kDead ? b : a;
  }
  if (a == kAmbiguous || b == kAmbiguous) {
    return kAmbiguous;
  }
  std::vector<StackId> stacks = states_[a].stacks;
  stacks.insert(stacks.end(), states_[b].stacks.begin(), states_[b].stacks.end());
  return intern(std::move(stacks));
}

bool GrammarAutomaton::can_stop(const TextState &at) {
  if (at.part.n_missing == 0 || at.state == kDead) {
    return at.state != kDead;
  }
  const auto [low, high] = at.part.range();
  for (std::size_t of = class_of(low); of < class_begins_.size(); ++of) {
    const std::uint32_t first = std::max(low, class_begins_[of]);
    if (first > high) {
      return false;
    }
    if (next(at.state, first) != kDead) {
      return true;
    }
  }
  return false;
}

GrammarAutomaton::Stacks GrammarAutomaton::stacks_of(StateId state) const {
  Stacks out;
  for (StackId stack : states_[state].stacks) {
    std::vector<SymbolAt> &places = out.emplace_back();
    for (; stack != 0; stack = stacks_[stack].rest) {
      places.push_back(stacks_[stack].top);
    }
    std::ranges::reverse(places);
  }
  return out;
}

StateId GrammarAutomaton::state_of(const Stacks &stacks) {
  std::vector<StackId> ids;
  for (const std::vector<SymbolAt> &places : stacks) {
    StackId id = 0;
    for (const SymbolAt place : places) {
      id = push(id, place);
    }
    ids.push_back(id);
  }
  return intern(std::move(ids));
}

} // namespace llamabox
