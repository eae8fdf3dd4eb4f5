// Turns a sequence's tokens into text for its reader: whole UTF-8 characters only, nothing of a
// stop string, and nothing that may yet become one.
// Thread rule: engine thread, one per sequence. Guarantee: what take() returned over time is the
// text up to the stop string, whatever way the tokens cut it.
// Covered by output_test.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

class TextAssembler {
public:
  explicit TextAssembler(std::vector<std::string> stop) : stop_(std::move(stop)) {}

  // True when a stop string is complete; later bytes are ignored.
  bool feed(std::string_view bytes);

  // What may be shown now.
  std::string take();

  // The stop string that ended the text; empty when none did.
  const std::string &stop_word() const { return stop_word_; }

  // The rest, at the end of the sequence; bytes that never became a character are U+FFFD.
  std::string finish();

private:
  std::size_t n_showable() const;

  std::vector<std::string> stop_;
  std::string held_; // not shown yet
  std::string stop_word_;
  bool stopped_ = false;
};

// Bytes at the end of `text` that begin a character but do not complete it; 0 to 3.
std::size_t n_incomplete_utf8(std::string_view text);

// `text` with every malformed byte replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

} // namespace llamabox
