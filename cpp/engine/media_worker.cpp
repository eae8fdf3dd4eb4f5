#include "engine/media_worker.h"

#include "base/error.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

namespace llamabox {
namespace {

// A slice beside running streams: no shorter, for what starting one costs, and no longer, for
// what a stream would notice.
constexpr std::int64_t kMinSliceNs = 2'000'000;
constexpr std::int64_t kMaxSliceNs = 20'000'000;

// The same content among the spans that are done.
Embeddings find_in(std::span<const MediaSpan> done, std::uint64_t hash) {
  const auto same = std::ranges::find(done, hash, &MediaSpan::hash);
  return same == done.end() ? nullptr : same->embd;
}

} // namespace

bool needs_encoding(const Arrival &arrival) {
  const auto is_missing = [](const MediaSpan &span) { return span.chunk != nullptr; };
  return !arrival.error && arrival.prompt != nullptr &&
         std::ranges::any_of(arrival.prompt->media, is_missing);
}

MediaWorker::MediaWorker(MediaWorkerContext context)
    : context_(context), cache_(context.n_cached), slice_ns_(kMaxSliceNs),
      thread_([this] { run(); }) {}

MediaWorker::~MediaWorker() {
  {
    MutexLock lock(mutex_);
    closed_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void MediaWorker::put(Arrival arrival) {
  Job job;
  job.prompt = std::make_unique<Prompt>(*arrival.prompt);
  job.arrival = std::move(arrival);
  put_back(std::move(job));
}

void MediaWorker::put_back(Job job) {
  {
    MutexLock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void MediaWorker::run() {
  while (auto job = take_job()) {
    if (!is_over(*job)) {
      current_ = &*job;
      encode_next(*job);
      current_ = nullptr;
    }
    if (job->is_whole() || job->arrival.error || is_over(*job)) {
      hand_over(std::move(*job));
    } else {
      put_back(std::move(*job)); // behind the others
    }
  }
}

std::optional<MediaWorker::Job> MediaWorker::take_job() {
  MutexLock lock(mutex_);
  changed_.wait(mutex_, [this]() REQUIRES_LOCK(mutex_) { return closed_ || !jobs_.empty(); });
  if (closed_) {
    return std::nullopt;
  }
  std::optional<Job> job(std::move(jobs_.front()));
  jobs_.pop_front();
  return job;
}

void MediaWorker::encode_next(Job &job) {
  MediaSpan &span = job.prompt->media[job.n_done];
  Embeddings embd = cache_.find(span.hash);
  if (!embd) {
    embd = find_in(std::span(job.prompt->media).first(job.n_done), span.hash);
  }
  job.arrival.n_media_cached += embd ? 1 : 0;
  try {
    if (!embd) {
      const ComputeTurn turn(&context_.turns);
      std::vector<float> encoded = context_.encoder.encode(*span.chunk, *this);
      if (encoded.empty() || is_over(job)) {
        return;
      }
      embd = std::make_shared<const std::vector<float>>(std::move(encoded));
      ++job.arrival.n_media_encoded;
    }
  } catch (const Error &error) {
    job.arrival.error = error;
    return;
  } catch (const std::exception &error) {
    job.arrival.error = Error(ErrorCode::kInternal, error.what());
    return;
  }
  cache_.put(span.hash, embd);
  span.embd = std::move(embd);
  span.chunk = nullptr;
  ++job.n_done;
}

void MediaWorker::hand_over(Job job) {
  job.arrival.prompt = std::shared_ptr<const Prompt>(std::move(job.prompt));
  context_.arrivals.put(std::move(job.arrival));
}

// Whoever waits behind a long encoding and is not wanted any more.
void MediaWorker::hand_over_ended() {
  std::vector<Job> ended;
  {
    MutexLock lock(mutex_);
    for (auto it = jobs_.begin(); it != jobs_.end();) {
      if (is_over(*it)) {
        ended.push_back(std::move(*it));
        it = jobs_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (Job &job : ended) {
    hand_over(std::move(job));
  }
}

bool MediaWorker::is_over(const Job &job) const {
  return job.arrival.ticket.cancelled->load(std::memory_order_acquire) ||
         job.arrival.deadline_ns() <= context_.clock.now_ns();
}

bool MediaWorker::pass() {
  hand_over_ended();
  if (context_.turns.is_wanted()) {
    const std::int64_t begin_ns = context_.clock.now_ns();
    context_.turns.give();
    context_.turns.take();
    slice_ns_ = std::clamp(context_.clock.now_ns() - begin_ns, kMinSliceNs, kMaxSliceNs);
  }
  MutexLock lock(mutex_);
  return !closed_ && !is_over(*current_);
}

} // namespace llamabox
