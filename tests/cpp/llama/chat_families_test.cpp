// Templates of the model families, from the pinned archive: what a template writes for an
// assistant's turn must be read back as the same calls, whole and cut at every byte.
#include "answer.h"
#include "base/error.h"
#include "llama/chat_template.h"
#include "tiny_model.h"

#include "llama-grammar.h"

#include <exception>
#include <fstream>
#include <sstream>

using namespace llamabox;

namespace {

struct Family {
  const char *file;     // without ".jinja"
  const char *end;      // what ends a turn
  bool parallel = true; // more than one call in a turn
};

constexpr Family kFamilies[] = {
    {"meta-llama-Llama-3.1-8B-Instruct", "<|eot_id|>", false},
    {"meta-llama-Llama-3.2-3B-Instruct", "<|eot_id|>", false},
    {"meta-llama-Llama-3.3-70B-Instruct", "<|eot_id|>", false},
    {"ibm-granite-granite-4.0", "<|end_of_text|>"},
    {"mistralai-Mistral-Nemo-Instruct-2407", "</s>"},
    {"Mistral-Small-3.2-24B-Instruct-2506", "</s>"},
    {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "<|im_end|>"},
    {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "<|im_end|>"},
    {"Qwen-Qwen2.5-7B-Instruct", "<|im_end|>"},
    {"Qwen-Qwen3-0.6B", "<|im_end|>"},
    {"Qwen3-Coder", "<|im_end|>"},
    {"GLM-4.6", "<|user|>"},
    {"deepseek-ai-DeepSeek-V3.1", "<｜end▁of▁sentence｜>"},
    {"llama-cpp-deepseek-r1", "<｜end▁of▁sentence｜>"},
    {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "<|END_OF_TURN_TOKEN|>"},
    {"meetkai-functionary-medium-v3.1", "<|eom_id|>"},
    {"meetkai-functionary-medium-v3.2", "<|eot_id|>"},
    {"moonshotai-Kimi-K2", "<|im_end|>"},
    {"openai-gpt-oss-120b", "<|call|>", false},
};

std::string source_of(const std::string &name) {
  std::ifstream in(std::string(LLAMABOX_TEMPLATES_DIR) + "/" + name + ".jinja");
  REQUIRE(in);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

const Tool kWeather = {"get_weather", "Weather of a place",
                       R"({"type":"object","properties":{"location":{"type":"string"}},)"
                       R"("required":["location"]})"};
const Tool kTrip = {
    "book_trip", "Book a trip",
    R"({"type":"object","properties":{"stops":{"type":"array","items":{"type":"object",)"
    R"("properties":{"city":{"type":"string"},"nights":{"type":"integer"}},)"
    R"("required":["city","nights"]}},"note":{"type":"string"}},"required":["stops","note"]})"};

const std::string kPlace = R"({"location": "Paris"})";
const std::string kNested = R"({"stops": [{"city": "Zürich", "nights": 2}, )"
                            R"({"city": "東京", "nights": 10}], "note": "say \"hi\" – {a} [b]"})";

ChatPrompt asked(std::vector<Tool> tools = {kWeather, kTrip}) {
  ChatPrompt chat;
  chat.messages = {{"user", "Do it."}};
  chat.tools = std::move(tools);
  return chat;
}

// What the template writes after the prompt for an assistant's turn with these calls.
std::string turn_of(const ChatTemplate &chat_template, const Family &family,
                    const std::vector<AnswerCall> &calls) {
  const std::string prompt = chat_template.render(asked()).text;
  ChatPrompt chat = asked();
  ChatMessage message = {"assistant", ""};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    message.tool_calls.push_back(
        {"abc12345" + std::to_string(i), calls[i].name, calls[i].arguments});
  }
  chat.messages.push_back(message);
  chat.add_generation_prompt = false;
  const std::string whole = chat_template.render(chat).text;
  INFO(prompt);
  INFO(whole);
  // A prompt that makes the model think ends in a mark that later prompts leave out.
  const std::string mark = "<think>\n";
  const bool thinks = prompt.ends_with(mark) && !whole.starts_with(prompt);
  const std::size_t n = prompt.size() - (thinks ? mark.size() : 0);
  REQUIRE(whole.starts_with(prompt.substr(0, n)));
  const std::string rest = whole.substr(n);
  return (thinks ? "Let me see.\n</think>\n\n" : "") + rest.substr(0, rest.find(family.end));
}

