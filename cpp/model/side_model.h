// Request kinds that compute nothing and run between steps: the active LoRA set and saved slots.
// A model offers those it has; the engine answers kUnsupported for the rest, so every kind ends in
// one terminal event.
// Thread rule: engine thread. Covered by scheduler_test with FakeSideModel.
#pragma once

#include "base/event.h"
#include "model/lora.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llamabox {

enum class SideKind : std::uint8_t {
  kSetLora,
  kSlotSave,
  kSlotRestore,
  kSlotErase,
};

struct SideCall {
  SideKind kind = SideKind::kSetLora;
  std::vector<LoraScale> loras; // set_lora
  std::int32_t slot = kNoSlot;  // slot_*
  std::string file;             // slot_save, slot_restore
};

class SideModel {
public:
  virtual ~SideModel() = default;
  virtual bool supports(SideKind kind) const = 0;
  // ERRORS: Error; the request ends with it. REQUIRES: supports(call.kind).
  virtual Result run(const SideCall &call) = 0;
};

} // namespace llamabox
