#include "llama/grammar_trigger.h"

#include "base/error.h"

#include <algorithm>

namespace llamabox {
namespace {

constexpr std::size_t kNowhere = std::string::npos;

// Where the constrained part begins: the first group that matched something, else the match.
std::size_t begin_of(const std::smatch &match) {
  for (std::size_t i = 1; i < match.size(); ++i) {
    if (match.length(i) > 0) {
      return static_cast<std::size_t>(match.position(i));
    }
  }
  return static_cast<std::size_t>(match.position(0));
}

} // namespace

GrammarTriggers::GrammarTriggers(const std::vector<GrammarTrigger> &triggers) {
  for (const GrammarTrigger &trigger : triggers) {
    switch (trigger.kind) {
    case GrammarTrigger::Kind::kToken:
      tokens_.push_back(trigger.token);
      break;
    case GrammarTrigger::Kind::kWord:
      words_.push_back(trigger.value);
      break;
    case GrammarTrigger::Kind::kPattern:
    case GrammarTrigger::Kind::kPatternFull:
      try {
        patterns_.push_back(
            {std::regex(trigger.value), trigger.kind == GrammarTrigger::Kind::kPatternFull});
      } catch (const std::regex_error &error) {
        throw Error(ErrorCode::kInvalidArgument,
                    std::string("a grammar's trigger is no regular expression: ") + error.what(),
                    "grammar");
      }
      break;
    }
  }
}

std::optional<TriggerHit> GrammarTriggers::feed(Token token, const std::string &piece) {
  if (std::ranges::find(tokens_, token) != tokens_.end()) {
    return TriggerHit{{token, piece}};
  }
  pieces_.emplace_back(token, text_.size());
  text_ += piece;
  std::size_t start = find_word(piece.size());
  if (start == kNowhere) {
    start = find_pattern(piece.size());
  }
  if (start != kNowhere) {
    return hit_from(start);
  }
  const std::size_t n_kept = n_looked_at();
  // Cut at half, so that the cost of cutting is spread over many tokens.
  if (text_.size() > 2 * n_kept + 256) {
    const std::size_t limit = text_.size() - n_kept;
    const auto kept =
        std::ranges::find_if(pieces_, [&](const auto &entry) { return entry.second >= limit; });
    const std::size_t n_cut = kept == pieces_.end() ? text_.size() : kept->second;
    pieces_.erase(pieces_.begin(), kept);
    for (auto &entry : pieces_) {
      entry.second -= n_cut;
    }
    text_.erase(0, n_cut);
    cut_ = true;
  }
  return std::nullopt;
}

std::size_t GrammarTriggers::find_word(std::size_t n_new) const {
  std::size_t first = kNowhere;
  for (const std::string &word : words_) {
    const std::size_t n_seen = text_.size() - n_new;
    const std::size_t from = n_seen < word.size() ? 0 : n_seen - word.size();
    first = std::min(first, text_.find(word, from));
  }
  return first;
}

std::size_t GrammarTriggers::find_pattern(std::size_t n_new) const {
  const std::size_t n_searched = std::min(text_.size(), n_new + kSearchBytes);
  const auto from = text_.end() - static_cast<std::ptrdiff_t>(n_searched);
  const bool is_begin = !cut_ && from == text_.begin();
  const auto flags =
      is_begin ? std::regex_constants::match_default : std::regex_constants::match_not_bol;
  std::smatch match;
  for (const Pattern &pattern : patterns_) {
    if (pattern.full) {
      if (!cut_ && text_.size() <= kFullBytes && std::regex_match(text_, match, pattern.regex)) {
        return begin_of(match);
      }
    } else if (std::regex_search(from, text_.end(), match, pattern.regex, flags)) {
      return text_.size() - n_searched + begin_of(match);
    }
  }
  return kNowhere;
}

// Bytes of the text's end that a trigger to come may reach back to.
std::size_t GrammarTriggers::n_looked_at() const {
  std::size_t n = 0;
  for (const Pattern &pattern : patterns_) {
    n = std::max(n, pattern.full ? kFullBytes : kSearchBytes);
  }
  for (const std::string &word : words_) {
    n = std::max(n, word.size());
  }
  return n;
}

TriggerHit GrammarTriggers::hit_from(std::size_t start) const {
  TriggerHit hit;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const std::size_t end = i + 1 < pieces_.size() ? pieces_[i + 1].second : text_.size();
    if (end > start) {
      const std::size_t begin = std::max(start, pieces_[i].second);
      hit.emplace_back(pieces_[i].first, text_.substr(begin, end - begin));
    }
  }
  return hit;
}

} // namespace llamabox
