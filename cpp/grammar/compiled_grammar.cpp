#include "grammar/compiled_grammar.h"

#include "base/error.h"

#include <string>
#include <utility>

namespace llamabox {
namespace {

void check(StateId state) {
  if (state == GrammarAutomaton::kAmbiguous) {
    throw Error(ErrorCode::kInvalidArgument,
                "grammar is too ambiguous: the text so far can be read in more than " +
                    std::to_string(GrammarAutomaton::kMaxStacks) + " ways",
                "grammar");
  }
}

} // namespace

CompiledGrammar::CompiledGrammar(GrammarTokens tokens, std::size_t n_kept_bytes)
    : tokens_(std::move(tokens)), n_kept_bytes_(n_kept_bytes),
      newest_(std::make_shared<Shared>(tokens_)) {}

CompiledGrammar::Cursor CompiledGrammar::start() {
  Cursor cursor;
  {
    const MutexLock lock(mutex_);
    cursor.shared_ = newest_;
  }
  const MutexLock lock(cursor.shared_->mutex);
  cursor.at_ = cursor.shared_->reader.start();
  check(cursor.at_.state);
  return cursor;
}

bool CompiledGrammar::allows(const Cursor &cursor, Token token) const {
  const MutexLock lock(cursor.shared_->mutex);
  return cursor.shared_->reader.allows(cursor.at_, token);
}

void CompiledGrammar::keep_allowed(const Cursor &cursor, std::vector<Token> &tokens,
                                   std::size_t n) const {
  const MutexLock lock(cursor.shared_->mutex);
  std::size_t n_kept = 0;
  for (std::size_t i = 0; i < tokens.size() && n_kept < n; ++i) {
    if (cursor.shared_->reader.allows(cursor.at_, tokens[i])) {
      tokens[n_kept++] = tokens[i];
    }
  }
  tokens.resize(n_kept);
}

std::shared_ptr<const TokenMask> CompiledGrammar::known_mask(const Cursor &cursor) const {
  const MutexLock lock(cursor.shared_->mutex);
  return cursor.shared_->reader.known_mask(cursor.at_);
}

std::shared_ptr<const TokenMask> CompiledGrammar::mask(const Cursor &cursor) const {
  const MutexLock lock(cursor.shared_->mutex);
  return cursor.shared_->reader.mask(cursor.at_);
}

bool CompiledGrammar::accept(Cursor &cursor, Token token, std::string_view piece) {
  bool is_full = false;
  {
    const MutexLock lock(cursor.shared_->mutex);
    TokenReader &reader = cursor.shared_->reader;
    const TextState to = reader.after(cursor.at_, token, piece);
    if (to.state == GrammarAutomaton::kDead) {
      return false;
    }
    check(to.state);
    cursor.at_ = to;
    is_full = reader.n_bytes() > n_kept_bytes_;
  }
  if (is_full) {
    begin_anew(cursor);
  }
  return true;
}

void CompiledGrammar::begin_anew(Cursor &cursor) {
  const std::shared_ptr<Shared> full = cursor.shared_;
  std::shared_ptr<Shared> fresh;
  {
    const MutexLock lock(mutex_);
    if (newest_ == full) {
      newest_ = std::make_shared<Shared>(tokens_);
    }
    fresh = newest_;
  }
  const MutexLock lock_full(full->mutex);
  const MutexLock lock_fresh(fresh->mutex);
  cursor.at_ = full->reader.place_in(fresh->reader, cursor.at_);
  cursor.shared_ = std::move(fresh);
}

} // namespace llamabox
