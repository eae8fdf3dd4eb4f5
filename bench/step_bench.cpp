// A bare llama_decode loop: the speed a server could reach if serving cost nothing. Upstream's C
// API only. Greedy, S sequences in step, prompts of random tokens; prints one line of key=value.
// With --retained N beside what N sequences that have ended left in KV. With --seq-costs 1 it
// prints what seq_cp and seq_rm cost instead (seq_costs.h).
#include "seq_costs.h"

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "llama.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr const char *kUsage =
    "usage: step_bench -m FILE [-t N] [-c N] [-b N] [-ub N] [-np N] [-fa 0|1] [--poll N]\n"
    "                  [-s SEQUENCES] [-p PROMPT_TOKENS] [-n NEW_TOKENS] [--ids LOW:HIGH]\n"
    "                  [--retained N] [--seq-costs 0|1]\n";

struct Options {
  std::string model;
  std::int32_t n_threads = 2;
  std::int32_t n_ctx = 8192;
  std::int32_t n_batch = 2048;
  std::int32_t n_ubatch = 512;
  std::int32_t n_parallel = 32; // sequences the context is made for
  std::int32_t flash_attn = 0;
  std::int32_t poll = 50;       // how long idle compute threads spin, as in the servers
  std::int32_t n_sequences = 1; // sequences that run
  std::int32_t n_prompt = 64;   // tokens of each prompt
  std::int32_t n_new = 128;     // tokens each sequence generates
  std::int32_t n_retained = 0;  // sequences that ended before, each of n_prompt tokens
  std::int32_t seq_costs = 0;   // print_seq_costs() instead
  std::int32_t id_low = 300;    // prompts are made of token ids in [id_low, id_high)
  std::int32_t id_high = 1000;
};

std::int32_t number(std::string_view flag, std::string_view text) {
  std::int32_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || value < 0) {
    throw std::invalid_argument(std::string(flag) + " wants a whole number, not '" +
                                std::string(text) + "'");
  }
  return value;
}

void set_ids(Options &options, std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  options.id_low = number("--ids", text.substr(0, colon));
  options.id_high = number("--ids", text.substr(std::min(colon + 1, text.size())));
  if (options.id_low >= options.id_high) {
    throw std::invalid_argument("--ids wants LOW:HIGH with LOW below HIGH");
  }
}

Options parse(int argc, char **argv) {
  Options options;
  struct Number {
    std::string_view flag;
    std::int32_t *value;
  };
  const Number numbers[] = {
      {"-t", &options.n_threads},
      {"-c", &options.n_ctx},
      {"-b", &options.n_batch},
      {"-ub", &options.n_ubatch},
      {"-np", &options.n_parallel},
      {"-fa", &options.flash_attn},
      {"--poll", &options.poll},
      {"-s", &options.n_sequences},
      {"-p", &options.n_prompt},
      {"-n", &options.n_new},
      {"--retained", &options.n_retained},
      {"--seq-costs", &options.seq_costs},
  };
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) {
      throw std::invalid_argument(std::string(flag) + " wants a value");
    }
    const std::string_view text = argv[i + 1];
    const auto *known = std::find_if(std::begin(numbers), std::end(numbers),
                                     [&](const Number &entry) { return entry.flag == flag; });
    if (known != std::end(numbers)) {
      *known->value = number(flag, text);
    } else if (flag == "-m") {
      options.model = text;
    } else if (flag == "--ids") {
      set_ids(options, text);
    } else {
      throw std::invalid_argument("unknown flag " + std::string(flag));
    }
  }
  const std::int64_t n_tokens = std::int64_t{options.n_prompt} + options.n_new;
  const std::int64_t n_kept = std::int64_t{options.n_prompt} * options.n_retained;
  if (options.model.empty() || options.n_threads < 1 || options.n_prompt < 1 || options.n_new < 2 ||
      options.n_sequences < 1 || options.n_sequences + options.n_retained > options.n_parallel ||
      n_tokens * options.n_sequences + n_kept > options.n_ctx) {
    throw std::invalid_argument("a model, a thread, a prompt token, two new tokens and a sequence "
                                "are needed; all sequences must fit into -np and -c");
  }
  return options;
}

struct Free {
  void operator()(llama_model *model) const { llama_model_free(model); }
  void operator()(llama_context *context) const { llama_free(context); }
  void operator()(ggml_threadpool *pool) const { ggml_threadpool_free(pool); }
};

struct Loaded {
  std::unique_ptr<llama_model, Free> model;
  std::unique_ptr<ggml_threadpool, Free> pool; // outlives the context that uses it
  std::unique_ptr<llama_context, Free> context;
};

