#include "seq_costs.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

namespace {

constexpr std::int32_t kIds = 256;
constexpr std::int32_t kFilled = 240; // ids that hold something; the rest of the cells are free
constexpr int kRounds = 21;

struct Free {
  void operator()(llama_context *context) const { llama_free(context); }
};
using Context = std::unique_ptr<llama_context, Free>;

Context make_context(llama_model *model, std::int32_t n_cells, std::int32_t n_threads) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(n_cells);
  params.n_batch = 2048;
  params.n_ubatch = 64; // the mask of an ubatch has a number for each cell and row
  params.n_seq_max = kIds;
  params.n_outputs_max = kIds;
  params.n_threads = params.n_threads_batch = n_threads;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
  params.kv_unified = true;
  params.no_perf = true;
  Context context(llama_init_from_model(model, params));
  if (!context) {
    throw std::runtime_error("cannot create the context");
  }
  return context;
}

void decode(llama_context *context, std::int32_t n_tokens) {
  constexpr std::int32_t kRows = 512;
  std::vector<llama_token> tokens(kRows);
  for (std::int32_t begin = 0; begin < n_tokens; begin += kRows) {
    const std::int32_t n = std::min(kRows, n_tokens - begin);
    for (std::int32_t i = 0; i < n; ++i) {
      tokens[static_cast<std::size_t>(i)] = 300 + (begin + i) * 37 % 600;
    }
    if (llama_decode(context, llama_batch_get_one(tokens.data(), n)) != 0) {
      throw std::runtime_error("llama_decode failed");
    }
  }
}

// All ids but a few hold as much; computing that for each would take hours.
void fill(llama_context *context, std::int32_t n_tokens) {
  decode(context, n_tokens);
  std::vector<std::uint8_t> state(llama_state_seq_get_size(context, 0));
  llama_state_seq_get_data(context, state.data(), state.size(), 0);
  for (llama_seq_id id = 1; id < kFilled; ++id) {
    if (llama_state_seq_set_data(context, state.data(), state.size(), id) != state.size()) {
      throw std::runtime_error("the cells are too few");
    }
  }
}

double median_us(const std::function<void(int)> &prepare, const std::function<void(int)> &call) {
  std::vector<double> us;
  for (int round = 0; round < kRounds; ++round) {
    prepare(round);
    const auto begin = std::chrono::steady_clock::now();
    call(round);
    const std::chrono::duration<double, std::micro> spent =
        std::chrono::steady_clock::now() - begin;
    us.push_back(spent.count());
  }
  std::ranges::nth_element(us, us.begin() + kRounds / 2);
  return us[kRounds / 2];
}

} // namespace

void print_seq_costs(llama_model *model, std::int32_t n_threads) {
  for (const std::int32_t n_cells : std::array{1 << 13, 1 << 17, 1 << 20}) {
    const Context context = make_context(model, n_cells, n_threads);
    const std::int32_t n_tokens = n_cells / kIds;
    fill(context.get(), n_tokens);
    llama_memory_t memory = llama_get_memory(context.get());
    const auto nothing = [](int) {};
    const auto copy = [&](int round) { llama_memory_seq_cp(memory, round, kFilled, -1, -1); };
    const auto remove = [&](int) { llama_memory_seq_rm(memory, kFilled, -1, -1); };
    const double cp_us = median_us(remove, copy);
    const double rm_us = median_us(copy, remove);
    const double cut_us = median_us(
        nothing, [&](int round) { llama_memory_seq_rm(memory, round, n_tokens - 8, -1); });
    std::printf("cells=%d tokens=%d seq_cp_us=%.1f seq_rm_us=%.1f cut_of_8_us=%.1f\n", n_cells,
                n_tokens, cp_us, rm_us, cut_us);
    std::fflush(stdout);
  }
}
