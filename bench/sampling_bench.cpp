// What choosing a token costs for each row of logits: our samplers against llama.cpp's own chain on
// the same rows, in turn. Both make the same choices from the same seed; the table counts them.
//
//     sampling_bench MODEL [--vocab 131072] [--rows 200] [--rounds 5]
//
// The model gives a vocabulary only. Rows are random and as long as asked for.
#include "engine/logprobs.h"
#include "llama/sampler.h"

#include "llama.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace llamabox;

constexpr const char *kUsage = "sampling_bench MODEL [--vocab N] [--rows N] [--rounds N]\n";

struct Options {
  std::string model;
  std::size_t n_vocab = 131072;
  std::size_t n_rows = 200;
  int n_rounds = 5;
};

Options parse(int argc, char **argv) {
  Options options;
  if (argc < 2 || argc % 2 != 0) {
    throw std::invalid_argument("a model and pairs of options are wanted");
  }
  options.model = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const long value = std::strtol(argv[i + 1], nullptr, 10);
    if (value <= 0) {
      throw std::invalid_argument(std::string(name) + " must be above 0");
    }
    if (name == "--vocab") {
      options.n_vocab = static_cast<std::size_t>(value);
    } else if (name == "--rows") {
      options.n_rows = static_cast<std::size_t>(value);
    } else if (name == "--rounds") {
      options.n_rounds = static_cast<int>(value);
    } else {
      throw std::invalid_argument("unknown option " + std::string(name));
    }
  }
  return options;
}

using Rows = std::vector<std::vector<float>>;
using Choose = std::function<Token(std::span<const float>)>;

Rows random_rows(const Options &options) {
  std::mt19937 random(1);
  std::normal_distribution<float> logit(0, 3);
  Rows rows(options.n_rows, std::vector<float>(options.n_vocab));
  for (std::vector<float> &row : rows) {
    std::ranges::generate(row, [&] { return logit(random); });
  }
  return rows;
}

// llama.cpp's chain on candidates made of the whole row, as its sampler call makes them.
Choose upstream_choice(const std::shared_ptr<llama_sampler> &chain, bool penalizes) {
  auto candidates = std::make_shared<std::vector<llama_token_data>>();
  return [=](std::span<const float> row) {
    candidates->resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      (*candidates)[i] = {static_cast<llama_token>(i), row[i], 0.0F};
    }
    llama_token_data_array array = {candidates->data(), candidates->size(), -1, false};
    llama_sampler_apply(chain.get(), &array);
    const llama_token token = array.data[array.selected].id;
    if (penalizes) {
      llama_sampler_accept(chain.get(), token);
    }
    return token;
  };
}

std::shared_ptr<llama_sampler> upstream_chain(const SamplingParams &params, std::size_t n_vocab) {
  llama_sampler_chain_params chain_params = llama_sampler_chain_default_params();
  chain_params.no_perf = true;
  const std::shared_ptr<llama_sampler> chain(llama_sampler_chain_init(chain_params),
                                             llama_sampler_free);
  const auto add = [&](llama_sampler *sampler) { llama_sampler_chain_add(chain.get(), sampler); };
  if (params.presence_penalty != 0) {
    add(llama_sampler_init_penalties(static_cast<std::int32_t>(n_vocab), params.repeat_last_n,
                                     params.repeat_penalty, params.frequency_penalty,
                                     params.presence_penalty));
  }
  if (params.temperature <= 0) {
    add(llama_sampler_init_greedy());
    return chain;
  }
  add(llama_sampler_init_top_k(params.top_k));
  add(llama_sampler_init_top_p(params.top_p, 1));
  add(llama_sampler_init_min_p(params.min_p, 1));
  add(llama_sampler_init_temp(params.temperature));
  add(llama_sampler_init_dist(*params.seed));
  return chain;
}

struct Timed {
  double ms_per_row = 0; // of the fastest round
  std::vector<Token> tokens;
};

double ms_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

void time_round(const Rows &rows, const Choose &choose, Timed &timed) {
  const auto begin = std::chrono::steady_clock::now();
  for (const std::vector<float> &row : rows) {
    timed.tokens.push_back(choose(row));
  }
  const double ms = ms_since(begin) / static_cast<double>(rows.size());
  timed.ms_per_row = timed.ms_per_row == 0 ? ms : std::min(timed.ms_per_row, ms);
}

void compare(const char *name, const SamplingParams &params, const LlamaSamplerFactory &factory,
             const Rows &rows, int n_rounds) {
  const bool penalizes = params.presence_penalty != 0;
  const std::unique_ptr<Sampler> sampler = factory.make(params, {});
  const Choose ours = [&](std::span<const float> row) {
    const Token token = sampler->sample(row);
    if (penalizes) {
      sampler->accept(token);
    }
    return token;
  };
  const Choose theirs = upstream_choice(upstream_chain(params, rows[0].size()), penalizes);
  Timed here;
  Timed there;
  for (int round = 0; round < n_rounds; ++round) {
    time_round(rows, ours, here);
    time_round(rows, theirs, there);
  }
  std::size_t n_same = 0;
  for (std::size_t i = 0; i < here.tokens.size(); ++i) {
    n_same += here.tokens[i] == there.tokens[i] ? 1 : 0;
  }
  std::printf("%-28s %9.4f %9.4f %8.1f   %zu of %zu\n", name, here.ms_per_row, there.ms_per_row,
              there.ms_per_row / here.ms_per_row, n_same, here.tokens.size());
}

void time_logprobs(const Vocab &vocab, const Rows &rows) {
  const auto begin = std::chrono::steady_clock::now();
  for (const std::vector<float> &row : rows) {
    token_logprobs(row, 1, 0, vocab);
  }
  std::printf("%-28s %9.4f\n", "logprobs of one token",
              ms_since(begin) / static_cast<double>(rows.size()));
}

void run(const Options &options) {
  llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
  llama_model_params model_params = llama_model_default_params();
  model_params.vocab_only = true;
  const std::unique_ptr<llama_model, void (*)(llama_model *)> model(
      llama_model_load_from_file(options.model.c_str(), model_params), llama_model_free);
  if (!model) {
    throw std::runtime_error("cannot load " + options.model);
  }
  const llama_vocab *vocab = llama_model_get_vocab(model.get());
  const LlamaSamplerFactory factory(vocab, 4096);
  const Rows rows = random_rows(options);

  SamplingParams greedy;
  greedy.temperature = 0;
  SamplingParams usual;
  usual.seed = 1;
  SamplingParams penalized = usual;
  penalized.presence_penalty = 0.5F;
  penalized.repeat_penalty = 1.1F;
  std::printf("vocabulary %zu, %zu rows, fastest of %d rounds; ms a row\n", options.n_vocab,
              options.n_rows, options.n_rounds);
  std::printf("%-28s %9s %9s %8s   same choices\n", "", "llamabox", "llama.cpp", "faster");
  compare("greedy", greedy, factory, rows, options.n_rounds);
  compare("default chain", usual, factory, rows, options.n_rounds);
  compare("default chain and penalties", penalized, factory, rows, options.n_rounds);
  time_logprobs(LlamaVocab(vocab), rows);
}

} // namespace

int main(int argc, char **argv) {
  try {
    run(parse(argc, argv));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "sampling_bench: %s\n%s", error.what(), kUsage);
    return 1;
  }
  return 0;
}
