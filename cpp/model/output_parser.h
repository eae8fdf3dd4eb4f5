// Splits a model's text into content, reasoning and tool calls while it streams. A request whose
// prompt needs none has no parser, and its text passes through untouched.
// Thread rule: engine thread, one per sequence. Guarantee: the deltas of feed() and finish()
// together hold every visible character once, in order, whatever way the text is cut; text that
// matches no format is content. A call begins with a delta of id and name without arguments.
// Covered by tests/cpp/llama/output_parser_test.cpp and by tests/py/api/test_tools.py.
#pragma once

#include "base/event.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

struct OutputDelta {
  std::string text;
  std::string reasoning;
  std::vector<ToolCallDelta> tool_calls;

  bool empty() const { return text.empty() && reasoning.empty() && tool_calls.empty(); }
};

class OutputParser {
public:
  virtual ~OutputParser() = default;
  virtual OutputDelta feed(std::string_view text) = 0;
  virtual OutputDelta finish() = 0;
  // True when the text held tool calls, so that `stop` becomes `tool_calls`.
  virtual bool has_tool_calls() const = 0;
  // True while the text that was fed last belongs to the reasoning, so that its tokens count there.
  virtual bool in_reasoning() const = 0;
  // True when the answer is whole, whatever the model goes on to say: it ends with the next token.
  virtual bool is_over() const { return false; }
};

using MakeOutputParser = std::function<std::unique_ptr<OutputParser>()>;

} // namespace llamabox
