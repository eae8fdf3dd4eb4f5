#include "llama/head_runner.h"

#include "base/error.h"

#include "llama-ext.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace llamabox {
namespace {

// Rows of one run of the encoder: upstream keeps room for the logits of each, which it has none of.
constexpr std::size_t kEncodedAtOnce = 64;

} // namespace

TargetStates::TargetStates(llama_context *target, std::vector<std::int32_t> layers)
    : target_(target), layers_(std::move(layers)),
      n_embd_(static_cast<std::size_t>(llama_model_n_embd(llama_get_model(target)))) {
  if (layers_.empty()) {
    llama_set_embeddings_nextn(target_, true, false);
  }
  for (const std::int32_t layer : layers_) {
    llama_set_embeddings_layer_inp(target_, static_cast<std::uint32_t>(layer), true);
  }
}

void TargetStates::read(std::int32_t first, std::int32_t n, std::vector<float> &into) {
  // Waits for the computation, and puts rows into batch order.
  const float *last = llama_get_embeddings_nextn(target_);
  std::vector<const float *> sources;
  if (layers_.empty()) {
    sources.push_back(last);
  }
  for (const std::int32_t layer : layers_) {
    sources.push_back(llama_get_embeddings_layer_inp(target_, static_cast<std::uint32_t>(layer)));
  }
  for (std::int32_t row = first; row < first + n; ++row) {
    for (const float *source : sources) {
      const float *begin = source + static_cast<std::size_t>(row) * n_embd_;
      into.insert(into.end(), begin, begin + n_embd_);
    }
  }
}

HeadRunner::HeadRunner(LoadedContext &head, HeadKind kind, std::shared_ptr<const StateStore> states)
    : owner_(head), context_(head.get()), kind_(kind), kept_(std::move(states)),
      n_embd_(static_cast<std::size_t>(llama_model_n_embd(llama_get_model(head.get())))),
      batch_(llama_batch_ext_init(head.get())) {
  const llama_model *model = llama_get_model(context_);
  limits_.n_ctx = static_cast<std::int32_t>(llama_n_ctx_seq(context_));
  limits_.n_batch = static_cast<std::int32_t>(llama_n_batch(context_));
  limits_.n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
  limits_.n_outputs = head.n_outputs_max();
  limits_.n_ubatch = static_cast<std::int32_t>(llama_n_ubatch(context_));
  llama_set_embeddings_nextn(context_, true, true);
}

DecodeStatus HeadRunner::decode(const Batch &batch) {
  output_of_row_.assign(batch.size(), -1);
  if (batch.empty() || batch.size() > static_cast<std::size_t>(limits_.n_batch) || !gather(batch)) {
    return DecodeStatus::kFailed;
  }
  owner_.before_step(batch.size());
  // The graphs of heads give their outputs for all rows of a call or for none.
  int status = run(batch, false);
  if (status == 0) {
    status = run(batch, true);
    if (status != 0) {
      undo(batch);
    }
  }
  if (status != 0) {
    return status == 1 ? DecodeStatus::kNoCells : DecodeStatus::kFailed;
  }
  note_reached(batch);
  return DecodeStatus::kOk;
}

// The state before each row: none at the beginning, the target's, or the head's own. False: one is
// not known.
bool HeadRunner::gather(const Batch &batch) {
  states_.assign(batch.size() * n_embd_, 0.0F);
  std::vector<float> features;
  std::size_t begin = 0; // of the rows whose features wait for the encoder
  const auto flush = [&](std::size_t end) {
    const bool done = features.empty() || encode(begin, end, features);
    features.clear();
    return done;
  };
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Pos before = batch[i].pos[0] - 1;
    const auto kept = before < 0 ? std::span<const float>{} : kept_->find(batch[i].seq, before);
    if (!kept.empty() && kind_ == HeadKind::kEagle3) {
      begin = features.empty() ? i : begin;
      features.insert(features.end(), kept.begin(), kept.end());
      continue;
    }
    if (!flush(i)) {
      return false;
    }
    if (!kept.empty()) {
      std::ranges::copy(kept, state_of(i));
    } else if (before >= 0) {
      const auto own = reached_.find(batch[i].seq);
      if (own == reached_.end() || own->second.pos != before) {
        return false;
      }
      std::ranges::copy(own->second.state, state_of(i));
    }
  }
  return flush(batch.size());
}

