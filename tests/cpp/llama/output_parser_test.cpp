// Answers in the format of the demo model's template: ChatML with <think> and <tool_call> blocks.
#include "answer.h"
#include "llama/chat_template.h"
#include "tiny_model.h"

using namespace llamabox;

namespace {

const Tool kWeather = {"get_weather", "Weather of a place",
                       R"({"type":"object","properties":{"location":{"type":"string"}},)"
                       R"("required":["location"]})"};
const Tool kWeatherNow = {"get_weather_now", "The same for now",
                          R"({"type":"object","properties":{}})"};

struct Demo {
  std::unique_ptr<Models> models = load("demo");

  EncodedPrompt encode(std::vector<Tool> tools, bool thinking = true, bool parallel = true) const {
    ChatPrompt chat;
    chat.parallel_tool_calls = parallel;
    chat.messages = {{"user", "What is the weather?"}};
    chat.tools = std::move(tools);
    chat.enable_thinking = thinking;
    return models->encoder->encode(chat);
  }
};

const Demo &demo() {
  static const Demo demo;
  return demo;
}

const std::string kCall = "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"location\": "
                          "\"Paris\"}}\n</tool_call>";
const std::vector<AnswerCall> kCalled = {{"get_weather", R"({"location": "Paris"})"}};

// Whole, byte by byte, and in two pieces cut everywhere: always the same.
Answer read(const std::string &text, const std::vector<Tool> &tools = {kWeather},
            bool parallel = true) {
  const MakeOutputParser make = demo().encode(tools, true, parallel).make_parser;
  REQUIRE(make);
  const Answer whole = read_whole(make, text);
  CHECK(whole.well_formed);
  const Answer bytes = read_bytes(make, text);
  CHECK(bytes.text == whole.text);
  CHECK(bytes.reasoning == whole.reasoning);
  CHECK(bytes.calls == whole.calls);
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    INFO("cut at " << cut);
    const Answer answer = read_pieces(make, {text.substr(0, cut), text.substr(cut)});
    REQUIRE(answer.text == whole.text);
    REQUIRE(answer.reasoning == whole.reasoning);
    REQUIRE(answer.calls == whole.calls);
  }
  return whole;
}

} // namespace

TEST_CASE("where one call is allowed the answer is over at the second") {
  const std::string two = kCall + "\n" + kCall;
  CHECK(read(two).calls.size() == 2);
  const Answer one = read(two, {kWeather}, false);
  CHECK(one.calls == kCalled);
  CHECK(one.text.empty());
  const auto parser = demo().encode({kWeather}, true, false).make_parser();
  parser->feed(kCall);
  CHECK_FALSE(parser->is_over());
  parser->feed("\n" + kCall);
  CHECK(parser->is_over());
  CHECK(parser->feed("and more").empty());
}

TEST_CASE("plain text is content") {
  for (const std::string text :
       {"Hello.", "a < b and <b>bold</b>", "日本語 – ünï", "<", "x ", "\n"}) {
    const Answer answer = read(text);
    CHECK(answer.text == text);
    CHECK(answer.reasoning.empty());
    CHECK(answer.calls.empty());
  }
}

TEST_CASE("a thinking block is reasoning, without the white space of its marks") {
  const Answer answer = read("<think>\nTwo\n\nplus two.\n</think>\n\nFour.");
  CHECK(answer.reasoning == "Two\n\nplus two.");
  CHECK(answer.text == "Four.");
  CHECK(read("<think>\n\n</think>\n\nFour.").text == "Four.");
  const Answer open = read("<think>\nTwo plus");
  CHECK(open.reasoning == "Two plus");
  CHECK(open.text.empty());
}

TEST_CASE("a call is read with prose and reasoning before it") {
  CHECK(read(kCall).calls == kCalled);
  const Answer answer = read("<think>\nHm.\n</think>\n\nLet me see.\n" + kCall);
  CHECK(answer.reasoning == "Hm.");
  CHECK(answer.text.starts_with("Let me see."));
  CHECK(answer.calls == kCalled);
}

TEST_CASE("prose after a call is content") {
  const Answer answer = read(kCall + "\nThat was it.");
  CHECK(answer.calls == kCalled);
  CHECK(contains(answer.text, "That was it."));
}

TEST_CASE("two calls are told apart") {
  const Answer answer = read(kCall + "\n" + kCall);
  REQUIRE(answer.calls.size() == 2);
  CHECK(answer.calls[1] == kCalled[0]);
}

