#include "sim_model.h"

#include "cpu_time.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace llamabox::sim {
namespace {

class SimVocab final : public Vocab {
public:
  std::int32_t n_tokens() const override { return kVocab; }
  bool is_end_of_generation(Token /*token*/) const override { return false; }
  std::string piece(Token /*token*/, bool /*render_special*/) const override { return "a"; }
  std::vector<Token> tokenize(std::string_view text, TokenizeOptions /*options*/) const override {
    return std::vector<Token>(text.size(), kAnswer);
  }
};

class SimSampler final : public Sampler {
public:
  Token sample(std::span<const float> /*logits*/) override { return kAnswer; }
  void accept(Token /*token*/) override {}
};

class SimSamplers final : public SamplerFactory {
public:
  std::unique_ptr<Sampler> make(const SamplingParams & /*params*/,
                                std::span<const Token> /*prompt*/) const override {
    return std::make_unique<SimSampler>();
  }
};

class SimEncoder final : public PromptEncoder {
public:
  EncodedPrompt encode(const PromptInput &input) const override {
    EncodedPrompt encoded;
    encoded.prompt.tokens = std::get<TokenPrompt>(input).tokens;
    return encoded;
  }
};

struct SimOwner final : ModelOwner {};

[[noreturn]] void never(const char *what) { throw std::logic_error(what); }

} // namespace

KvTraits SimKv::traits() const {
  KvTraits traits;
  traits.n_cells = static_cast<std::int32_t>(n_cells_);
  traits.can_share = true;
  return traits;
}

std::size_t SimKv::new_run() {
  if (free_runs_.empty()) {
    runs_.emplace_back();
    return runs_.size() - 1;
  }
  const std::size_t run = free_runs_.back();
  free_runs_.pop_back();
  return run;
}

void SimKv::set_hold(std::size_t at, SeqId seq, Pos n) {
  Run &run = runs_[at];
  const auto hold = std::ranges::find(run.holds, seq, &Hold::seq);
  if (hold == run.holds.end()) {
    run.holds.push_back({seq, n});
  } else if (n > 0) {
    hold->n = n;
  } else {
    *hold = run.holds.back();
    run.holds.pop_back();
  }
  Pos longest = 0;
  for (const Hold &one : run.holds) {
    longest = std::max(longest, one.n);
  }
  n_used_ += longest - run.n;
  run.n = longest;
  if (run.holds.empty()) {
    free_runs_.push_back(at);
  }
}

void SimKv::append(SeqId seq, Pos n) {
  Held &own = seqs_[static_cast<std::size_t>(seq)];
  // Beyond what another one has added to the same run, cells are new.
  if (own.parts.empty() || runs_[own.parts.back().run].n != own.parts.back().n) {
    own.parts.push_back({new_run(), 0});
  }
  Part &last = own.parts.back();
  last.n += n;
  own.length += n;
  set_hold(last.run, seq, last.n);
}

void SimKv::trim(SeqId seq, Pos n) {
  Held &own = seqs_[static_cast<std::size_t>(seq)];
  while (own.length > n) {
    Part &last = own.parts.back();
    const Pos n_gone = std::min(last.n, own.length - n);
    last.n -= n_gone;
    own.length -= n_gone;
    set_hold(last.run, seq, last.n);
    if (last.n == 0) {
      own.parts.pop_back();
    }
  }
}

void SimKv::share(SeqId from, SeqId to, Pos n) {
  Held &other = seqs_[static_cast<std::size_t>(to)];
  for (const Part &part : held(from).parts) {
    const Pos n_taken = std::min(part.n, n - other.length);
    if (n_taken == 0) {
      break;
    }
    other.parts.push_back({part.run, n_taken});
    other.length += n_taken;
    set_hold(part.run, to, n_taken);
  }
}

void SimKv::drop(SeqId /*seq*/, Pos /*begin*/, Pos /*end*/) { never("this memory cannot shift"); }

std::vector<std::uint8_t> SimKv::save(SeqId /*seq*/) { never("nothing is saved here"); }

bool SimKv::restore(SeqId /*seq*/, std::span<const std::uint8_t> /*state*/) {
  never("nothing is saved here");
}

SimRunner::SimRunner(SimKv &kv, SimClock &clock, RunnerLimits limits, StepPrice price)
    : kv_(kv), clock_(clock), limits_(limits), price_(price), logits_(kVocab) {}

DecodeStatus SimRunner::decode(const Batch &batch) {
  const std::int64_t begin_ns = cpu_ns();
  const DecodeStatus status = run(batch);
  spent_ns_ += cpu_ns() - begin_ns;
  return status;
}

DecodeStatus SimRunner::run(const Batch &batch) {
  if (!kv_.has_room(static_cast<std::int64_t>(batch.size()))) {
    ++n_no_cells_;
    return DecodeStatus::kNoCells;
  }
  double ms = price_.step;
  for (std::size_t begin = 0; begin < batch.size();) {
    const Row &first = batch[begin];
    if (first.pos[0] != kv_.length(first.seq)) {
      never("a row is not the next of its sequence");
    }
    std::size_t end = begin;
    while (end < batch.size() && batch[end].seq == first.seq) {
      ++end;
    }
    const auto n = static_cast<Pos>(end - begin);
    kv_.append(first.seq, n);
    ms += n * (n > 1 ? price_.prefill_row : price_.decode_row);
    ms += price_.cell * n * (first.pos[0] + n / 2.0);
    begin = end;
  }
  clock_.advance_ns(static_cast<std::int64_t>(ms * 1e6));
  return DecodeStatus::kOk;
}

std::unique_ptr<Models> make_models(const SimModelParams &params, SimClock &clock,
                                    SimHandles &handles) {
  auto models = std::make_unique<Models>();
  auto kv = std::make_unique<SimKv>(params.n_cells, params.n_slots);
  RunnerLimits limits;
  limits.n_ctx = params.n_ctx;
  limits.n_batch = params.n_batch;
  limits.n_vocab = kVocab;
  limits.n_embd = 1;
  limits.n_ubatch = params.n_ubatch;
  auto runner = std::make_unique<SimRunner>(*kv, clock, limits, params.price);
  handles = {kv.get(), runner.get()};
  models->info.generates = true;
  models->owner = std::make_unique<SimOwner>();
  models->vocab = std::make_unique<SimVocab>();
  models->encoder = std::make_unique<SimEncoder>();
  models->samplers = std::make_unique<SimSamplers>();
  models->kv = std::move(kv);
  models->runner = std::move(runner);
  return models;
}

} // namespace llamabox::sim
