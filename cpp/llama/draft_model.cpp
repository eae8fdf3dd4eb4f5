#include "llama/draft_model.h"

#include "base/error.h"
#include "llama/kv_memory.h"
#include "llama/runner.h"
#include "spec/draft_proposer.h"

#include "llama.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace llamabox {
namespace {

// Models of one family pad their vocabularies differently; no text needs the padding.
constexpr std::int32_t kMostPadding = 128;

// Rows of one run of the drafter: what a step may be delayed by while a prompt is read.
constexpr std::int32_t kMostRows = 512;

[[noreturn]] void refuse(const std::string &path, const std::string &reason) {
  throw Error(ErrorCode::kLoadFailed, "the draft model '" + path + "' cannot be used: " + reason,
              "model-draft");
}

} // namespace

std::string vocab_difference(const llama_vocab *target, const llama_vocab *draft) {
  if (llama_vocab_type(target) != llama_vocab_type(draft)) {
    return "its vocabulary is of another type than the model's";
  }
  const std::int32_t n_target = llama_vocab_n_tokens(target);
  const std::int32_t n_draft = llama_vocab_n_tokens(draft);
  if (std::abs(n_target - n_draft) > kMostPadding) {
    return "its vocabulary has " + std::to_string(n_draft) + " tokens, the model's " +
           std::to_string(n_target);
  }
  for (std::int32_t token = 0; token < std::min(n_target, n_draft); ++token) {
    if (std::strcmp(llama_vocab_get_text(target, token), llama_vocab_get_text(draft, token)) != 0) {
      return "token " + std::to_string(token) + " of its vocabulary is another than the model's";
    }
  }
  const bool same_begin =
      llama_vocab_get_add_bos(target) == llama_vocab_get_add_bos(draft) &&
      (!llama_vocab_get_add_bos(target) || llama_vocab_bos(target) == llama_vocab_bos(draft));
  const bool same_end = llama_vocab_eos(target) == llama_vocab_eos(draft);
  return same_begin && same_end ? "" : "its texts begin or end with another token than the model's";
}

namespace {

// The draft model, before there is a context of it.
const LoadedModel *checked(const LoadedModel *draft, const LoadedModel &target,
                           const std::string &path) {
  const std::string architecture = draft->info().architecture;
  if (architecture == "dflash") {
    refuse(path, "a model of the kind " + architecture +
                     " guesses whole blocks from the inner states of another, which this version "
                     "does not do");
  }
  check_model_kind(draft->get());
  const std::string difference = vocab_difference(target.vocab(), draft->vocab());
  if (!difference.empty()) {
    refuse(path, difference);
  }
  return draft;
}

} // namespace

ModelParams draft_model_params(const LlamaParams &params) {
  ModelParams draft;
  draft.model_path = params.draft.model_path;
  draft.n_gpu_layers = params.draft.n_gpu_layers;
  draft.devices = params.draft.devices;
  draft.use_mmap = params.model.use_mmap;
  draft.use_mlock = params.model.use_mlock;
  draft.numa = params.model.numa;
  return draft;
}

ContextParams draft_context_params(const ContextParams &target, std::int32_t n_ctx) {
  ContextParams draft = target;
  draft.n_ctx = n_ctx;
  draft.n_batch = std::min(draft.n_batch, std::max(kMostRows, draft.n_slots));
  draft.n_ubatch = std::min(draft.n_ubatch, draft.n_batch);
  draft.n_draft_max = 0;
  draft.cache_type_k = draft.cache_type_v = "f16";
  draft.rope = {};
  return draft;
}

ContextParams draft_context_params(const LoadedContext &target) {
  return draft_context_params(target.params(),
                              static_cast<std::int32_t>(llama_n_ctx(target.get())));
}

LoadedDraft::LoadedDraft(const LlamaParams &params, const LoadedModel &model, LoadedContext &target)
    : model_(draft_model_params(params)), adapters_(model_, params.draft.model_path, {}),
      context_(*checked(&model_, model, params.draft.model_path), draft_context_params(target)) {
  if (!LlamaKvMemory(context_).traits().can_cut) {
    refuse(params.draft.model_path,
           "its memory cannot take tokens back, and drafts are often wrong");
  }
  context_.share_threads(target);
}

std::unique_ptr<Proposer> LoadedDraft::make_proposer(const Vocab &vocab, float p_min) {
  DraftProposerParts parts;
  parts.runner = std::make_unique<LlamaRunner>(context_, adapters_);
  parts.kv = std::make_unique<LlamaKvMemory>(context_);
  parts.clock = std::make_unique<SteadyClock>();
  parts.vocab = &vocab;
  parts.n_seqs = context_.params().n_slots;
  parts.p_min = p_min;
  return std::make_unique<DraftProposer>(std::move(parts));
}

} // namespace llamabox