TEST_CASE("a name that begins another name is not taken for it") {
  const std::string text =
      "<tool_call>\n{\"name\": \"get_weather_now\", \"arguments\": {}}\n</tool_call>";
  const Answer answer = read(text, {kWeather, kWeatherNow});
  REQUIRE(answer.calls.size() == 1);
  CHECK(answer.calls[0].name == "get_weather_now");
}

TEST_CASE("a call of an unknown tool is content") {
  const std::string text =
      "Well.\n<tool_call>\n{\"name\": \"fly\", \"arguments\": {\"to\": \"Mars\"}}\n</tool_call>";
  const Answer answer = read(text);
  CHECK(answer.calls.empty());
  CHECK(answer.text == text);
}

TEST_CASE("a text that ends too early loses nothing") {
  for (std::size_t n = 1; n < kCall.size(); ++n) {
    INFO(kCall.substr(0, n));
    const Answer answer = read(kCall.substr(0, n));
    CHECK(answer.calls.empty() == (answer.text == kCall.substr(0, n)));
    if (!answer.calls.empty()) {
      CHECK(answer.calls[0].name == "get_weather");
      CHECK(kCalled[0].arguments.starts_with(answer.calls[0].arguments));
    }
  }
}

TEST_CASE("brackets nested without end are content") {
  const std::string text =
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": " + std::string(200000, '[');
  const MakeOutputParser make = demo().encode({kWeather}).make_parser;
  CHECK(read_whole(make, text).text.size() > 199000);
  CHECK(read_bytes(make, text).text.size() > 199000);
}

TEST_CASE("long answers are read in time that grows with their length") {
  std::string words;
  for (int i = 0; words.size() < 300000; ++i) {
    words += "word " + std::to_string(i) + " < ";
  }
  const MakeOutputParser make = demo().encode({kWeather}).make_parser;
  const Answer answer = read_bytes(make, "<think>\n" + words + ".\n</think>\n\n" + words + ".");
  CHECK(answer.reasoning == words + ".");
  CHECK(answer.text == words + ".");

  const std::string call =
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"location\": \"" +
      words.substr(0, 60000) + "\"}}\n</tool_call>";
  const Answer called = read_bytes(make, call);
  REQUIRE(called.calls.size() == 1);
  CHECK(called.calls[0].arguments == R"({"location": ")" + words.substr(0, 60000) + "\"}");
}

TEST_CASE("a request says how its answer is constrained") {
  const EncodedPrompt free = demo().encode({});
  CHECK(free.grammar.empty());
  const EncodedPrompt automatic = demo().encode({kWeather});
  CHECK(automatic.grammar.lazy);
  REQUIRE(automatic.grammar.triggers.size() == 1);
  CHECK(automatic.grammar.triggers[0].kind == GrammarTrigger::Kind::kWord);
  CHECK(automatic.grammar.triggers[0].value.starts_with("<tool_call>"));
  const Token mark = demo().models->vocab->tokenize("<tool_call>", {.parse_special = true}).at(0);
  CHECK(std::binary_search(automatic.shown_tokens.begin(), automatic.shown_tokens.end(), mark));
  CHECK(contains(automatic.grammar.text, "get_weather"));
}

TEST_CASE("a required call begins at once") {
  ChatPrompt chat;
  chat.messages = {{"user", "What is the weather?"}};
  chat.tools = {kWeather};
  chat.tool_choice = ToolChoice::kRequired;
  const EncodedPrompt thinking = demo().models->encoder->encode(chat);
  CHECK_FALSE(thinking.grammar.lazy);
  CHECK(contains(thinking.grammar.text, "<tool_call>"));
  CHECK(contains(thinking.grammar.text, "<think>"));
  CHECK_FALSE(contains(thinking.grammar.text, "<|im_start|>"));
  chat.enable_thinking = false;
  const EncodedPrompt silent = demo().models->encoder->encode(chat);
  CHECK_FALSE(silent.grammar.lazy);
  CHECK(contains(silent.grammar.text, "<tool_call>"));
  CHECK_FALSE(contains(silent.grammar.text, "<think>"));
  CHECK_FALSE(contains(silent.grammar.text, "<|im_start|>"));
}

TEST_CASE("a message that is continued is not said again") {
  ChatPrompt chat;
  chat.messages = {{"user", "Count."}, {"assistant", "One, two,"}};
  chat.continuation = Continuation::kAuto;
  const EncodedPrompt encoded = demo().models->encoder->encode(chat);
  CHECK(encoded.text.ends_with("One, two,"));
  if (encoded.make_parser) {
    CHECK(read_bytes(encoded.make_parser, " three.").text == " three.");
  }
}