void check_read(const MakeOutputParser &make, const std::string &turn,
                const std::vector<AnswerCall> &calls) {
  const Answer whole = read_whole(make, turn);
  INFO("turn: " << turn);
  INFO("content: " << whole.text);
  REQUIRE(whole.calls.size() == calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CHECK(whole.calls[i].name == calls[i].name);
    CHECK(plain_json(whole.calls[i].arguments) == plain_json(calls[i].arguments));
  }
  CHECK(whole.well_formed);
  CHECK(read_bytes(make, turn) == whole);
  for (std::size_t cut = 1; cut < turn.size(); ++cut) {
    const Answer answer = read_pieces(make, {turn.substr(0, cut), turn.substr(cut)});
    INFO("cut at " << cut);
    REQUIRE(answer == whole);
  }
}

bool follows(const std::string &text, const std::string &gbnf) {
  llama_grammar *grammar =
      llama_grammar_init_impl(nullptr, gbnf.c_str(), "root", false, nullptr, 0, nullptr, 0);
  REQUIRE(grammar != nullptr);
  bool follows = true;
  try {
    llama_grammar_accept_token(*grammar, 0, text);
    follows = !llama_grammar_get_stacks(grammar).empty();
  } catch (const std::exception &) {
    follows = false;
  }
  llama_grammar_free_impl(grammar);
  return follows;
}

} // namespace

TEST_CASE("a required call follows its grammar, and prose does not") {
  for (const Family &family : kFamilies) {
    const std::string name = family.file;
    SUBCASE(name.c_str()) {
      const ChatTemplate chat_template(nullptr, source_of(name));
      std::string turn = turn_of(chat_template, family, {{"get_weather", kPlace}});
      ChatPrompt chat = asked();
      chat.tool_choice = ToolChoice::kRequired;
      const RenderedChat rendered = chat_template.render(chat);
      if (rendered.grammar.lazy) { // the template began to think: what follows the thought
        turn = turn.substr(turn.find("</think>"));
      }
      INFO("turn: " << turn);
      INFO(rendered.grammar.text);
      CHECK(follows(turn, rendered.grammar.text));
      CHECK_FALSE(follows("It rains.", rendered.grammar.text));
      CHECK_FALSE(follows("</think>\n\nIt rains.", rendered.grammar.text));
      chat.tool_choice = ToolChoice::kAuto;
      // A call without a mark of its own cannot be waited for, so that nothing constrains it.
      const Grammar free = chat_template.render(chat).grammar;
      CHECK(free.lazy != free.empty());
      CHECK(free.triggers.empty() == free.empty());
    }
  }
}

TEST_CASE("every family's calls are read back as they were written") {
  for (const Family &family : kFamilies) {
    const std::string name = family.file;
    SUBCASE(name.c_str()) {
      const ChatTemplate chat_template(nullptr, source_of(name));
      const RenderedChat rendered = chat_template.render(asked());
      REQUIRE(rendered.make_parser);
      std::vector<std::vector<AnswerCall>> turns = {{{"get_weather", kPlace}},
                                                    {{"book_trip", kNested}}};
      if (family.parallel) {
        turns.push_back({{"get_weather", kPlace}, {"book_trip", kNested}});
      }
      for (const std::vector<AnswerCall> &calls : turns) {
        check_read(rendered.make_parser, turn_of(chat_template, family, calls), calls);
      }
    }
  }
}

