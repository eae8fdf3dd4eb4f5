// A whole fake model: its next token is a fixed function of what its memory holds for the sequence.
// Tokens 0..255 are bytes, 256 ends the generation.
// Thread rule: as the interfaces it implements.
#pragma once

#include "engine/models.h"
#include "fake_clock.h"
#include "fake_kv.h"
#include "fake_media.h"
#include "fake_text_encoder.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace llamabox {

inline constexpr Token kFakeEnd = 256;
inline constexpr std::int32_t kFakeVocab = 260;

struct FakeModelParams {
  std::int32_t n_ctx = 256;
  std::int32_t n_cells = 256;
  std::int32_t n_batch = 64;
  std::int32_t n_ubatch = 0; // 0: as n_batch
  std::int32_t n_outputs = 1 << 30;
  std::int32_t n_slots = 4;
  std::int32_t n_spare_seqs = 4; // ids beside those of the slots, where memory shares
  std::int32_t end_one_in = 0;   // chance of the end token: one in this many; 0: never
  KvKind kind = KvKind::kUnified;
  std::int32_t n_window = 0;
  bool can_shift = true;       // where the kind of memory can
  std::int32_t step_us = 0;    // real time a decode takes, for boundary tests
  std::int32_t lost_after = 0; // decodes after which the device is lost; 0: never
  std::string fixed_text;      // generate this text over and over instead of hashing
  std::int32_t n_loras = 0;    // adapters that count at the start with their id plus one
  bool generates = true;
  bool drafts = false; // a draft model of the same parameters proposes tokens
  FakeTextParams texts;
  FakeMediaParams media;
};

// Decodes into a FakeKv; failures can be ordered ahead.
class FakeRunner final : public Runner {
public:
  FakeRunner(FakeKv &kv, FakeModelParams params) : kv_(kv), params_(std::move(params)) {}

  RunnerLimits limits() const override;
  void set_loras(std::span<const LoraScale> loras) override;
  DecodeStatus decode(const Batch &batch) override;
  std::span<const float> logits(std::int32_t row) override;

  std::deque<DecodeStatus> next_status; // returned, without effect, before decoding goes on
  FakeClock *clock = nullptr;           // advanced by each decode when set
  double ms_per_step = 1;
  double ms_per_row = 0.1;
  std::int32_t n_decodes = 0;
  std::vector<Batch> log; // of successful decodes, when keep_log
  bool keep_log = false;
  int n_switches = 0; // of the set of adapters

private:
  Token next_token(SeqId seq, Pos n) const;

  FakeKv &kv_;
  FakeModelParams params_;
  std::uint64_t salt_ = 0; // made of the adapters; goes into what memory holds
  Batch last_;
  std::vector<Pos> lengths_;               // of each row's sequence after the row
  std::vector<std::vector<float>> logits_; // by row; empty until asked for
};

// The parts of a fake model that tests want to reach after handing it to an engine.
struct FakeHandles {
  FakeKv *kv = nullptr;
  FakeRunner *runner = nullptr;
  FakeTextEncoder *texts = nullptr;
  FakeMediaEncoder *media = nullptr;
};

std::unique_ptr<Models> load_fake_models(const FakeModelParams &params,
                                         FakeHandles *handles = nullptr);

} // namespace llamabox
