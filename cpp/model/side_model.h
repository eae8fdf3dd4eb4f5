// Request kinds that compute nothing and run between steps: the active LoRA set and saved slots.
// The engine answers the latter itself; a model offers the former if it has it, and the engine
// answers kUnsupported otherwise, so every kind ends in one terminal event.
// Thread rule: engine thread. Covered by scheduler_test with FakeSideModel.
#pragma once

#include "base/event.h"
#include "base/saved_slot.h"
#include "model/lora.h"

#include <cstdint>
#include <memory>
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
  std::vector<LoraScale> loras;     // set_lora
  std::int32_t slot = kNoSlot;      // slot_*
  std::shared_ptr<SavedSlot> saved; // slot_restore; taken from the call
};

class SideModel {
public:
  virtual ~SideModel() = default;
  virtual bool supports(SideKind kind) const = 0;
  // ERRORS: Error; the request ends with it. REQUIRES: supports(call.kind).
  virtual Result run(const SideCall &call) = 0;
};

} // namespace llamabox
