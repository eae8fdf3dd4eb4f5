// Requests that compute nothing and are answered between two steps: the active LoRA set and saved
// slots. Each ends in one terminal event like any other.
// Thread rule: values. Covered by scheduler_test and scheduler_slots_test.
#pragma once

#include "base/saved_slot.h"
#include "base/types.h"
#include "model/lora.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llamabox {

enum class SideKind : std::uint8_t { kSetLora, kSlotSave, kSlotRestore, kSlotErase };

struct SideCall {
  SideKind kind = SideKind::kSetLora;
  std::vector<LoraScale> loras;     // set_lora
  std::int32_t slot = kNoSlot;      // slot_*
  std::shared_ptr<SavedSlot> saved; // slot_restore; taken from the call
  std::string share_group;          // slot_restore: of requests that may find it
};

} // namespace llamabox