TEST_CASE("beside a schema an answer is a call of the family or follows the schema") {
  const std::string schema =
      R"({"type":"object","properties":{"city":{"$ref":"#/$defs/item"}},"required":["city"],)"
      R"("$defs":{"item":{"enum":["Rome","Oslo"]}}})";
  for (const Family &family : kFamilies) {
    const std::string name = family.file;
    SUBCASE(name.c_str()) {
      const ChatTemplate chat_template(nullptr, source_of(name));
      std::string turn = turn_of(chat_template, family, {{"get_weather", kPlace}});
      ChatPrompt chat = asked();
      chat.answer_schema = schema;
      const RenderedChat rendered = chat_template.render(chat);
      const std::string end = "</think>";
      // A thought that nothing constrains: the grammar begins behind it, or with its end.
      const bool waits = rendered.grammar.lazy;
      const std::string before = waits ? end : "";
      if ((rendered.thinks_freely || waits) && turn.find(end) != std::string::npos) {
        turn = before + turn.substr(turn.find(end) + end.size());
      }
      INFO("turn: " << turn);
      INFO(rendered.grammar.text);
      CHECK((!waits || rendered.thinking.is_open));
      const std::string answer = R"({"city": "Rome"})";
      CHECK(follows(turn, rendered.grammar.text));
      CHECK(follows(before + answer, rendered.grammar.text));
      CHECK_FALSE(follows(before + "It rains.", rendered.grammar.text));
      CHECK_FALSE(follows(before + R"({"city": "Paris"})", rendered.grammar.text));
      if (rendered.make_parser) {
        const std::string thought = rendered.thinking.is_open ? "Well." + end : "";
        const Answer read = read_whole(rendered.make_parser, thought + answer);
        CHECK(read.calls.empty());
        CHECK(plain_json(read.text) == plain_json(answer));
      }
    }
  }
}

TEST_CASE("a schema changes nothing where a call is required, and a bad one is named") {
  const ChatTemplate chat_template(nullptr, source_of("Qwen-Qwen3-0.6B"));
  ChatPrompt chat = asked();
  chat.tool_choice = ToolChoice::kRequired;
  const std::string required = chat_template.render(chat).grammar.text;
  chat.answer_schema = R"({"type":"object"})";
  CHECK(chat_template.render(chat).grammar.text == required);
  chat.tool_choice = ToolChoice::kAuto;
  chat.answer_schema = R"s({"type":"string","pattern":"(?=x)"})s";
  try {
    chat_template.render(chat);
    FAIL("accepted");
  } catch (const Error &error) {
    CHECK(error.param() == "json_schema");
  }
}

TEST_CASE("functionary's content stands before its calls") {
  const ChatTemplate chat_template(nullptr, source_of("meetkai-functionary-medium-v3.2"));
  const RenderedChat rendered = chat_template.render(asked());
  const std::string turn = "all\nOne moment.>>>get_weather\n" + kPlace + ">>>book_trip\n" + kNested;
  const Answer whole = read_whole(rendered.make_parser, turn);
  CHECK(whole.text == "One moment.");
  REQUIRE(whole.calls.size() == 2);
  CHECK(whole.calls[1].name == "book_trip");
  CHECK(read_bytes(rendered.make_parser, turn) == whole);
  CHECK(follows(turn.substr(turn.find(">>>")), rendered.grammar.text));
  CHECK(follows("get_weather\n" + kPlace, rendered.grammar.text));
  CHECK(read_whole(rendered.make_parser, "all\nNo >>> call.").text == "No >>> call.");
  ChatPrompt one = asked();
  one.parallel_tool_calls = false;
  CHECK(read_whole(chat_template.render(one).make_parser, turn).calls.size() == 1);
  one.tool_choice = ToolChoice::kRequired;
  CHECK_FALSE(follows(turn.substr(turn.find(">>>") + 3), chat_template.render(one).grammar.text));
}

TEST_CASE("a template that shows one call of a message is given one message for each") {
  for (const char *name : {"openai-gpt-oss-120b", "meta-llama-Llama-3.1-8B-Instruct"}) {
    CAPTURE(name);
    const ChatTemplate chat_template(nullptr, source_of(name));
    ChatPrompt chat = asked();
    ChatMessage message = {"assistant", ""};
    message.tool_calls = {{"id1", "get_weather", kPlace}, {"id2", "book_trip", kNested}};
    ChatMessage trip = {"tool", "booked"};
    trip.tool_call_id = "id2";
    ChatMessage weather = {"tool", "sunny"};
    weather.tool_call_id = "id1";
    chat.messages.insert(chat.messages.end(), {message, trip, weather});
    const std::string text = chat_template.render(chat).text;
    const std::size_t prompt = text.find("Do it.");
    const std::size_t first = text.find("get_weather", prompt);
    const std::size_t second = text.find("book_trip", first);
    CHECK(text.find("sunny", first) < second);
    CHECK(text.find("booked", second) != std::string::npos);
    CHECK(text.find("Z\xC3\xBCrich", second) < text.find("booked", second));
  }
}
