// What a text model is loaded with. Values arrive checked by the shell's option table; what only
// the model can judge (context, cache types, devices) is refused by name when it is loaded.
// Thread rule: plain value. Covered by the adapters' tests.
#pragma once

#include "guard/gguf_override.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llamabox {

enum class FlashAttn : std::uint8_t { kAuto, kOff, kOn };
enum class SplitMode : std::uint8_t { kNone, kLayer, kRow, kTensor };
enum class Numa : std::uint8_t { kOff, kDistribute, kIsolate, kNumactl };
enum class RopeScaling : std::uint8_t { kModel, kNone, kLinear, kYarn };

// Tensors whose name matches the regular expression go to the named buffer type.
struct TensorPlacement {
  std::string pattern;
  std::string buffer_type;
};

struct ModelParams {
  std::string model_path;
  std::int32_t n_gpu_layers = -1; // -1: all that fit
  bool use_mmap = true;
  bool use_mlock = false;
  std::optional<std::vector<std::string>> devices; // none: all GPUs; empty: no GPU
  SplitMode split_mode = SplitMode::kLayer;
  std::int32_t main_gpu = 0;               // index among the devices used
  std::vector<float> tensor_split;         // share of each device; empty: by free memory
  std::vector<TensorPlacement> placements; // the first that matches a tensor counts
  std::vector<GgufOverride> overrides;     // metadata that replaces the file's
  Numa numa = Numa::kOff;                  // of the process, since ggml keeps one
  bool load_own_head = false;              // the layer for further tokens that the file may carry
};

// How the compute threads of one pool run.
struct ThreadPlacement {
  std::vector<std::int32_t> cpus; // they may run on; empty: all
  bool strict = false;            // each thread on one of them
  std::int32_t priority = 0;      // 0 normal, 1 medium, 2 high, 3 realtime
  std::int32_t poll = 50;         // how long idle threads spin before they sleep, 0..100
};

// Position encoding; an absent value is the model's own.
struct RopeParams {
  RopeScaling scaling = RopeScaling::kModel;
  std::optional<float> freq_base;
  std::optional<float> freq_scale; // 1/N extends the context N times
  std::optional<std::int32_t> yarn_orig_ctx;
  std::optional<float> yarn_ext_factor;
  std::optional<float> yarn_attn_factor;
  std::optional<float> yarn_beta_fast;
  std::optional<float> yarn_beta_slow;
};

struct AdapterFile {
  std::string path;
  float scale = 1;
};

// Adapters that change a loaded model.
struct AdapterParams {
  std::vector<AdapterFile> loras;           // ids are their places; scales are those at the start
  std::vector<AdapterFile> control_vectors; // added up
  std::int32_t control_first_layer = 1;     // both ends inclusive
  std::int32_t control_last_layer = -1;     // -1: the model's last
};

struct ContextParams {
  std::int32_t n_ctx = 4096; // cells in all; 0: what the model was trained with
  std::int32_t n_batch = 2048;
  std::int32_t n_ubatch = 512;
  std::int32_t n_slots = 4;
  std::int32_t n_threads = 0;       // 0: physical cores
  std::int32_t n_threads_batch = 0; // 0: as n_threads
  ThreadPlacement placement;        // of the threads that run steps of one row
  ThreadPlacement placement_batch;  // of those that run steps of several rows
  std::int32_t n_draft_max = 0;     // draft tokens one sequence may verify in one step
  FlashAttn flash_attn = FlashAttn::kAuto;
  bool kv_unified = true;
  bool swa_full = false;
  bool kv_offload = true;
  std::string cache_type_k = "f16";
  std::string cache_type_v = "f16";
  RopeParams rope;
  bool warmup = true;
};

// Which chat template is used instead of the model's own; at most one is set.
struct ChatParams {
  std::string template_name;   // a built-in one
  std::string template_source; // Jinja
};

enum class Pooling : std::uint8_t { kModel, kNone, kMean, kCls, kLast, kRank };
enum class Attention : std::uint8_t { kModel, kCausal, kNonCausal };

// Embeddings and scores; each has a context of its own beside the one that generates.
struct EncoderParams {
  bool embeddings = false;
  bool defer_embeddings = false; // their context is made for the first text
  bool rerank = false;           // and no text is generated
  Pooling pooling = Pooling::kModel;
  Attention attention = Attention::kModel;
};

// The projector that turns pictures and sounds into embeddings.
struct ProjectorParams {
  std::string path;                // empty: none
  std::int32_t n_audio_max = 1800; // seconds of one sound
};

// A small model that guesses what the other will say.
struct DraftModelParams {
  std::string model_path;                          // empty: none
  std::int32_t n_gpu_layers = -1;                  // -1: all that fit
  std::optional<std::vector<std::string>> devices; // none: all GPUs; empty: no GPU
  float p_min = 0.75F; // a draft ends before a token of which the draft model is less sure
};

struct LlamaParams {
  ModelParams model;
  ContextParams context;
  AdapterParams adapters;
  ChatParams chat;
  EncoderParams encoder;
  ProjectorParams projector;
  DraftModelParams draft;
};

} // namespace llamabox
