// Turns what a client sent into a Prompt: chat template, tokenizer, media; and says how the answer
// is to be constrained and read.
// Thread rule: encode() from any prompt worker, several at a time.
// ERRORS: Error(kInvalidArgument) when the input cannot be rendered or tokenized.
// Covered by prompt_encoder_test; FakePromptEncoder serves the engine tests.
#pragma once

#include "model/grammar.h"
#include "model/media.h"
#include "model/output_parser.h"
#include "model/prompt.h"

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace llamabox {

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments; // JSON text, as the model wrote it
};

// The members that many leave out say so: the compiler warns of an aggregate's members without.
// NOLINTBEGIN(readability-redundant-member-init)
struct ChatMessage {
  std::string role;
  std::string content; // text parts joined by the shell; empty when there is none
  std::string reasoning_content = {};
  std::vector<ToolCall> tool_calls = {}; // of an assistant
  std::string tool_call_id = {};         // of a tool's result: the call it answers
  std::string name = {};                 // of a tool's result
  std::vector<MediaPlace> media = {};    // in the order in which they stand in the content
};

// A function the model may call. The schema stays JSON text although the core sees no wire format
// otherwise: it is the caller's data, shown to the model and made into a grammar as it is.
struct Tool {
  std::string name;
  std::string description = {};
  std::string parameters = "{}"; // JSON schema of the arguments
};

enum class ToolChoice : std::uint8_t {
  kAuto,
  kRequired
}; // "none" has no tools, a named one only it

// Whether the last message, an assistant's, is the beginning of the answer.
enum class Continuation : std::uint8_t { kNone, kAuto, kContent, kReasoning };

struct ChatPrompt {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
  std::vector<Tool> tools = {};
  ToolChoice tool_choice = ToolChoice::kAuto;
  bool parallel_tool_calls = true;
  std::string answer_schema = {}; // JSON schema that an answer without a call follows, beside tools
  Continuation continuation = Continuation::kNone;
  bool enable_thinking = true;                             // where the template can tell
  std::map<std::string, std::string> template_kwargs = {}; // variables of the template: JSON texts
};
// NOLINTEND(readability-redundant-member-init)

struct TextPrompt {
  std::string text;
};

struct TokenPrompt {
  std::vector<Token> tokens; // ids are checked against the vocabulary by encode()
};

struct InfillFile {
  std::string name;
  std::string text;
};

// A gap in a text, to be filled by the model.
struct InfillPrompt {
  std::string prefix;            // before the gap
  std::string suffix;            // after it
  std::string begun;             // of the gap, what is written already
  std::vector<InfillFile> files; // others of the same project
};

using PromptInput = std::variant<TextPrompt, TokenPrompt, ChatPrompt, InfillPrompt>;

// What encloses a thinking block in an answer; no end tokens: the answers have none.
struct ThinkingMarks {
  std::string begin;
  std::vector<std::string> ends; // any of them
  std::vector<Token> end_tokens; // that write the first of them
  bool is_open = false;          // the prompt has begun the block
  // The block may stand before an answer that begins right behind it.
  bool may_precede = false;
  std::vector<Token> begin_tokens; // that write `begin`
};

struct EncodedPrompt {
  Prompt prompt;
  std::string text;              // rendered; empty for token prompts
  std::vector<std::string> stop; // stop strings the template asks for
  MakeOutputParser make_parser;  // empty: plain text
  Grammar grammar;               // that tools ask for; empty: the request's own
  bool thinks_freely = false;    // that grammar is about what follows the thinking block
  ThinkingMarks thinking;
  std::vector<Token> shown_tokens; // special ones whose text the parser needs; ascending
};

class PromptEncoder {
public:
  virtual ~PromptEncoder() = default;
  virtual EncodedPrompt encode(const PromptInput &input) const = 0;
};

} // namespace llamabox
