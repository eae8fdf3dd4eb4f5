#include "llama/single_calls.h"

#include <doctest/doctest.h>

#include <string>

using namespace llamabox;

namespace {

ChatMessage result(const std::string &id, const std::string &content) {
  ChatMessage message = {"tool", content};
  message.tool_call_id = id;
  return message;
}

ChatMessage calling(const std::vector<std::string> &ids) {
  ChatMessage message = {"assistant", "Let me look."};
  for (const std::string &id : ids) {
    message.tool_calls.push_back({id, "get_" + id, "{}"});
  }
  return message;
}

// Each message in a word: a call by its name, anything else by its content.
std::string shown(const std::vector<ChatMessage> &messages) {
  std::string out;
  for (const ChatMessage &message : messages) {
    out += out.empty() ? "" : " ";
    for (const ToolCall &call : message.tool_calls) {
      out += call.name + (message.content.empty() ? "" : "!");
    }
    out += message.tool_calls.empty() ? message.content : "";
  }
  return out;
}

} // namespace

TEST_CASE("each call is followed by its own result, in whatever order they came") {
  CHECK(shown(with_single_calls({{"user", "hi"},
                                 calling({"a", "b", "c"}),
                                 result("b", "two"),
                                 result("a", "one"),
                                 result("c", "three"),
                                 {"user", "and?"}})) == "hi get_a! one get_b two get_c three and?");
}

TEST_CASE("results without an id go to the calls in order") {
  CHECK(shown(with_single_calls({calling({"a", "b"}), result("", "one"), result("", "two")})) ==
        "get_a! one get_b two");
}

TEST_CASE("a call without a result and a result too many are kept") {
  CHECK(shown(with_single_calls({calling({"a", "b"}), result("b", "two")})) == "get_a! get_b two");
  CHECK(shown(with_single_calls({calling({"a", "b"}), result("a", "one"), result("b", "two"),
                                 result("x", "three")})) == "get_a! one get_b two three");
}

TEST_CASE("messages with one call or none stay as they are") {
  CHECK(shown(with_single_calls({{"user", "hi"}, calling({"a"}), result("a", "one")})) ==
        "hi get_a! one");
}
