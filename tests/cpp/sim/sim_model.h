// A model without numbers: memory that only counts cells, steps that take the time a formula says,
// answers of one token over and over. Everything the scheduler touches stays real, and a run of
// 100,000 requests takes seconds.
// Thread rule: one thread. Guarantee: a row that is not the next of its sequence throws.
// Covered by the short run of the simulator in ctest.
#pragma once

#include "base/clock.h"
#include "engine/models.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace llamabox::sim {

inline constexpr Token kAnswer = 7;
inline constexpr std::int32_t kVocab = 16;

class SimClock final : public Clock {
public:
  std::int64_t now_ns() const override { return now_ns_; }
  void advance_ns(std::int64_t ns) { now_ns_ += ns; }

private:
  std::int64_t now_ns_ = 1;
};

// What a step costs, in ms.
struct StepPrice {
  double step = 6;
  double decode_row = 0.03;
  double prefill_row = 0.05;
  double cell = 2e-6; // that a row looks back at
};

// Unified memory in which prefixes are shared: runs of cells, each held by some sequences up to
// some length.
class SimKv final : public KvMemory {
public:
  SimKv(std::int32_t n_cells, std::int32_t n_seqs)
      : n_cells_(n_cells), seqs_(static_cast<std::size_t>(n_seqs)) {}

  KvTraits traits() const override;
  Pos length(SeqId seq) const override { return held(seq).length; }
  Pos usable_prefix(SeqId /*seq*/, Pos n) const override { return n; }
  void trim(SeqId seq, Pos n) override;
  void share(SeqId from, SeqId to, Pos n) override;
  void drop(SeqId seq, Pos begin, Pos end) override;
  std::vector<std::uint8_t> save(SeqId seq) override;
  bool restore(SeqId seq, std::span<const std::uint8_t> state) override;

  void append(SeqId seq, Pos n);
  bool has_room(std::int64_t n) const { return n_used_ + n <= n_cells_; }
  std::int32_t n_used() const { return static_cast<std::int32_t>(n_used_); }

private:
  struct Hold {
    SeqId seq = 0;
    Pos n = 0;
  };
  struct Run {
    std::vector<Hold> holds;
    Pos n = 0; // cells: the longest hold
  };
  struct Part {
    std::size_t run = 0;
    Pos n = 0;
  };
  struct Held {
    std::vector<Part> parts;
    Pos length = 0;
  };

  const Held &held(SeqId seq) const { return seqs_[static_cast<std::size_t>(seq)]; }
  std::size_t new_run();
  void set_hold(std::size_t run, SeqId seq, Pos n); // 0: none

  std::int64_t n_cells_;
  std::int64_t n_used_ = 0;
  std::vector<Held> seqs_;
  std::vector<Run> runs_;
  std::vector<std::size_t> free_runs_;
};

class SimRunner final : public Runner {
public:
  SimRunner(SimKv &kv, SimClock &clock, RunnerLimits limits, StepPrice price);

  RunnerLimits limits() const override { return limits_; }
  void set_loras(std::span<const LoraScale> /*loras*/) override {}
  DecodeStatus decode(const Batch &batch) override;
  std::span<const float> logits(std::int32_t /*row*/) override { return logits_; }

  std::int64_t spent_ns() const { return spent_ns_; } // of real time, which is none of the engine's
  std::uint64_t n_no_cells() const { return n_no_cells_; }

private:
  DecodeStatus run(const Batch &batch);

  SimKv &kv_;
  SimClock &clock_;
  RunnerLimits limits_;
  StepPrice price_;
  std::vector<float> logits_;
  std::int64_t spent_ns_ = 0;
  std::uint64_t n_no_cells_ = 0;
};

struct SimHandles {
  SimKv *kv = nullptr;
  SimRunner *runner = nullptr;
};

struct SimModelParams {
  std::int32_t n_slots = 256;
  std::int32_t n_cells = 1 << 20;
  std::int32_t n_ctx = 32768;
  std::int32_t n_batch = 2048;
  std::int32_t n_ubatch = 512;
  StepPrice price;
};

std::unique_ptr<Models> make_models(const SimModelParams &params, SimClock &clock,
                                    SimHandles &handles);

} // namespace llamabox::sim
