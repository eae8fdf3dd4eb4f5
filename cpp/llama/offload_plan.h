// What of a model its devices have room for, found out by upstream before anything is loaded. The
// context asked for is never made smaller: where it does not fit, fewer layers are offloaded.
// Thread rule: plan_offload() by the thread that loads, before it does; upstream swaps its log
// function meanwhile. ERRORS: as load_models().
// Covered by offload_plan_test and tests/py/api/test_offload.py.
#pragma once

#include "llama/params.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace llamabox {

// Bytes of one device.
struct DeviceRoom {
  std::string name;
  std::uint64_t free_bytes = 0;
  std::uint64_t spare_bytes = 0; // must stay free: adapters, projectors, what nobody can foresee
  std::uint64_t asked_bytes = 0; // weights, KV and buffers of what was asked for
  std::uint64_t given_bytes = 0; // and of what the plan puts there
};

enum class Offload : std::uint8_t {
  kUnmeasured, // no device, a kind of model or a split mode that cannot be measured, a broken file
  kFits,
  kReduced,  // some layers, or tensors of them, stay on the CPU
  kFixed,    // it does not fit, and options say what lies where
  kUnsolved, // it does not fit, and upstream knows no way
};

struct OffloadPlan {
  LlamaParams params; // to load with
  Offload outcome = Offload::kUnmeasured;
  std::int32_t n_layers_asked = 0; // the output counts as one
  std::int32_t n_layers_given = 0;
  std::int32_t n_layers_cut = 0; // of those given, whose larger tensors stay elsewhere
  std::int32_t n_ctx = 0;        // cells that were measured
  std::vector<DeviceRoom> devices;
};

// Whether each device has room for what is asked of it, beside what must stay free.
bool all_fit(std::span<const DeviceRoom> devices);

// Whether options leave it to the plan how many layers go to which device.
bool may_place(const ModelParams &params);

OffloadPlan plan_offload(const LlamaParams &params);

} // namespace llamabox
