// The scalar types every layer shares. Upstream uses 32-bit signed integers for the same things, so
// values cross into the adapters without conversion.
// Thread rule: none, plain values. Covered by every test.
#pragma once

#include <cstdint>
#include <limits>

namespace llamabox {

using Token = std::int32_t;      // id in the vocabulary
using Pos = std::int32_t;        // position of a token in its sequence, from 0
using SeqId = std::int32_t;      // sequence id in KV memory; outlives the slot it was used in
using RequestId = std::uint64_t; // ours, from 1; a client's own id is never used as a key
using ClassKey = std::uint64_t;  // sequences of one class may share a batch and prefixes (LoRA set)

inline constexpr Token kNoToken = -1;
inline constexpr std::int32_t kNoSlot = -1;
inline constexpr SeqId kNoSeq = -1;
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max(); // a deadline, ns

} // namespace llamabox
