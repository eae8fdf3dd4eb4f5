#include "llama/runner.h"

#include "base/error.h"
#include "llama/rpc_servers.h"

namespace llamabox {

LlamaRunner::LlamaRunner(LoadedContext &context, LoadedAdapters &adapters)
    : owner_(context), adapters_(adapters), context_(context.get()),
      n_slots_(context.params().n_slots), n_outputs_max_(context.n_outputs_max()),
      batch_(llama_batch_ext_init(context.get())), has_servers_(has_rpc_servers()) {
  const llama_model *model = llama_get_model(context_);
  limits_.n_ctx = static_cast<std::int32_t>(llama_n_ctx_seq(context_));
  limits_.n_batch = static_cast<std::int32_t>(llama_n_batch(context_));
  limits_.n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
  limits_.n_embd = llama_model_n_embd_inp(model);
  limits_.n_outputs = n_outputs_max_;
  limits_.n_ubatch = static_cast<std::int32_t>(llama_n_ubatch(context_));
  output_of_row_.reserve(static_cast<std::size_t>(limits_.n_batch));
}

void LlamaRunner::set_loras(std::span<const LoraScale> loras) {
  adapters_.apply_loras(context_, loras);
}

DecodeStatus LlamaRunner::decode(const Batch &batch) {
  outputs_ = nullptr;
  output_of_row_.clear();
  if (!fill(batch)) {
    return DecodeStatus::kFailed;
  }
  owner_.before_step(batch.size());
  const bool is_causal = batch.front().causal;
  if (!is_causal) {
    llama_set_causal_attn(context_, false);
  }
  const std::int32_t status = llama_process(context_, LLAMA_PROCESS_TYPE_DECODE, batch_.get());
  if (!is_causal) {
    llama_set_causal_attn(context_, true);
  }
  if (has_servers_) {
    llama_synchronize(context_); // a loss shows when results are waited for
    check_rpc_servers();
  }
  switch (status) {
  case 0:
    for (const Row &row : batch) {
      owner_.row_positions().append(row.seq, row.pos[0]);
    }
    return DecodeStatus::kOk;
  case 1:
    output_of_row_.clear();
    return DecodeStatus::kNoCells;
  default:
    output_of_row_.clear();
    return DecodeStatus::kFailed;
  }
}

bool LlamaRunner::fill(const Batch &batch) {
  llama_batch_ext_clear(batch_.get());
  const auto n_batch = static_cast<std::size_t>(limits_.n_batch);
  if (batch.empty() || batch.size() > n_batch) {
    return false;
  }
  std::int32_t n_outputs = 0;
  for (const Row &row : batch) {
    if (row.causal != batch.front().causal || !add(row)) {
      return false;
    }
    output_of_row_.push_back(row.logits ? n_outputs++ : -1);
  }
  // More would be an assert inside upstream, which has memory for this many.
  return n_outputs <= n_outputs_max_;
}

bool LlamaRunner::add(const Row &row) {
  if (row.seq < 0 || row.seq >= n_slots_) {
    return false;
  }
  const llama_embd embd = {row.embd, 1, static_cast<std::size_t>(limits_.n_embd)};
  const std::int32_t index = row.embd == nullptr
                                 ? llama_batch_ext_add_token(batch_.get(), row.seq, row.token)
                                 : llama_batch_ext_add_embd(batch_.get(), row.seq, embd);
  if (index < 0) {
    return false;
  }
  for (const Pos pos : row.pos) {
    if (pos < 0) {
      return false;
    }
  }
  return llama_batch_ext_set_pos(batch_.get(), index, row.pos.data()) &&
         llama_batch_ext_set_output_logits(batch_.get(), index, row.logits);
}

std::span<const float> LlamaRunner::logits(std::int32_t row) {
  const auto index = static_cast<std::size_t>(row);
  if (row < 0 || index >= output_of_row_.size() || output_of_row_[index] < 0) {
    throw Error(ErrorCode::kInternal, "row " + std::to_string(row) + " has no logits");
  }
  if (outputs_ == nullptr) {
    // Waits for the computation and puts the rows into batch order; later rows are arithmetic.
    outputs_ = llama_get_logits(context_);
  }
  const auto n_vocab = static_cast<std::size_t>(limits_.n_vocab);
  return {outputs_ + static_cast<std::size_t>(output_of_row_[index]) * n_vocab, n_vocab};
}

} // namespace llamabox
