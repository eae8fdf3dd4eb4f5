#include "llama/load_models.h"

#include "base/error.h"
#include "guard/gguf_projector.h"
#include "llama/adapters.h"
#include "llama/compute_crew.h"
#include "llama/context.h"
#include "llama/draft_head.h"
#include "llama/draft_model.h"
#include "llama/encoder_facts.h"
#include "llama/kv_memory.h"
#include "llama/media.h"
#include "llama/model.h"
#include "llama/prompt_encoder.h"
#include "llama/rpc_servers.h"
#include "llama/runner.h"
#include "llama/sampler.h"
#include "llama/text_encoder.h"
#include "llama/vocab.h"
#include "model/no_generation.h"

#include <optional>
#include <utility>

namespace llamabox {
namespace {

ModelParams with_own_head(const LlamaParams &params) {
  ModelParams model = params.model;
  model.load_own_head = wants_own_head(params);
  return model;
}

struct LlamaOwner final : ModelOwner {
  explicit LlamaOwner(const LlamaParams &params)
      : model(with_own_head(params)), adapters(model, params.model.model_path, params.adapters),
        facts(encoder_facts(model.get())) {
    check_model_kind(model.get());
    if (facts.causal && !params.encoder.rerank) {
      ContextParams fitting = params.context;
      if (!params.projector.path.empty()) {
        fit_batch_to(params.projector, fitting);
      }
      context.emplace(model, fitting);
      adapters.apply_control(context->get());
      if (!params.draft.model_path.empty() && params.context.n_draft_max > 0) {
        if (wants_own_head(params) || is_head_file(params.draft.model_path)) {
          head.emplace(params, model, *context);
        } else {
          draft.emplace(params, model, *context);
        }
      }
    }
  }

  LoadedModel model;
  LoadedAdapters adapters;
  EncoderFacts facts;
  std::optional<LoadedContext> context; // none: nothing is generated
  std::optional<LoadedDraft> draft;     // none: no draft model
  std::optional<LoadedHead> head;       // none: no head on the model
};

void add_text_encoder(Models &models, LlamaOwner &owner, const LlamaParams &params) {
  models.info.has_rank_head = owner.facts.has_rank_head;
  models.info.names_pooling =
      owner.facts.pooling != Pooling::kModel && owner.facts.pooling != Pooling::kRank;
  if (!params.encoder.embeddings && !params.encoder.rerank) {
    return;
  }
  LoadedContext *generating = owner.context ? &*owner.context : nullptr;
  const EncoderParts parts{owner.model, *models.vocab, owner.adapters, generating};
  auto texts = std::make_unique<LlamaTextEncoder>(parts, params);
  models.info.encoder_bytes = texts->n_bytes();
  if (texts->supports(EncodeKind::kEmbed)) {
    models.info.pooling = pooling_name(embedding_pooling(owner.facts, params.encoder));
  }
  models.texts = std::move(texts);
}

// Null without one.
const LlamaMedia *add_projector(Models &models, LlamaOwner &owner, const LlamaParams &params) {
  if (params.projector.path.empty()) {
    return nullptr;
  }
  if (!owner.context) {
    throw Error(ErrorCode::kLoadFailed, "a projector needs a model that generates text", "mmproj");
  }
  auto media = std::make_unique<LlamaMedia>(owner.model, *owner.context, params);
  models.info.sees_images = media->sees_images();
  models.info.hears_audio = media->hears_audio();
  const LlamaMedia *made = media.get();
  models.media = std::move(media);
  return made;
}

// Where nothing is generated, the context that the shell shows is that of one text.
std::int32_t text_n_ctx(const Models &models) {
  for (const EncodeKind kind : {EncodeKind::kEmbed, EncodeKind::kRerank}) {
    if (models.texts && models.texts->supports(kind)) {
      return models.texts->limits(kind).n_ctx;
    }
  }
  return models.info.n_ctx_train;
}

std::unique_ptr<Models> make_models(const LlamaParams &params) {
  if (!params.projector.path.empty()) {
    check_projector(params.projector.path); // before the model, which takes longer
  }
  auto owner = std::make_unique<LlamaOwner>(params);
  const llama_vocab *vocab = owner->model.vocab();

  auto models = std::make_unique<Models>();
  models->info = owner->model.info();
  models->vocab = std::make_unique<LlamaVocab>(vocab);
  const LlamaMedia *media = add_projector(*models, *owner, params);
  auto encoder =
      std::make_unique<LlamaPromptEncoder>(owner->model.get(), *models->vocab, params.chat, media);
  models->info.has_chat_template = encoder->has_chat_template();
  models->info.supports_tools = encoder->supports_tools();
  models->info.supports_thinking = encoder->supports_thinking();
  models->encoder = std::move(encoder);
  for (const AdapterFile &file : params.adapters.loras) {
    models->info.loras.push_back({file.path, file.scale});
  }
  add_text_encoder(*models, *owner, params);
  models->info.generates = owner->context.has_value();
  if (owner->context) {
    models->runner = std::make_unique<LlamaRunner>(*owner->context, owner->adapters);
    models->kv = std::make_unique<LlamaKvMemory>(*owner->context);
    models->crew = std::make_unique<ComputeCrew>(*owner->context);
    if (owner->draft) {
      models->proposer = owner->draft->make_proposer(*models->vocab, params.draft.p_min);
    }
    if (owner->head) {
      models->proposer = owner->head->make_proposer(*models->vocab, params.draft.p_min);
    }
    if (params.context.warmup) {
      owner->context->warm_up(owner->model);
      if (owner->draft) {
        owner->draft->warm_up();
      }
    }
  } else {
    models->runner = std::make_unique<NoRunner>(text_n_ctx(*models));
    models->kv = std::make_unique<NoMemory>();
  }
  models->samplers = std::make_unique<LlamaSamplerFactory>(vocab, models->runner->limits().n_ctx);
  models->owner = std::move(owner);
  return models;
}

} // namespace

std::unique_ptr<Models> load_models(const LlamaParams &params) {
  try {
    auto models = make_models(params);
    check_rpc_servers();
    return models;
  } catch (const Error &) {
    check_rpc_servers(); // a loss is the cause of what followed
    throw;
  }
}

} // namespace llamabox
