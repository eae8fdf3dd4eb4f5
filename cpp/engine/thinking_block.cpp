#include "engine/thinking_block.h"

#include "engine/output.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace llamabox {

ThinkingBlock::ThinkingBlock(const Vocab &vocab, ThinkingMarks marks)
    : vocab_(vocab), marks_(std::move(marks)),
      place_(marks_.is_open ? Place::kInside : Place::kBefore) {
  for (const std::string &end : marks_.ends) {
    n_kept_ = std::max(n_kept_, end.size());
  }
}

bool ThinkingBlock::is_within_character() const { return n_incomplete_utf8(text_) > 0; }

void ThinkingBlock::feed(Token token) {
  if (place_ == Place::kBehind) {
    return;
  }
  text_ += vocab_.piece(token, true);
  if (place_ == Place::kBefore) {
    look_for_begin();
  } else if (has_ended()) {
    place_ = Place::kBehind;
  } else {
    // Only a tail that may yet become an end mark, or a character, is looked at again.
    text_.erase(0, text_.size() - std::min(text_.size(), n_kept_));
  }
}

void ThinkingBlock::look_for_begin() {
  const std::size_t first = text_.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) {
    return;
  }
  const std::string_view seen = std::string_view(text_).substr(first);
  const std::size_t n_common = std::min(seen.size(), marks_.begin.size());
  if (seen.substr(0, n_common) != std::string_view(marks_.begin).substr(0, n_common)) {
    place_ = Place::kBehind;
  } else if (n_common == marks_.begin.size()) {
    text_.clear();
    place_ = Place::kInside;
  }
}

bool ThinkingBlock::has_ended() const {
  return std::ranges::any_of(
      marks_.ends, [this](const std::string &end) { return text_.find(end) != std::string::npos; });
}

} // namespace llamabox
