#include "llama/single_calls.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

namespace llamabox {
namespace {

constexpr const char *kResultRole = "tool";

// Moves the result of the call, else the first that names no call of the message.
void take_result(std::vector<ChatMessage> &results, const std::vector<ToolCall> &calls,
                 const ToolCall &call, std::vector<ChatMessage> &out) {
  const auto is_of = [](const ToolCall &one) {
    return [&one](const ChatMessage &m) {
      return !m.tool_call_id.empty() && m.tool_call_id == one.id;
    };
  };
  auto found = std::ranges::find_if(results, is_of(call));
  if (found == results.end()) {
    found = std::ranges::find_if(results, [&](const ChatMessage &result) {
      return std::ranges::none_of(calls, [&](const ToolCall &one) { return is_of(one)(result); });
    });
  }
  if (found != results.end()) {
    out.push_back(std::move(*found));
    results.erase(found);
  }
}

} // namespace

std::vector<ChatMessage> with_single_calls(std::vector<ChatMessage> messages) {
  std::vector<ChatMessage> out;
  for (std::size_t at = 0; at < messages.size();) {
    ChatMessage message = std::move(messages[at++]);
    if (message.tool_calls.size() < 2) {
      out.push_back(std::move(message));
      continue;
    }
    std::vector<ChatMessage> results;
    while (at < messages.size() && messages[at].role == kResultRole) {
      results.push_back(std::move(messages[at++]));
    }
    const std::vector<ToolCall> calls = std::exchange(message.tool_calls, {});
    for (const ToolCall &call : calls) {
      message.tool_calls = {call};
      out.push_back(message);
      message.content.clear();
      message.reasoning_content.clear();
      message.media.clear();
      take_result(results, calls, call, out);
    }
    std::ranges::move(results, std::back_inserter(out));
  }
  return out;
}

} // namespace llamabox
