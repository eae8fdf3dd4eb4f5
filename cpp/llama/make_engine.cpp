#include "llama/make_engine.h"

#include "llama/adapters.h"
#include "llama/context.h"
#include "llama/kv_memory.h"
#include "llama/model.h"
#include "llama/prompt_encoder.h"
#include "llama/runner.h"
#include "llama/sampler.h"
#include "llama/vocab.h"

namespace llamabox {
namespace {

struct LlamaOwner final : ModelOwner {
  explicit LlamaOwner(const LlamaParams &params)
      : model(params.model), adapters(model, params.model.model_path, params.adapters),
        context(model, params.context) {
    adapters.apply_control(context.get());
  }

  LoadedModel model;
  LoadedAdapters adapters;
  LoadedContext context;
};

} // namespace

std::unique_ptr<Models> load_models(const LlamaParams &params) {
  auto owner = std::make_unique<LlamaOwner>(params);
  const llama_vocab *vocab = owner->model.vocab();

  auto models = std::make_unique<Models>();
  models->info = owner->model.info();
  models->vocab = std::make_unique<LlamaVocab>(vocab);
  auto encoder =
      std::make_unique<LlamaPromptEncoder>(owner->model.get(), *models->vocab, params.chat);
  models->info.has_chat_template = encoder->has_chat_template();
  models->info.supports_tools = encoder->supports_tools();
  models->info.supports_thinking = encoder->supports_thinking();
  models->encoder = std::move(encoder);
  for (const AdapterFile &file : params.adapters.loras) {
    models->info.loras.push_back({file.path, file.scale});
  }
  auto runner = std::make_unique<LlamaRunner>(owner->context, owner->adapters);
  models->samplers = std::make_unique<LlamaSamplerFactory>(vocab, runner->limits().n_ctx);
  models->runner = std::move(runner);
  models->kv = std::make_unique<LlamaKvMemory>(owner->context);
  if (params.context.warmup) {
    owner->context.warm_up(owner->model);
  }
  models->owner = std::move(owner);
  return models;
}

} // namespace llamabox
