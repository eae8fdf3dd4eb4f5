// The requests that ask for embeddings or scores: their queues, one pass in each step of the
// engine, and the results that passes add up to.
// Thread rule: engine thread. Guarantee: each request that was added is ended once, by run(), or by
// whoever calls remove(); a pass beside running streams takes about kBesideStreamsMs at most.
// Covered by encode_stage_test and scheduler_encode_test.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/event.h"
#include "engine/encode_queue.h"
#include "engine/pass_size.h"
#include "model/lora.h"
#include "model/text_encoder.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace llamabox {

// A request whose texts are tokens.
struct EncodeJob {
  RequestId id = 0;
  EncodeKind kind = EncodeKind::kEmbed;
  std::vector<std::vector<Token>> texts; // none is empty or too long
  std::int32_t n_dims = 0;               // numbers of a row that are kept; 0: all
  bool normalize = false;                // rows get the length 1
  std::int32_t priority = 0;             // as of its Request
  std::uint64_t n_made_bytes = 0;        // as of its Result
};

// What one pass did.
struct EncodePass {
  std::int32_t n_tokens = 0;
  std::int32_t n_texts = 0;     // that began
  double ms = 0;                // it took
  std::vector<RequestId> begun; // whose first text was in it
  struct Ended {
    RequestId id = 0;
    std::unique_ptr<Result> result; // null: `error` says why
    std::optional<Error> error;
  };
  std::vector<Ended> ended;
};

class EncodeStage {
public:
  // The encoder may be null: nothing is ever added then. REQUIRES: both outlive this.
  EncodeStage(TextEncoder *encoder, const Clock &clock);

  // ERRORS: Error(kQueueFull) when too many tokens wait.
  void add(EncodeJob job);
  void remove(RequestId id); // unknown ids are ignored
  bool empty() const { return works_.empty(); }

  // Runs one pass, if any text waits. The LoRAs are those that count by default.
  EncodePass run(bool beside_streams, std::span<const LoraScale> loras);

private:
  struct Work {
    EncodeJob job;
    std::unique_ptr<Result> result;
    std::vector<std::size_t> row_of; // first row of each text
    std::vector<float> joined;       // of the text that is read in several passes
    std::size_t n_texts_left = 0;
    bool begun = false;
  };
  static constexpr std::size_t kNKinds = 2;

  // Null where the encoder does not offer this kind.
  EncodeQueue *queue(EncodeKind kind) { return queues_[static_cast<std::size_t>(kind)].get(); }
  bool pick_kind();
  std::int32_t room(bool beside_streams) const;
  void use_loras(std::span<const LoraScale> loras);
  void take_output(const PackedPiece &piece, std::span<const float> output, EncodePass &pass);
  void end_failed(const std::vector<PackedPiece> &packed, EncodePass &pass);

  TextEncoder *encoder_;
  const Clock &clock_;
  std::array<std::unique_ptr<EncodeQueue>, kNKinds> queues_;
  std::array<EncodeLimits, kNKinds> limits_;
  std::array<std::optional<PassSize>, kNKinds> sizes_; // none: a pass takes what fits
  EncodeKind turn_ = EncodeKind::kRerank;              // kind of the last pass
  std::map<RequestId, Work> works_;
  LoraSet loras_;           // that the encoder has
  double ms_per_token_ = 0; // of recent passes; 0: not known
};

} // namespace llamabox
