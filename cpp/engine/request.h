// What the shell asks of the engine: a closed set of request kinds, each ending in exactly one
// kDone event. New features are new fields here, not new methods of Engine.
// Thread rule: built by the caller, moved into the engine. Covered by scheduler_test.
#pragma once

#include "base/types.h"
#include "model/lora.h"
#include "model/prompt_encoder.h"
#include "model/sampling_params.h"
#include "model/side_call.h"
#include "model/text_encoder.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace llamabox {

// What a priority counts: each level is worth so much time of waiting, so that nobody waits for
// ever behind others of a higher one.
inline constexpr std::int32_t kMostPriority = 10;
inline constexpr std::int64_t kPriorityNs = 10'000'000'000;

struct GenerateRequest {
  PromptInput prompt;
  SamplingParams sampling;
  std::int32_t max_tokens = -1;  // per choice; -1: until the context is full, 0: none
  std::int32_t n = 1;            // choices of the same prompt; seeds count up from the first
  std::vector<std::string> stop; // none is empty
  std::optional<LoraSet> loras;  // each id at most once; none: what counts for the server now
  std::int32_t n_logprobs = -1;  // likeliest tokens reported with each token; -1: none, nor its own
  bool score_prompt = false;     // with n_logprobs: of the prompt's tokens too, in kPrompt events
  std::optional<std::int32_t> n_keep;        // as in EngineParams; none: as there
  std::optional<std::int32_t> n_cache_reuse; // likewise
  std::int32_t n_discard = 0;                // tokens that a shift drops; 0: half of what it may
  std::int32_t slot = kNoSlot;               // preferred when it is free; kNoSlot: any
  bool return_tokens = false;                // each event has the ids of its tokens
  std::int32_t thinking_budget = -1;         // tokens of a thinking block; -1: no limit
  std::int32_t n_draft_max = -1; // tokens of one draft; 0: no drafts, -1: as EngineParams say
  double tokens_per_second = 0;  // at most, of all choices together; 0: no limit
  std::string share_group;       // prefixes are shared among requests of one name
};

// The prompt as the model would see it, without running it.
struct RenderRequest {
  PromptInput prompt;
};

// Vectors or scores of texts; the prompt worker makes tokens of them.
struct EncodeRequest {
  EncodeKind kind = EncodeKind::kEmbed;
  std::vector<EncodeInput> inputs;
  std::int32_t n_dims = 0; // numbers of a vector that are kept, from the first; 0: all
  bool normalize = false;  // vectors get the length 1
};

// Set_lora; slot_save, slot_restore and slot_erase, which the engine answers itself.
struct SideRequest {
  SideCall call;
};

struct Request {
  std::variant<GenerateRequest, RenderRequest, SideRequest, EncodeRequest> body;
  std::int32_t priority = 0;        // -kMostPriority to kMostPriority; see rank_ns
  std::int64_t timeout_ns = kNever; // from its acceptance on; over it: kDeadlineExceeded
};

} // namespace llamabox
