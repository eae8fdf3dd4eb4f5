#include "llama/kv_memory.h"

#include "base/error.h"
#include "llama/rpc_servers.h"
#include "llama/state_transfers.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

namespace llamabox {
namespace {

bool can_cut(const llama_model *model) {
  if (llama_model_is_recurrent(model) || llama_model_is_hybrid(model)) {
    return false;
  }
  // Its caches of compressed positions cannot be cut at any length.
  char architecture[32] = {};
  llama_model_meta_val_str(model, "general.architecture", architecture, sizeof(architecture));
  return std::strcmp(architecture, "deepseek4") != 0;
}

KvKind kind_of(const llama_model *model, bool unified) {
  if (llama_model_is_recurrent(model)) {
    return KvKind::kRecurrent;
  }
  if (llama_model_is_hybrid(model)) {
    return KvKind::kHybrid;
  }
  if (llama_model_n_swa(model) > 0) {
    return KvKind::kSlidingWindow;
  }
  return unified ? KvKind::kUnified : KvKind::kSplit;
}

// Upstream does not tell the size of the second pool; this is its rule: the windows of all
// sequences that share a pool and one ubatch, in steps of 256 cells.
std::int32_t window_cells(const LoadedContext &context, std::int32_t n_window) {
  const auto n_seq = static_cast<std::int64_t>(llama_n_ctx_seq(context.get()));
  if (context.params().swa_full) {
    return static_cast<std::int32_t>(n_seq);
  }
  const std::int64_t n_windows = context.params().kv_unified ? llama_n_seq_max(context.get()) : 1;
  const auto n_ubatch = static_cast<std::int64_t>(llama_n_ubatch(context.get()));
  const std::int64_t n = std::min(n_seq, n_window * n_windows + n_ubatch);
  return static_cast<std::int32_t>((n + 255) / 256 * 256);
}

} // namespace

LlamaKvMemory::LlamaKvMemory(LoadedContext &context)
    : context_(context.get()), memory_(llama_get_memory(context.get())),
      rows_(context.row_positions()), can_cut_(can_cut(llama_get_model(context.get()))) {
  const llama_model *model = llama_get_model(context.get());
  const bool unified = context.params().kv_unified;
  traits_.kind = kind_of(model, unified);
  traits_.n_seqs = static_cast<SeqId>(llama_n_seq_max(context.get()));
  traits_.n_cells = static_cast<std::int32_t>(llama_n_ctx(context.get()));
  if (traits_.kind == KvKind::kRecurrent) {
    // A state is of one size whatever the length, and there is one for each slot: tokens of
    // different sequences compete for nothing.
    const std::int64_t n = std::int64_t{traits_.n_cells} * context.params().n_slots;
    traits_.n_cells = static_cast<std::int32_t>(
        std::min<std::int64_t>(n, std::numeric_limits<std::int32_t>::max()));
  }
  if (traits_.kind == KvKind::kSlidingWindow) {
    traits_.n_window = llama_model_n_swa(model);
    traits_.n_window_cells = window_cells(context, traits_.n_window);
  }
  traits_.can_share =
      unified && (traits_.kind == KvKind::kUnified || traits_.kind == KvKind::kSlidingWindow);
  traits_.can_cut = can_cut_;
  // Upstream reads and writes whole sequences: a range passes through a sequence of its own.
  traits_.can_copy_ranges =
      traits_.kind == KvKind::kUnified && can_cut_ && traits_.n_seqs > context.params().n_slots;
  if (traits_.can_copy_ranges) {
    scratch_ = --traits_.n_seqs;
  }
  // Upstream says yes for recurrent states too, which cannot forget a token.
  traits_.can_shift = can_cut_ && !rows_.counts() && llama_memory_can_shift(memory_);
}

void LlamaKvMemory::check(SeqId seq) const {
  if (seq < 0 || seq >= traits_.n_seqs) {
    throw Error(ErrorCode::kInternal, "sequence " + std::to_string(seq) + " does not exist");
  }
}

Pos LlamaKvMemory::length(SeqId seq) const {
  check(seq);
  return rows_.counts() ? rows_.length(seq) : llama_memory_seq_pos_max(memory_, seq) + 1;
}

Pos LlamaKvMemory::usable_prefix(SeqId seq, Pos n) const {
  const Pos held = length(seq);
  if (n <= 0 || held == 0) {
    return 0;
  }
  if (n >= held) {
    return held;
  }
  if (!can_cut_) {
    return 0;
  }
  n = rows_.separable(seq, n);
  if (traits_.kind == KvKind::kSlidingWindow) {
    // The row at position n looks back n_window positions; a shorter prefix would need even older
    // ones, so it is this one or none.
    const Pos oldest_needed = std::max(0, rows_.cut(seq, n) - traits_.n_window);
    return llama_memory_seq_pos_min(memory_, seq) <= oldest_needed ? n : 0;
  }
  return n;
}

void LlamaKvMemory::trim(SeqId seq, Pos n) {
  // To nothing is always carried out: after a failed step the pools may hold different lengths.
  if (n > 0 && n >= length(seq)) {
    return;
  }
  check(seq);
  if (!llama_memory_seq_rm(memory_, seq, n > 0 ? rows_.cut(seq, n) : -1, -1)) {
    throw Error(ErrorCode::kInternal, "sequence " + std::to_string(seq) + " cannot be cut to " +
                                          std::to_string(n) + " tokens");
  }
  rows_.trim(seq, n);
}

void LlamaKvMemory::share(SeqId from, SeqId to, Pos n) {
  check(from);
  check(to);
  if (!traits_.can_share || length(to) != 0) {
    throw Error(ErrorCode::kInternal, "sequence " + std::to_string(from) +
                                          " cannot be shared with " + std::to_string(to));
  }
  if (n > 0) {
    llama_memory_seq_cp(memory_, from, to, 0, rows_.cut(from, n));
    rows_.share(from, to, n);
    if (can_cut_ && traits_.n_window > 0 && traits_.n_window_cells < traits_.n_cells) {
      make_window_private(to);
    }
  }
}

std::size_t LlamaKvMemory::write(SeqId seq, std::span<std::uint8_t> state,
                                 llama_state_seq_flags flags) {
  StateTransfers transfers;
  const std::size_t n =
      llama_state_seq_get_data_ext(context_, state.data(), state.size(), seq, flags);
  transfers.finish();
  return n;
}

bool LlamaKvMemory::read(SeqId seq, std::span<const std::uint8_t> state,
                         llama_state_seq_flags flags) {
  StateTransfers transfers;
  const std::size_t n =
      llama_state_seq_set_data_ext(context_, state.data(), state.size(), seq, flags);
  transfers.finish();
  return n == state.size();
}

// Upstream gives a cell of the window pool to another token once it has left the window of the one
// sequence that holds it. A cell that two sequences hold never leaves, so sharing would fill the
// pool, which has room for a window of each id. The copy has the cells of the last window only.
void LlamaKvMemory::make_window_private(SeqId seq) {
  constexpr llama_state_seq_flags kWindow = LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;
  window_.resize(llama_state_seq_get_size_ext(context_, seq, kWindow));
  if (write(seq, window_, kWindow) != window_.size() || !read(seq, window_, kWindow)) {
    trim(seq, 0);
    throw Error(ErrorCode::kInternal,
                "the window of sequence " + std::to_string(seq) + " cannot be copied");
  }
}

void LlamaKvMemory::drop(SeqId seq, Pos begin, Pos end) {
  if (!traits_.can_shift || begin < 0 || begin >= end || end > length(seq) ||
      !llama_memory_seq_rm(memory_, seq, begin, end)) {
    throw Error(ErrorCode::kInternal, "sequence " + std::to_string(seq) + " cannot drop tokens " +
                                          std::to_string(begin) + " to " + std::to_string(end));
  }
  llama_memory_seq_add(memory_, seq, end, -1, begin - end);
}

std::vector<std::uint8_t> LlamaKvMemory::save(SeqId seq) {
  check(seq);
  std::vector<std::uint8_t> state(llama_state_seq_get_size(context_, seq));
  if (state.empty() || write(seq, state) != state.size()) {
    throw Error(ErrorCode::kInternal, "the state of slot " + std::to_string(seq) +
                                          " cannot be read from the model's memory");
  }
  check_rpc_servers(); // what a lost one held was read as zeros
  return state;
}

bool LlamaKvMemory::restore(SeqId seq, std::span<const std::uint8_t> state) {
  check(seq);
  const bool fits = read(seq, state);
  // Nothing else is ever saved.
  rows_.set_text(seq, fits ? llama_memory_seq_pos_max(memory_, seq) + 1 : 0);
  if (!fits) {
    trim(seq, 0);
  }
  return fits;
}

std::vector<std::uint8_t> LlamaKvMemory::save_range(SeqId seq, Pos begin, Pos end) {
  check(seq);
  llama_memory_seq_cp(memory_, seq, scratch_, begin, end);
  std::vector<std::uint8_t> state(llama_state_seq_get_size(context_, scratch_));
  const std::size_t n = write(scratch_, state);
  llama_memory_seq_rm(memory_, scratch_, -1, -1);
  if (state.empty() || n != state.size()) {
    throw Error(ErrorCode::kInternal, "the tokens " + std::to_string(begin) + " to " +
                                          std::to_string(end) + " of sequence " +
                                          std::to_string(seq) + " cannot be read");
  }
  return state;
}

bool LlamaKvMemory::restore_range(SeqId seq, std::span<const std::uint8_t> state) {
  check(seq);
  const bool fits = read(scratch_, state);
  if (fits) {
    llama_memory_seq_cp(memory_, scratch_, seq, -1, -1);
    rows_.set_text(seq, llama_memory_seq_pos_max(memory_, seq) + 1);
  }
  llama_memory_seq_rm(memory_, scratch_, -1, -1);
  return fits;
}

} // namespace llamabox
