// What the engine tells the shell about a request. Every accepted request gets any number of
// kDelta, one kFinish per choice, and exactly one kDone, in this order per choice; before these,
// where asked for, kPrompt events that are for all choices.
// Thread rule: values; made on the engine thread, read on the loop thread.
// Covered by scheduler_test (inv.terminal) and the boundary tests.
#pragma once

#include "base/error.h"
#include "base/saved_slot.h"
#include "base/types.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llamabox {

enum class EventKind : std::uint8_t {
  kDelta,  // new output of one choice
  kFinish, // one choice ended; may carry its last output
  kDone,   // the request ended: usage, result or error
  kPrompt, // logprobs of the prompt's next tokens, the first of all with a logprob of 0
};

enum class FinishReason : std::uint8_t { kNone, kStop, kLength, kToolCalls, kCancelled, kError };

struct ToolCallDelta {
  std::int32_t index;    // position among the choice's tool calls
  std::string id;        // set in the first delta of a call
  std::string name;      // set in the first delta of a call
  std::string arguments; // more of the JSON text
};

// A token and how likely it was.
struct TokenChance {
  Token token = kNoToken;
  float logprob = 0; // natural logarithm, over the whole vocabulary before any sampler
  std::string bytes; // of the token, not always whole characters
};

// One generated token and its likeliest rivals, itself among them, the best first.
struct TokenLogprobs {
  TokenChance chosen;
  std::vector<TokenChance> best;
};

// Token counts and times of one request; times in milliseconds.
struct Usage {
  std::int32_t n_prompt = 0;         // prompt tokens, shared ones included
  std::int32_t n_image = 0;          // of these, rows of pictures
  std::int32_t n_audio = 0;          // of these, rows of sounds
  double audio_seconds = 0;          // that the sounds of the prompt last
  std::int32_t n_cached = 0;         // of the prompt, taken from KV that was already there
  std::int32_t n_generated = 0;      // tokens of all choices
  std::int32_t n_reasoning = 0;      // of these, of thinking blocks
  std::int32_t n_dropped = 0;        // tokens that left a full context
  std::int32_t n_draft = 0;          // proposed by a drafter
  std::int32_t n_draft_accepted = 0; // of these, kept
  double queue_ms = 0;               // accepted until it first had a slot
  double ttft_ms = 0;                // accepted until the first token
  double decode_ms = 0;              // first token until the last
};

// What kinds of request other than generate return.
struct Result {
  std::vector<float> values;          // encode: all rows, one after another
  std::int32_t n_values = 0;          // encode: numbers of a row
  std::vector<std::int32_t> n_rows;   // encode: of each text
  std::vector<std::int32_t> n_tokens; // encode: of each text
  std::uint64_t n_made_bytes = 0;     // encode: of a context that was made for this request
  std::string text;                   // render: the rendered prompt
  std::vector<Token> tokens;          // render: the same as tokens
  std::shared_ptr<SavedSlot> saved;   // slot_save
  std::int32_t n_slot_tokens = 0;     // slot_*: tokens saved, restored or erased
};

struct Event {
  RequestId request = 0;
  EventKind kind = EventKind::kDelta;
  std::int32_t choice = 0;
  std::string text;      // whole UTF-8 characters
  std::string reasoning; // likewise, of a thinking block
  std::vector<ToolCallDelta> tool_calls;
  std::vector<TokenLogprobs> logprobs;       // where asked for: of each token since the last event
  std::vector<Token> tokens;                 // where asked for: those since the last event
  std::int32_t slot = kNoSlot;               // of kDelta and kFinish
  std::string stop_word;                     // kFinish: the stop string that ended the text
  FinishReason finish = FinishReason::kNone; // kFinish only
  Usage usage;                               // kDone only
  ErrorCode error = ErrorCode::kNone;        // kDone only; with message and param
  std::string message;
  std::string param;
  std::unique_ptr<Result> result; // kDone of a kind that returns one
};

} // namespace llamabox