// Turns the target's states at the rows [begin, end) into what the head reads.
bool HeadRunner::encode(std::size_t begin, std::size_t end, const std::vector<float> &features) {
  const std::size_t width = kept_->width();
  const std::size_t n_most = std::min(kEncodedAtOnce, static_cast<std::size_t>(limits_.n_ubatch));
  for (std::size_t first = begin; first < end; first += n_most) {
    const std::size_t n = std::min(n_most, end - first);
    llama_batch_ext_clear(batch_.get());
    for (std::size_t i = 0; i < n; ++i) {
      // It looks at no other row, so positions mean nothing; they only have to go on.
      const auto at = static_cast<llama_pos>(i);
      const std::array<llama_pos, 4> pos = {at, at, at, at};
      const llama_embd row = {features.data() + (first - begin + i) * width, 1, width};
      const std::int32_t index = llama_batch_ext_add_embd(batch_.get(), 0, row);
      if (index < 0 || !llama_batch_ext_set_pos(batch_.get(), index, pos.data()) ||
          !llama_batch_ext_set_output_logits(batch_.get(), index, true)) {
        return false;
      }
    }
    if (llama_process(context_, LLAMA_PROCESS_TYPE_ENCODE, batch_.get()) != 0) {
      return false;
    }
    const float *encoded = llama_get_embeddings_nextn(context_);
    std::copy(encoded, encoded + n * n_embd_, state_of(first));
  }
  return true;
}

// The rows that want logits, or the others.
int HeadRunner::run(const Batch &batch, bool with_logits) {
  llama_batch_ext_clear(batch_.get());
  std::int32_t n_rows = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].logits != with_logits) {
      continue;
    }
    if (!add(batch[i], state_of(i))) {
      return -1;
    }
    output_of_row_[i] = with_logits ? n_rows : -1;
    ++n_rows;
  }
  return n_rows == 0 ? 0 : llama_process(context_, LLAMA_PROCESS_TYPE_DECODE, batch_.get());
}

bool HeadRunner::add(const Row &row, const float *state) {
  const std::int32_t index = llama_batch_ext_add_token(batch_.get(), row.seq, row.token);
  const llama_embd embd = {state, 1, n_embd_};
  if (index < 0 || !llama_batch_ext_set_pos(batch_.get(), index, row.pos.data()) ||
      !llama_batch_ext_set_output_logits(batch_.get(), index, row.logits)) {
    return false;
  }
  return kind_ == HeadKind::kEagle3 ? llama_batch_ext_set_embd_token(batch_.get(), index, embd)
                                    : llama_batch_ext_set_embd_state(batch_.get(), index, embd);
}

void HeadRunner::note_reached(const Batch &batch) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (output_of_row_[i] >= 0) {
      const float *state = llama_get_embeddings_nextn_ith(context_, output_of_row_[i]);
      Reached &own = reached_[batch[i].seq];
      own.pos = batch[i].pos[0];
      own.state.assign(state, state + n_embd_);
    }
  }
}

// The rows without logits went in; the others did not.
void HeadRunner::undo(const Batch &batch) {
  for (const Row &row : batch) {
    llama_memory_seq_rm(llama_get_memory(context_), row.seq, row.pos[0], -1);
  }
}

std::span<const float> HeadRunner::logits(std::int32_t row) {
  const auto index = static_cast<std::size_t>(row);
  if (row < 0 || index >= output_of_row_.size() || output_of_row_[index] < 0) {
    throw Error(ErrorCode::kInternal, "row " + std::to_string(row) + " has no logits");
  }
  const auto n_vocab = static_cast<std::size_t>(limits_.n_vocab);
  const float *found = llama_get_logits_ith(context_, output_of_row_[index]);
  return {found, n_vocab};
}

} // namespace llamabox
