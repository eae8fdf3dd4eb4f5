// What a text model is loaded with. Values arrive checked by the shell's option table; what only
// the model can judge (context, cache types, devices) is refused by name when it is loaded.
// Thread rule: plain value. Covered by the adapters' tests.
#pragma once

#include <cstdint>
#include <string>

namespace llamabox {

enum class FlashAttn : std::uint8_t { kAuto, kOff, kOn };

struct ModelParams {
  std::string model_path;
  std::int32_t n_gpu_layers = -1; // -1: all that fit
  bool use_mmap = true;
  bool use_mlock = false;
};

struct ContextParams {
  std::int32_t n_ctx = 4096; // cells in all; 0: what the model was trained with
  std::int32_t n_batch = 2048;
  std::int32_t n_ubatch = 512;
  std::int32_t n_slots = 4;
  std::int32_t n_threads = 0;       // 0: physical cores
  std::int32_t n_threads_batch = 0; // 0: as n_threads
  std::int32_t poll = 50;           // how long idle compute threads spin before they sleep, 0..100
  std::int32_t n_draft_max = 0;     // draft tokens one sequence may verify in one step
  FlashAttn flash_attn = FlashAttn::kAuto;
  bool kv_unified = true;
  bool swa_full = false;
  bool kv_offload = true;
  std::string cache_type_k = "f16";
  std::string cache_type_v = "f16";
  bool warmup = true;
};

// Which chat template is used instead of the model's own; at most one is set.
struct ChatParams {
  std::string template_name;   // a built-in one
  std::string template_source; // Jinja
};

struct LlamaParams {
  ModelParams model;
  ContextParams context;
  ChatParams chat;
};

} // namespace llamabox