Loaded load(const Options &options) {
  Loaded loaded;
  loaded.model.reset(
      llama_model_load_from_file(options.model.c_str(), llama_model_default_params()));
  if (!loaded.model) {
    throw std::runtime_error("cannot load " + options.model);
  }
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(options.n_ctx);
  params.n_batch = static_cast<std::uint32_t>(options.n_batch);
  params.n_ubatch = static_cast<std::uint32_t>(options.n_ubatch);
  params.n_seq_max = static_cast<std::uint32_t>(options.n_parallel);
  params.n_outputs_max = params.n_seq_max;
  params.n_threads = options.n_threads;
  params.n_threads_batch = options.n_threads;
  params.flash_attn_type =
      options.flash_attn != 0 ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.kv_unified = true;
  params.no_perf = true;
  loaded.context.reset(llama_init_from_model(loaded.model.get(), params));
  // Without one, upstream starts and ends its threads at every decode.
  ggml_threadpool_params pool = ggml_threadpool_params_default(options.n_threads);
  pool.poll = static_cast<std::uint32_t>(options.poll);
  loaded.pool.reset(ggml_threadpool_new(&pool));
  if (!loaded.context || !loaded.pool) {
    throw std::runtime_error("cannot create the context");
  }
  llama_attach_threadpool(loaded.context.get(), loaded.pool.get(), loaded.pool.get());
  return loaded;
}

class Loop {
public:
  Loop(const Options &options, llama_context *context)
      : options_(options), context_(context),
        n_vocab_(llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(context)))),
        batch_(llama_batch_init(options.n_batch, 0, 1)),
        next_(static_cast<std::size_t>(options.n_sequences + options.n_retained)) {
    if (options_.id_high > n_vocab_) {
      throw std::invalid_argument("--ids exceeds the vocabulary");
    }
  }
  ~Loop() { llama_batch_free(batch_); }
  Loop(const Loop &) = delete;
  Loop &operator=(const Loop &) = delete;

  // What ended before, in the first cells.
  void retain() { prefill(options_.n_sequences, options_.n_sequences + options_.n_retained); }

  void prefill() { prefill(0, options_.n_sequences); }

  // One token more for each sequence.
  void step(std::int32_t n_done) {
    for (std::int32_t s = 0; s < options_.n_sequences; ++s) {
      add(next_[static_cast<std::size_t>(s)], options_.n_prompt + n_done, s, true);
    }
    flush();
  }

private:
  void prefill(std::int32_t first, std::int32_t end) {
    std::mt19937 random(1);
    for (std::int32_t s = first; s < end; ++s) {
      for (std::int32_t i = 0; i < options_.n_prompt; ++i) {
        const auto n_ids = static_cast<std::uint32_t>(options_.id_high - options_.id_low);
        const auto token = static_cast<llama_token>(random() % n_ids) + options_.id_low;
        add(token, i, s, i + 1 == options_.n_prompt);
      }
    }
    flush();
  }

  void add(llama_token token, llama_pos pos, llama_seq_id seq, bool logits) {
    const std::int32_t i = batch_.n_tokens++;
    batch_.token[i] = token;
    batch_.pos[i] = pos;
    batch_.n_seq_id[i] = 1;
    batch_.seq_id[i][0] = seq;
    batch_.logits[i] = logits ? 1 : 0;
    if (batch_.n_tokens == options_.n_batch) {
      flush();
    }
  }

  void flush() {
    if (batch_.n_tokens == 0) {
      return;
    }
    if (llama_decode(context_, batch_) != 0) {
      throw std::runtime_error("llama_decode failed");
    }
    for (std::int32_t i = 0; i < batch_.n_tokens; ++i) {
      if (batch_.logits[i] != 0) {
        const float *logits = llama_get_logits_ith(context_, i);
        const float *best = std::max_element(logits, logits + n_vocab_);
        next_[static_cast<std::size_t>(batch_.seq_id[i][0])] =
            static_cast<llama_token>(best - logits);
      }
    }
    batch_.n_tokens = 0;
  }

  const Options &options_;
  llama_context *context_;
  std::int32_t n_vocab_;
  llama_batch batch_;
  std::vector<llama_token> next_; // the last token of each sequence, not yet decoded
};

void run(const Options &options) {
  llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
  llama_backend_init();
  ggml_backend_load_all();
  if (options.seq_costs != 0) {
    const std::unique_ptr<llama_model, Free> model(
        llama_model_load_from_file(options.model.c_str(), llama_model_default_params()));
    if (!model) {
      throw std::runtime_error("cannot load " + options.model);
    }
    return print_seq_costs(model.get(), options.n_threads);
  }
  const Loaded loaded = load(options);
  const auto clock = [] { return std::chrono::steady_clock::now(); };
  const auto seconds = [](auto begin, auto end) {
    return std::chrono::duration<double>(end - begin).count();
  };
  {
    Loop warm_up(options, loaded.context.get());
    warm_up.prefill();
    warm_up.step(0);
    llama_memory_clear(llama_get_memory(loaded.context.get()), false);
  }
  Loop loop(options, loaded.context.get());
  loop.retain();
  const auto begin = clock();
  loop.prefill();
  const auto prefilled = clock();
  for (std::int32_t n_done = 0; n_done + 1 < options.n_new; ++n_done) {
    loop.step(n_done);
  }
  const auto end = clock();
  const double n_sequences = options.n_sequences;
  std::printf("sequences=%d prefill_tok_s=%.2f decode_tok_s=%.2f total_tok_s=%.2f\n",
              options.n_sequences, n_sequences * options.n_prompt / seconds(begin, prefilled),
              n_sequences * (options.n_new - 1) / seconds(prefilled, end),
              n_sequences * options.n_new / seconds(begin, end));
}

} // namespace

int main(int argc, char **argv) {
  try {
    run(parse(argc, argv));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "step_bench: %s\n%s", error.what(), kUsage);
    return 1;
  }
  return 0;
}
