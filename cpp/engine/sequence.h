// One stream of tokens and the request it belongs to. A sequence is in exactly one place: the wait
// queue or a slot; the request lives as long as one of its choices.
// Thread rule: engine thread. Invariants: inv.n_past, inv.decode_ready (see README.md).
// Covered by scheduler_test through the invariant checks.
#pragma once

#include "base/event.h"
#include "base/types.h"
#include "engine/output.h"
#include "engine/pace.h"
#include "engine/prompt_worker.h"
#include "kv/prefix_cache.h"
#include "model/lora.h"
#include "model/output_parser.h"
#include "model/prompt.h"
#include "model/sampler.h"
#include "spec/speculation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace llamabox {

enum class Phase : std::uint8_t { kWaiting, kPrefill, kDecode };

struct Sequence;

// What the choices of one request share.
struct LiveRequest {
  RequestId id = 0;
  CancelFlag cancelled;
  std::int64_t deadline_ns = kNever;
  std::int64_t submitted_ns = 0;
  std::int64_t first_token_ns = 0; // 0: none yet
  std::int64_t last_token_ns = 0;
  std::int32_t n_open = 0; // choices that have not finished
  bool admitted = false;   // had a slot at least once
  // Choices that wait until the first has scored the prompt, which they all have.
  std::vector<std::unique_ptr<Sequence>> followers;
  Pace pace; // of all choices together
  Usage usage;
};

struct Sequence {
  LiveRequest *request = nullptr;
  std::int32_t choice = 0;
  std::uint64_t order = 0;  // of arrival; the greatest is the youngest
  std::int64_t rank_ns = 0; // when it was accepted, moved by its priority; the least goes first
  ClassKey class_key = 0;   // names `loras`
  std::uint64_t group = 0;  // of requests that it may share prefixes with
  std::shared_ptr<const LoraSet> loras; // that it is computed with

  std::shared_ptr<const Prompt> prompt;
  std::vector<Token> tokens;      // prompt and committed output, without what a shift dropped
  std::vector<std::int64_t> keys; // of the same, for prefix sharing
  std::int32_t n_dropped = 0;     // tokens that were in front of those after n_keep
  std::int32_t max_tokens = -1;   // -1: until the context is full
  bool shifts = false;            // a full context loses tokens instead of ending the text
  std::int32_t n_keep = 0;        // first tokens that it does not lose
  std::int32_t n_discard = 0;     // tokens that it loses at once; 0: half of the rest
  std::int32_t n_cache_reuse = 0; // least tokens of a chunk taken over at another place; 0: none
  std::int32_t wanted_slot = kNoSlot;
  bool has_moved_cells = false; // its KV is not what a prefill of its tokens gives
  std::unique_ptr<Sampler> sampler;
  TextAssembler text{{}};
  std::unique_ptr<OutputParser> parser; // null: plain text
  std::int32_t n_logprobs = -1;         // -1: not asked for
  std::vector<TokenLogprobs> logprobs;  // not shown yet
  bool scores_prompt = false;           // the prompt's tokens have logprobs too
  std::int32_t n_scored = 0;            // of these, the first that were told
  std::int32_t n_classified = 0;        // tokens counted as reasoning or not
  bool return_tokens = false;
  std::vector<Token> new_tokens; // not shown yet, where they are to be returned
  std::shared_ptr<const std::vector<Token>>
      shown_tokens; // special ones that have a text; ascending

  std::int32_t n_draft_max = 0; // tokens of one draft
  float draft_temperature = 0;  // that a drafter may draw with; 0: the likeliest tokens only
  DraftState drafts;
  std::vector<Token> text_tokens; // without rows of media, where the prompt has some
  std::size_t n_text_read = 0;    // of tokens, that stand there

  Phase phase = Phase::kWaiting;
  std::int32_t slot = kNoSlot;
  SeqId seq = kNoSeq;         // its KV, while it has a slot
  Underway awaited;           // the prefill it waits for, while it has none
  std::vector<Pos> kept_at;   // where its state is kept, since no shorter one can be had; ascends
  Pos n_joined = 0;           // tokens that it waited for
  Pos n_past = 0;             // tokens already in KV
  Pos n_given_up = 0;         // n_past when it was preempted, until it is back
  std::int32_t n_skipped = 0; // steps since it last had rows
  std::int64_t last_token_ns = 0; // 0: none yet

  // Goes before `other` where only one of them can run.
  bool precedes(const Sequence &other) const {
    return rank_ns != other.rank_ns ? rank_ns < other.rank_ns : order < other.order;
  }

  // Whether the limit of its request lets it run in a step that begins now.
  bool is_due(std::int64_t now_ns) const {
    return phase != Phase::kDecode || request->pace.n_due(now_ns) > 0;
  }

  void keep_at(Pos n) {
    const auto at = std::ranges::lower_bound(kept_at, n);
    if (at == kept_at.end() || *at != n) {
      kept_at.insert(at, n);
    }
  }
  bool is_kept_at(Pos n) const { return std::ranges::binary_search(kept_at, n); }
  // Rows until its state is to be kept, or until the next token.
  std::int32_t n_until_stop() const {
    const auto stop = std::ranges::upper_bound(kept_at, n_past);
    return stop == kept_at.end() ? n_left() : std::min(n_left(), *stop - n_past);
  }

  bool shows(Token token) const {
    return std::binary_search(shown_tokens->begin(), shown_tokens->end(), token);
  }
  std::int32_t n_tokens() const { return static_cast<std::int32_t>(tokens.size()); }
  PrefixRoot root() const { return {class_key, group}; }
  std::int32_t n_generated() const { return n_tokens() + n_dropped - prompt->size(); }
  std::int32_t n_left() const { return n_tokens() - n_past; } // rows until the next token
  bool is_scoring() const { return scores_prompt && n_scored < prompt->size(); }
  // Whether the row of token `index` tells what is not known yet: how likely the next one was.
  bool is_scored_by(Pos index) const {
    return is_scoring() && index + 1 >= n_scored && index + 1 < prompt->size();
  }
  // Tokens that KV may hold before it runs: the logits of a row behind them are needed.
  Pos n_reusable() const { return is_scoring() ? std::max(n_scored, 1) - 1 : n_tokens() - 1; }
  // Nothing is wanted but what the prompt says of itself.
  bool ends_with_prompt() const { return max_tokens == 0; }
  std::span<const std::int64_t> keys_at(Pos from, std::int32_t n) const {
    return std::span(keys).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(n));
  }

  void push(Token token) {
    tokens.push_back(token);
    keys.push_back(token);
  }

  void drop(Pos begin, Pos end) {
    tokens.erase(tokens.begin() + begin, tokens.begin() + end);
    keys.erase(keys.begin() + begin, keys.begin() + end);
    n_dropped += end - begin;
  }
};

} // namespace llamabox
