// Reads an answer while it streams, on llama.cpp's chat parser. That parser always reads from the
// beginning, so it runs only where a marker can begin or has begun, and ever more rarely as the
// text grows: the work stays linear. Content and reasoning pass through as they come.
// Thread rule: one per sequence, engine thread.
// Guarantee: never an error; text that matches no format is content, from where it stops matching.
// Covered by tests/cpp/llama/output_parser_test.cpp.
#pragma once

#include "model/output_parser.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct common_chat_msg;

namespace llamabox {

class OutputFormat;

class ChatOutputParser final : public OutputParser {
public:
  // With `one_call` the answer is over where a second call begins, of which nothing is shown.
  explicit ChatOutputParser(std::shared_ptr<const OutputFormat> format, bool one_call = false);

  OutputDelta feed(std::string_view text) override;
  OutputDelta finish() override;
  bool has_tool_calls() const override { return !sent_calls_.empty(); }
  bool in_reasoning() const override;
  bool is_over() const override { return is_over_; }

private:
  // kMarked: only the full parser knows what the text is; kPlain: it has given up.
  enum class Mode : std::uint8_t { kMarked, kContent, kReasoning, kPlain };

  struct SentCall {
    std::string name;
    std::string arguments;
  };

  void pass_through(OutputDelta &delta);
  void read(std::size_t size, OutputDelta &delta);
  std::size_t longest_match(std::size_t size) const;
  void take(const common_chat_msg &message, bool is_last, OutputDelta &delta);
  void take_calls(const common_chat_msg &message, bool is_last, OutputDelta &delta);
  void choose_mode(std::size_t size, const common_chat_msg &message);
  void give_up(OutputDelta &delta);
  void note_depth(std::string_view text);

  void add_content(std::string_view text, OutputDelta &delta);
  void add_reasoning(std::string_view text, OutputDelta &delta);

  std::shared_ptr<const OutputFormat> format_;
  bool one_call_;
  bool is_over_ = false;
  std::string text_;          // of the answer so far
  std::size_t done_ = 0;      // bytes of it that are accounted for
  std::size_t n_read_ = 0;    // bytes of it that the full parser understood
  std::size_t next_read_ = 0; // size at which the full parser runs again
  std::size_t failed_at_ = 0; // size at which it first did not understand; 0: it does
  std::int32_t depth_ = 0;    // brackets open since the last marker

  Mode mode_ = Mode::kMarked;
  std::string sent_content_;
  std::string sent_reasoning_;
  std::vector<SentCall> sent_calls_;
  std::string held_space_; // white space that ends the reasoning, or separates it from more
  bool reasoning_begun_ = false;
  bool last_was_reasoning_ = false;
};

} // namespace llamabox
