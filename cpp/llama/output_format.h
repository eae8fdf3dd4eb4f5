// The format of one request's answers, as llama.cpp's chat parser knows it: reads a text from its
// beginning, and says what can end a stretch of plain content or reasoning, so that such stretches
// need not be read again with every token.
// Thread rule: const after construction, any thread. Only for the files of this folder, since it
// shows upstream's types. Covered by tests/cpp/llama/output_parser_test.cpp.
#pragma once

#include "chat.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

// Strings of which one must occur before a stretch of text can be over.
struct Boundaries {
  bool known = true; // false: the end of the stretch cannot be told from strings
  std::vector<std::string> words;

  // Where the first of them begins at or after `from`; npos for nowhere.
  std::size_t find(std::string_view text, std::size_t from) const;
  // Length of the longest end of `text` that may become one of them.
  std::size_t n_held(std::string_view text) const;
};

class OutputFormat {
public:
  enum class Status : std::uint8_t { kOpen, kComplete };
  struct Parsed {
    Status status = Status::kOpen;
    common_chat_msg message;
  };

  OutputFormat(const common_chat_params &params, std::vector<std::string> tool_names);

  // What `text`, the beginning of an answer, holds; nothing when no answer of the format begins so.
  std::optional<Parsed> parse(std::string_view text) const;

  // False for a format in which every text is content.
  bool has_structure() const { return has_structure_; }
  const Boundaries &content() const { return content_; }
  const Boundaries &reasoning() const { return reasoning_; }
  const std::vector<std::string> &thinking_ends() const { return thinking_ends_; }
  // True when another tool's name begins with this name.
  bool may_grow(std::string_view tool_name) const;

private:
  common_chat_format kind_;
  std::string prefix_; // what the template wrote of the answer
  common_peg_arena arena_;
  std::vector<std::string> tool_names_;
  std::vector<std::string> thinking_ends_;
  Boundaries content_;
  Boundaries reasoning_;
  bool has_structure_ = false;
};

} // namespace llamabox
