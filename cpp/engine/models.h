// Everything an engine needs of a model, wired in one place (llama/load_models, or the fakes).
// Thread rule: see each member's header. Guarantee: members are declared so that users die before
// what they use. Covered by the engine tests and load_test.
#pragma once

#include "model/crew.h"
#include "model/kv_memory.h"
#include "model/media.h"
#include "model/prompt_encoder.h"
#include "model/runner.h"
#include "model/sampler.h"
#include "model/text_encoder.h"
#include "model/vocab.h"
#include "spec/proposer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llamabox {

// A LoRA adapter that was loaded; its id is its place.
struct LoraInfo {
  std::string path;
  float scale = 0; // what it counts at the start
};

// Facts for /v1/models and the start-up log.
struct ModelInfo {
  std::string architecture;
  std::string name;       // general.name, may be empty
  std::string vocab_type; // "bpe", "spm", ...
  std::int32_t n_vocab = 0;
  std::int32_t n_ctx_train = 0;
  std::int32_t n_embd = 0;
  std::uint64_t n_params = 0;
  std::uint64_t size_bytes = 0;
  bool has_chat_template = false;
  std::string chat_template; // the model's own; empty without one
  std::vector<LoraInfo> loras;
  bool supports_tools = false;    // its chat template shows tools
  bool supports_thinking = false; // its chat template knows a thinking block
  bool generates = true;          // false: an encoder, or a server that only ranks
  std::string pooling;            // of embeddings: "none", "mean", "cls", "last"; empty: none given
  bool names_pooling = false;     // the file names a pooling of embeddings
  bool has_rank_head = false;     // it can score a query and a document
  bool sees_images = false;       // its projector takes pictures
  bool hears_audio = false;       // and sounds
  std::uint64_t encoder_bytes = 0; // of the contexts for embeddings and scores
};

// Keeps alive what the other members point into (a loaded model and its context).
struct ModelOwner {
  virtual ~ModelOwner() = default;
};

struct Models {
  ModelInfo info;
  std::unique_ptr<ModelOwner> owner;
  std::unique_ptr<Vocab> vocab;
  std::unique_ptr<PromptEncoder> encoder;
  std::unique_ptr<SamplerFactory> samplers;
  std::unique_ptr<Runner> runner;
  std::unique_ptr<Crew> crew; // may be null: the engine thread samples alone
  std::unique_ptr<KvMemory> kv;
  std::unique_ptr<TextEncoder> texts;  // may be null: neither embeddings nor scores
  std::unique_ptr<MediaEncoder> media; // may be null: text only
  std::unique_ptr<Proposer> proposer;  // may be null: no speculation
};

} // namespace llamabox
