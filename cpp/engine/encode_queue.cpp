#include "engine/encode_queue.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace llamabox {
namespace {

// Tokens that a request of the next higher priority may have more than the others.
constexpr std::int64_t kPriorityTokens = 4096;

} // namespace

EncodeQueue::EncodeQueue(EncodeLimits limits) : limits_(limits) {}

void EncodeQueue::add(RequestId id, std::vector<std::int32_t> n_tokens, std::int32_t priority) {
  n_waiting_tokens_ += std::accumulate(n_tokens.begin(), n_tokens.end(), std::int64_t{0});
  Job job;
  job.id = id;
  job.n_tokens = std::move(n_tokens);
  job.served = served_ - priority * kPriorityTokens;
  jobs_.push_back(std::move(job));
}

std::optional<SeqId> EncodeQueue::remove(RequestId id) {
  const auto job = std::ranges::find(jobs_, id, &Job::id);
  if (job != jobs_.end()) {
    const auto from = job->n_tokens.begin() + static_cast<std::ptrdiff_t>(job->next);
    n_waiting_tokens_ -= std::accumulate(from, job->n_tokens.end(), std::int64_t{0});
    jobs_.erase(job);
  }
  if (!split_ || split_->done.job != id) {
    return std::nullopt;
  }
  const SeqId seq = split_->done.seq;
  split_.reset();
  return seq;
}

EncodeQueue::Job *EncodeQueue::next_job() {
  Job *best = nullptr;
  for (Job &job : jobs_) {
    const bool has_text = job.next < job.n_tokens.size() && !job.is_blocked;
    if (has_text && (best == nullptr || job.served < best->served)) {
      best = &job;
    }
  }
  return best;
}

std::vector<PackedPiece> EncodeQueue::pack(std::int32_t n_room) {
  std::vector<PackedPiece> pass;
  n_room = std::clamp(n_room, 1, limits_.n_batch);
  go_on(pass, n_room);
  const auto n_texts = static_cast<std::size_t>(limits_.n_texts);
  while (n_room > 0 && pass.size() < n_texts) {
    Job *job = next_job();
    if (job == nullptr) {
      break;
    }
    take(*job, pass, n_room);
  }
  std::erase_if(jobs_, [](const Job &job) { return job.next == job.n_tokens.size(); });
  for (Job &job : jobs_) {
    job.is_blocked = false;
  }
  return pass;
}

// Of the text that was cut, if any; half the pass is left to others.
void EncodeQueue::go_on(std::vector<PackedPiece> &pass, std::int32_t &n_room) {
  if (!split_) {
    return;
  }
  PackedPiece piece = split_->done;
  const std::int32_t n_share = jobs_.empty() ? n_room : (n_room + 1) / 2;
  piece.n_tokens = std::min(n_share, split_->n_tokens - piece.first);
  piece.is_last = piece.first + piece.n_tokens == split_->n_tokens;
  n_room -= piece.n_tokens;
  pass.push_back(piece);
  if (piece.is_last) {
    split_.reset();
  } else {
    split_->done.first += piece.n_tokens;
  }
}

void EncodeQueue::take(Job &job, std::vector<PackedPiece> &pass, std::int32_t &n_room) {
  const std::int32_t n_tokens = job.n_tokens[job.next];
  if (n_tokens > n_room && !pass.empty()) {
    job.is_blocked = true;
    return;
  }
  // A place nobody has: a text that goes on from the pass before keeps its own.
  const bool is_taken = !pass.empty() && pass.front().first > 0;
  const SeqId kept = is_taken ? pass.front().seq : -1;
  SeqId seq = static_cast<SeqId>(pass.size()) - (is_taken ? 1 : 0);
  seq += kept >= 0 && seq >= kept ? 1 : 0;

  PackedPiece piece{job.id, job.next, 0, n_tokens, seq, true};
  if (n_tokens > n_room && limits_.can_split) {
    piece.n_tokens = n_room;
    piece.is_last = false;
    split_ = Split{piece, n_tokens};
    split_->done.first = n_room;
  }
  n_room -= piece.n_tokens;
  served_ = std::max(served_, job.served); // who had a head start gives it to nobody
  job.served += n_tokens;
  n_waiting_tokens_ -= n_tokens;
  ++job.next;
  pass.push_back(piece);
}

} // namespace llamabox
