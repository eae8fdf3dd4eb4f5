#include "llama/draft_head.h"

#include "base/error.h"
#include "guard/gguf_check.h"
#include "guard/gguf_head.h"
#include "guard/gguf_header.h"
#include "guard/gguf_keys.h"
#include "llama/draft_model.h"
#include "llama/kv_memory.h"
#include "spec/draft_proposer.h"

#include "llama-ext.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llamabox {
namespace {

// Elsewhere upstream aborts, since it has no such output.
constexpr std::array<std::string_view, 7> kGivesLayerInputs = {
    "gpt-oss", "llama", "mimo2", "minimax-m2", "qwen3", "qwen3moe", "gemma4"};
constexpr std::array<std::string_view, 5> kHasOwnHeads = {"cohere2moe", "deepseek2", "glm4moe",
                                                          "hy_v3", "mimo2"};

// States of one sequence that wait to be read; a longer prompt has no drafts.
constexpr std::size_t kMostStateBytes = std::size_t{64} << 20U;

[[noreturn]] void refuse(const std::string &path, const std::string &reason) {
  throw Error(ErrorCode::kLoadFailed, "the draft model '" + path + "' cannot be used: " + reason,
              "model-draft");
}

std::string in_quotes(std::string_view word) { return "'" + std::string(word) + "'"; }

template <std::size_t N>
bool contains(const std::array<std::string_view, N> &words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

std::vector<std::int32_t> layers_of(const llama_model *head) {
  const std::int32_t *layers = llama_model_target_layer_ids(head);
  return {layers, layers + llama_model_target_layer_ids_n(head)};
}

// The layer may be named and left out, and is then missed only when it is computed.
void check_own_head(const std::string &path, const LoadedModel &model) {
  const std::string architecture = model.info().architecture;
  const std::int32_t n_heads = llama_model_n_layer_nextn(model.get());
  const std::string layer =
      "blk." + std::to_string(llama_model_n_layer(model.get())) + ".nextn.eh_proj.weight";
  const GgufHeader header = read_gguf_header(path);
  const bool has_tensors =
      std::ranges::find(header.tensors, layer, &GgufTensor::name) != header.tensors.end();
  if (n_heads == 0 || !has_tensors) {
    refuse(path, "it is the model itself, which has no layer for further tokens");
  }
  if (!contains(kHasOwnHeads, architecture)) {
    refuse(path, "layers for further tokens of the kind " + in_quotes(architecture) +
                     " are not supported");
  }
  if (n_heads > 1) {
    refuse(path, "it has " + std::to_string(n_heads) +
                     " layers for further tokens, of which one is supported");
  }
}

void check_eagle3_file(const std::string &path, const LoadedModel &model) {
  const std::string architecture = model.info().architecture;
  if (!contains(kGivesLayerInputs, architecture)) {
    refuse(path, "a model of the kind " + in_quotes(architecture) +
                     " does not give the inner states that it guesses from");
  }
  check_gguf(path, {});
  HeadTarget target;
  target.n_embd = static_cast<std::uint64_t>(llama_model_n_embd(model.get()));
  target.n_vocab = static_cast<std::uint64_t>(llama_vocab_n_tokens(model.vocab()));
  target.n_layers = static_cast<std::uint64_t>(llama_model_n_layer(model.get()));
  const std::string problem = head_problem(read_gguf_header(path), target);
  if (!problem.empty()) {
    refuse(path, problem);
  }
}

} // namespace

bool wants_own_head(const LlamaParams &params) {
  std::error_code error;
  return !params.draft.model_path.empty() && params.context.n_draft_max > 0 &&
         std::filesystem::equivalent(params.draft.model_path, params.model.model_path, error);
}

bool is_head_file(const std::string &path) {
  return optional_text(read_gguf_header(path), "general.architecture") == "eagle3";
}

LoadedHead::LoadedHead(const LlamaParams &params, const LoadedModel &model, LoadedContext &target)
    : path_(params.draft.model_path), target_(target) {
  ContextRole role{.kind = ContextKind::kOwnHead, .target = target.get()};
  if (wants_own_head(params)) {
    check_own_head(path_, model);
  } else {
    check_eagle3_file(path_, model);
    file_ = std::make_unique<LoadedModel>(draft_model_params(params));
    check_vocab(model);
    role.kind = ContextKind::kEagle3;
  }
  context_ =
      std::make_unique<LoadedContext>(file_ ? *file_ : model, draft_context_params(target), role);
  context_->share_threads(target);
}

void LoadedHead::check_vocab(const LoadedModel &model) const {
  const std::string difference = vocab_difference(model.vocab(), file_->vocab());
  if (!difference.empty()) {
    refuse(path_, difference);
  }
}

std::unique_ptr<Proposer> LoadedHead::make_proposer(const Vocab &vocab, float p_min) {
  const HeadKind kind = file_ ? HeadKind::kEagle3 : HeadKind::kOwnLayer;
  const std::int32_t n_seqs = context_->params().n_slots;
  DraftProposerParts parts;
  parts.source = std::make_unique<TargetStates>(target_.get(), file_ ? layers_of(file_->get())
                                                                     : std::vector<std::int32_t>{});
  const std::size_t width = parts.source->width();
  parts.states =
      std::make_shared<StateStore>(n_seqs, width, kMostStateBytes / (width * sizeof(float)));
  parts.runner = std::make_unique<HeadRunner>(*context_, kind, parts.states);
  parts.kv = std::make_unique<LlamaKvMemory>(*context_);
  parts.clock = std::make_unique<SteadyClock>();
  parts.vocab = &vocab;
  parts.n_seqs = n_seqs;
  parts.p_min = p_min;
  return std::make_unique<DraftProposer>(std::move(parts));
}

} // namespace llamabox
