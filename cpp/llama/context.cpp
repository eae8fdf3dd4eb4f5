#include "llama/context.h"

#include "base/error.h"
#include "llama/context_params.h"
#include "llama/upstream_log.h"

#include "common.h"

#include <algorithm>
#include <array>
#include <exception>
#include <string>
#include <thread>
#include <vector>

namespace llamabox {
namespace {

[[noreturn]] void refuse(const char *option, const std::string &sentence) {
  throw Error(ErrorCode::kLoadFailed, sentence, option);
}

std::int32_t default_threads() {
  const auto allowed = static_cast<std::int32_t>(std::thread::hardware_concurrency());
  const std::int32_t physical = common_cpu_get_num_math();
  return std::max(1, allowed > 0 ? std::min(physical, allowed) : physical);
}

ThreadpoolParams threadpool_params(const ContextParams &params) {
  return {params.n_threads, params.placement, params.n_threads_batch, params.placement_batch};
}

} // namespace

void check_model_kind(const llama_model *model) {
  if (llama_model_has_encoder(model) || !llama_model_has_decoder(model) ||
      llama_model_is_diffusion(model)) {
    refuse("model", "the model cannot be served: it is an encoder-decoder, one half of such a "
                    "model, or a diffusion model");
  }
}

void resolve_threads(ContextParams &params) {
  if (params.n_threads == 0) {
    params.n_threads = default_threads();
  }
  if (params.n_threads_batch == 0) {
    params.n_threads_batch = params.n_threads;
  }
}

LoadedContext::LoadedContext(const LoadedModel &model, const ContextParams &params,
                             const ContextRole &role)
    : params_(params), row_positions_(model.get(), n_sequence_ids(model.get(), params)) {
  check_context_params(model.get(), params_);
  resolve_threads(params_);
  check_placements(threadpool_params(params_));

  llama_context_params upstream = sized_context_params(model.get(), params_);
  n_outputs_max_ = static_cast<std::int32_t>(upstream.n_outputs_max);
  upstream.ctx_other = role.target;
  if (role.kind == ContextKind::kOwnHead) {
    upstream.ctx_type = LLAMA_CONTEXT_TYPE_MTP;
  }

  const LogCapture capture;
  std::string reason;
  try {
    context_.reset(llama_init_from_model(model.get(), upstream));
    reason = capture.first_error();
  } catch (const Error &) {
    throw;
  } catch (const std::exception &error) {
    reason = error.what();
  }
  if (!context_) {
    throw Error(ErrorCode::kLoadFailed,
                "cannot create the context: " +
                    (reason.empty() ? std::string("llama.cpp gave no reason") : reason));
  }
  if (llama_get_memory(context_.get()) == nullptr) {
    refuse("model", "the model keeps no memory of a sequence, so it cannot generate text");
  }
}

Threadpools &LoadedContext::threads() {
  if (lender_ != nullptr) {
    if (!is_attached_) {
      lender_->threads().attach(context_.get());
      is_attached_ = true;
    }
    return lender_->threads();
  }
  if (!threads_) {
    threads_ = std::make_unique<Threadpools>(threadpool_params(params_));
    threads_->attach(context_.get());
  }
  return *threads_;
}

void LoadedContext::before_step(std::size_t n_rows) { threads().before_step(n_rows); }

void LoadedContext::rest() const {
  if (threads_) {
    threads_->rest();
  }
}

bool LoadedContext::mixes_embeddings(const LoadedModel &model) {
  const auto width = static_cast<std::size_t>(llama_model_n_embd_inp(model.get()));
  const std::vector<float> zeros(width);
  const std::array<llama_pos, 4> first = {};
  const std::array<llama_pos, 4> second = {1, 1, 1, 1};
  const std::unique_ptr<llama_batch_ext, void (*)(llama_batch_ext *)> batch(
      llama_batch_ext_init(context_.get()), llama_batch_ext_free);
  const bool is_filled = llama_batch_ext_add_token(batch.get(), 0, 0) == 0 &&
                         llama_batch_ext_set_pos(batch.get(), 0, first.data()) &&
                         llama_batch_ext_add_embd(batch.get(), 0, {zeros.data(), 1, width}) == 1 &&
                         llama_batch_ext_set_pos(batch.get(), 1, second.data()) &&
                         llama_batch_ext_set_output_logits(batch.get(), 1, true);
  const bool mixes =
      is_filled && llama_process(context_.get(), LLAMA_PROCESS_TYPE_DECODE, batch.get()) == 0;
  llama_synchronize(context_.get());
  llama_memory_clear(llama_get_memory(context_.get()), false);
  return mixes;
}

void LoadedContext::warm_up(const LoadedModel &model) {
  const llama_vocab *vocab = model.vocab();
  const llama_token bos = llama_vocab_bos(vocab);
  const llama_token eos = llama_vocab_eos(vocab);
  std::array<llama_token, 2> tokens = {bos == LLAMA_TOKEN_NULL ? 0 : bos,
                                       eos == LLAMA_TOKEN_NULL ? 0 : eos};
  const auto n_batch = static_cast<std::int32_t>(llama_n_batch(context_.get()));
  const std::int32_t status = llama_decode(
      context_.get(), llama_batch_get_one(tokens.data(), std::min<std::int32_t>(2, n_batch)));
  if (status != 0) {
    throw Error(ErrorCode::kLoadFailed,
                "the first run of the model failed with code " + std::to_string(status));
  }
  llama_synchronize(context_.get());
  llama_memory_clear(llama_get_memory(context_.get()), false);
}

} // namespace llamabox
