#include "llama/named_template.h"

#include "answer.h"
#include "tiny_model.h"

using namespace llamabox;

namespace {

// The names of the specification.
const char *const kNames[] = {"bailing",
                              "chatglm3",
                              "chatglm4",
                              "chatml",
                              "command-r",
                              "deepseek",
                              "deepseek2",
                              "deepseek3",
                              "exaone3",
                              "falcon",
                              "falcon3",
                              "gemma",
                              "gigachat",
                              "glmedge",
                              "granite",
                              "llama2",
                              "llama2-sys",
                              "llama2-sys-bos",
                              "llama2-sys-strip",
                              "llama3",
                              "llama4",
                              "llava",
                              "llava-mistral",
                              "megrez",
                              "minicpm",
                              "mistral-v1",
                              "mistral-v3",
                              "mistral-v3-tekken",
                              "mistral-v7",
                              "mistral-v7-tekken",
                              "monarch",
                              "openchat",
                              "orion",
                              "phi3",
                              "phi4",
                              "rwkv-world",
                              "smolvlm",
                              "vicuna",
                              "vicuna-orca",
                              "yandex",
                              "zephyr"};

struct ToolFamily {
  const char *name;
  const char *end;
  bool parallel = true;
};

constexpr ToolFamily kToolFamilies[] = {{"chatglm4", "<|user|>"},
                                        {"chatml", "<|im_end|>"},
                                        {"deepseek3", "<｜end▁of▁sentence｜>"},
                                        {"granite", "<|end_of_text|>"},
                                        {"llama3", "<|eot_id|>", false},
                                        {"mistral-v3", "</s>"},
                                        {"mistral-v3-tekken", "</s>"},
                                        {"mistral-v7", "</s>"},
                                        {"mistral-v7-tekken", "</s>"}};

ChatPrompt talk() {
  ChatPrompt chat;
  chat.messages = {
      {"system", "Be kind."}, {"user", "Hi!"}, {"assistant", "Hello."}, {"user", "Bye!"}};
  return chat;
}

const Tool kTool = {"get_weather", "Weather of a place",
                    R"({"type":"object","properties":{"location":{"type":"string"}}})"};

} // namespace

TEST_CASE("every name of the specification is a template") {
  CHECK(std::size(kNames) == 41);
  for (const std::string name : kNames) {
    INFO(name);
    const std::string text = NamedTemplate(nullptr, name).render(talk()).text;
    CHECK(contains(text, "Hi!"));
    CHECK(contains(text, "Hello."));
    CHECK(text.find("Hi!") < text.find("Hello."));
    CHECK(text.find("Hello.") < text.find("Bye!"));
  }
  CHECK(error_of([] { NamedTemplate(nullptr, "no-such"); }).code() == ErrorCode::kLoadFailed);
}

TEST_CASE("our own formatters") {
  CHECK(NamedTemplate(nullptr, "falcon").render(talk()).text ==
        "System: Be kind.\nUser: Hi!\nFalcon: Hello.\nUser: Bye!\nFalcon:");
  CHECK(NamedTemplate(nullptr, "llava").render(talk()).text ==
        "Be kind.\nUSER: Hi!\nASSISTANT: Hello.</s>\nUSER: Bye!\nASSISTANT:");
  CHECK(NamedTemplate(nullptr, "llava-mistral").render(talk()).text ==
        "[INST] Be kind.\nHi! [/INST] Hello.</s>[INST] Bye! [/INST]");
}

TEST_CASE("families with tools read back what they write") {
  for (const ToolFamily &family : kToolFamilies) {
    INFO(family.name);
    const NamedTemplate named(nullptr, family.name);
    CHECK(named.supports_tools());
    ChatPrompt chat = talk();
    chat.tools = {kTool};
    const RenderedChat asked = named.render(chat);
    CHECK(contains(asked.text, "get_weather"));
    CHECK(contains(asked.text, "Be kind."));
    const std::size_t n_calls = family.parallel ? 2 : 1;
    ChatMessage turn = {"assistant", ""};
    for (std::size_t i = 0; i < n_calls; ++i) {
      turn.tool_calls.push_back(
          {"abc12345" + std::to_string(i), "get_weather", R"({"location": "Zürich"})"});
    }
    chat.messages.push_back(turn);
    chat.add_generation_prompt = false;
    const std::string whole = named.render(chat).text;
    INFO(whole);
    REQUIRE(whole.starts_with(asked.text));
    std::string text = whole.substr(asked.text.size());
    text.resize(std::min(text.find(family.end), text.size()));
    const Answer answer = read_whole(asked.make_parser, text);
    INFO(answer.text);
    REQUIRE(answer.calls.size() == n_calls);
    CHECK(answer.calls[0].name == "get_weather");
    CHECK(plain_json(answer.calls[0].arguments) == R"({"location":"Zürich"})");
    CHECK(read_bytes(asked.make_parser, text) == answer);

    chat.messages.push_back({"tool", "sunny and 21", {}, {}, "abc123450", "get_weather"});
    chat.add_generation_prompt = true;
    CHECK(contains(named.render(chat).text, "sunny and 21"));
  }
}

TEST_CASE("families without tools refuse them and name --jinja") {
  const NamedTemplate named(nullptr, "gemma");
  CHECK_FALSE(named.supports_tools());
  ChatPrompt chat = talk();
  chat.tools = {kTool};
  const Error error = error_of([&] { named.render(chat); });
  CHECK(error.code() == ErrorCode::kInvalidArgument);
  CHECK(error.param() == "tools");
  CHECK(contains(error.what(), "--jinja"));
  chat = talk();
  chat.template_kwargs["x"] = "1";
  CHECK(error_of([&] { named.render(chat); }).param() == "chat_template_kwargs");
}

TEST_CASE("a thinking block at the beginning is reasoning") {
  const NamedTemplate named(nullptr, "deepseek3");
  ChatPrompt chat = talk();
  const RenderedChat rendered = named.render(chat);
  const Answer answer = read_bytes(rendered.make_parser, "<think>\nHm.\n</think>\n\nYes <think>.");
  CHECK(answer.reasoning == "Hm.");
  CHECK(answer.text == "Yes <think>.");
  chat.enable_thinking = false;
  CHECK(named.render(chat).text == rendered.text + "<think>\n\n</think>\n\n");
}
