// The texts that wait to be encoded, and which of them the next pass takes: filled by token count
// over many requests, the request that has had the fewest tokens first.
// Thread rule: engine thread. Guarantee: a request waits for no more than its share, however many
// texts another one has; a text is cut only when a whole pass is too small for it, and at most one
// is cut at a time.
// Covered by encode_queue_test.
#pragma once

#include "base/types.h"
#include "model/text_encoder.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace llamabox {

// Consecutive tokens of one text of a job.
struct PackedPiece {
  RequestId job = 0;
  std::size_t text = 0;
  Pos first = 0;
  std::int32_t n_tokens = 0;
  SeqId seq = 0;
  bool is_last = false; // of its text
};

class EncodeQueue {
public:
  explicit EncodeQueue(EncodeLimits limits);

  // `n_tokens` of each text; none is 0 or above the limits' n_ctx. REQUIRES: the id is new.
  // A higher priority has a bounded head start.
  void add(RequestId id, std::vector<std::int32_t> n_tokens, std::int32_t priority = 0);

  // Unknown ids are ignored. The place of its text that has been read in part, if there is one.
  std::optional<SeqId> remove(RequestId id);

  // The next pass: about `n_room` tokens, fewer than the limits' n_batch beside running streams.
  // Its texts count as taken. Empty only when the queue is.
  std::vector<PackedPiece> pack(std::int32_t n_room);

  // The pass failed: nothing that was read in part can go on.
  void drop_split() { split_.reset(); }

  bool empty() const { return jobs_.empty() && !split_; }
  std::int64_t n_waiting_tokens() const { return n_waiting_tokens_; }

private:
  struct Job {
    RequestId id = 0;
    std::vector<std::int32_t> n_tokens;
    std::size_t next = 0;    // text
    std::int64_t served = 0; // tokens taken, from where the others stood when it came
    bool is_blocked = false; // in this pass: its next text does not fit any more
  };
  struct Split {
    PackedPiece done; // first: tokens taken so far
    std::int32_t n_tokens = 0;
  };

  Job *next_job();
  void go_on(std::vector<PackedPiece> &pass, std::int32_t &n_room);
  void take(Job &job, std::vector<PackedPiece> &pass, std::int32_t &n_room);

  const EncodeLimits limits_;
  std::deque<Job> jobs_;       // that have texts left, in the order they came
  std::optional<Split> split_; // the text that was cut, if any
  std::int64_t served_ = 0;    // of the job that was last taken from
  std::int64_t n_waiting_tokens_ = 0;
};

} // namespace llamabox
