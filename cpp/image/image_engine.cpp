#include "image/image_engine.h"

#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace llamabox {
namespace {

constexpr double kNsPerSecond = 1e9;

void require_range(const char *name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value < low || value > high) {
    throw Error(ErrorCode::kInvalidArgument,
                std::string(name) + " is " + std::to_string(value) + "; it must be " +
                    std::to_string(low) + " to " + std::to_string(high),
                name);
  }
}

double seconds_between(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / kNsPerSecond;
}

} // namespace

class ImageEngine::Turn final : public ImageObserver {
public:
  Turn(ImageEngine &engine, ImageJob &job)
      : engine_(engine), job_(job), began_ns_(engine.clock_->now_ns()) {
    if (job.first_turn_ns < 0) {
      job.first_turn_ns = began_ns_;
      job.usage.queue_ms = ms_between(job.submitted_ns, began_ns_);
    }
  }

  bool cancelled() const override { return job_.cancelled() || engine_.arrivals_.closed(); }

  void began(std::int32_t n_steps) override {
    if (first_step_ns_ >= 0) {
      return;
    }
    first_step_ns_ = engine_.clock_->now_ns();
    n_steps_ = n_steps;
    if (job_.first_step_ns < 0) {
      job_.first_step_ns = first_step_ns_;
      job_.usage.prepare_ms = ms_between(job_.submitted_ns, first_step_ns_);
    }
  }

  void stepped(std::int32_t step, std::int32_t n_steps) override {
    began(n_steps);
    // Samplers that look at a step twice report it twice.
    if (step > step_) {
      job_.usage.n_steps += step - step_;
      step_ = step;
      ImageEvent event;
      event.request = job_.ticket.id;
      event.index = job_.n_done;
      event.step = step;
      event.n_steps = n_steps;
      event.pixels = std::exchange(preview_, nullptr);
      engine_.publish(std::move(event));
    }
    engine_.take_in();
    engine_.end_cancelled();
  }

  void previewed(Pixels pixels) override {
    preview_ = std::make_shared<const Pixels>(std::move(pixels));
  }

  std::int64_t began_ns() const { return began_ns_; }
  // When the steps began; the start of the turn when there was none.
  std::int64_t first_step_ns() const { return first_step_ns_ < 0 ? began_ns_ : first_step_ns_; }
  std::int32_t step() const { return step_; }
  std::int32_t n_steps() const { return n_steps_; }

private:
  ImageEngine &engine_;
  ImageJob &job_;
  std::int64_t began_ns_;
  std::int64_t first_step_ns_ = -1;
  std::int32_t step_ = 0;
  std::int32_t n_steps_ = 0;
  SharedPixels preview_;
};

ImageEngine::ImageEngine(std::unique_ptr<ImageModel> model, ImageEngineParams params,
                         std::unique_ptr<Clock> clock)
    : model_(std::move(model)), params_(params), clock_(std::move(clock)),
      registry_(params.n_queue), queue_(params.n_slots) {
  require_range("n_slots", params_.n_slots, 1, 240);
  require_range("n_queue", params_.n_queue, 1, 1 << 20);
  require_range("n_held_bytes", params_.n_held_bytes, 1, std::int64_t{1} << 40);
  stats_.n_slots = params_.n_slots;
}

ImageEngine::~ImageEngine() { stop(); }

void ImageEngine::start() {
  if (!running_.exchange(true)) {
    thread_ = std::thread([this] { run(); });
  }
}

void ImageEngine::stop() {
  if (!thread_.joinable()) {
    return;
  }
  arrivals_.close(); // first: once a request is refused for it, no image goes on
  running_ = false;
  registry_.close();
  thread_.join();
}

RequestId ImageEngine::submit(ImageRequest request) {
  model_->check(request);
  if (!running_) {
    throw Error(ErrorCode::kUnavailable, "the engine is not running");
  }
  const auto n_bytes = static_cast<std::int64_t>(request.held_bytes());
  if (n_held_bytes_ + n_bytes > params_.n_held_bytes) {
    throw Error(ErrorCode::kQueueFull, "the pictures of waiting requests fill the memory for them");
  }
  ImageJob job;
  job.ticket = registry_.accept();
  const RequestId id = job.ticket.id;
  if (id == 0 && (!running_ || arrivals_.closed())) {
    throw Error(ErrorCode::kUnavailable, "the engine is not running");
  }
  if (id == 0) {
    throw Error(ErrorCode::kQueueFull,
                "the queue is full: " + std::to_string(params_.n_queue) + " requests wait");
  }
  n_held_bytes_ += n_bytes;
  {
    MutexLock lock(mutex_);
    stats_.n_requests += 1;
  }
  job.request = std::move(request);
  job.submitted_ns = clock_->now_ns();
  arrivals_.put(std::move(job));
  return id;
}

void ImageEngine::cancel(RequestId id) {
  if (registry_.cancel(id)) {
    arrivals_.nudge();
  }
}

ImageStats ImageEngine::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

void ImageEngine::run() {
  while (!arrivals_.closed() && !lost_.has_value()) {
    if (queue_.empty()) {
      for (ImageJob &job : arrivals_.take_all(kNever)) {
        queue_.add(std::move(job));
      }
    }
    take_in();
    end_cancelled();
    std::unique_ptr<ImageJob> job = queue_.next();
    if (job != nullptr && !arrivals_.closed()) {
      registry_.admitted(job->ticket.id);
      make_image(std::move(job));
    } else if (job != nullptr) {
      queue_.put_back(std::move(job));
    }
  }
  take_in();
  end_rest(lost_.value_or(Error(ErrorCode::kUnavailable, "the server is stopping")));
}

void ImageEngine::end_rest(const Error &reason) {
  for (const ImageJob &job : queue_.take_all()) {
    end(job, &reason);
  }
  // What is left was accepted but did not arrive any more.
  for (const RequestId id : registry_.close()) {
    ImageJob job;
    job.ticket.id = id;
    end(job, &reason);
  }
}

void ImageEngine::take_in() {
  for (ImageJob &job : arrivals_.take_all(0)) {
    queue_.add(std::move(job));
  }
  note_load();
}

void ImageEngine::make_image(std::unique_ptr<ImageJob> job) {
  busy_ = true;
  note_load();
  Turn turn(*this, *job);
  std::optional<Pixels> made;
  std::optional<Error> failure;
  try {
    made = model_->generate(job->request, job->request.seed + job->n_done, turn);
  } catch (const Error &error) {
    failure = error;
  } catch (const std::bad_alloc &) {
    failure = Error(ErrorCode::kInternal, "there is not enough memory for this image");
  } catch (const std::exception &error) {
    failure = Error(ErrorCode::kInternal, std::string("the image failed: ") + error.what());
  }
  busy_ = false;
  if (made.has_value()) {
    finish_image(std::move(job), turn, std::move(*made));
  } else if (failure.has_value()) {
    if (failure->code() == ErrorCode::kDeviceLost) {
      lose(*failure);
    }
    end(*job, &*failure);
  } else if (job->cancelled()) {
    end(*job, nullptr);
  } else {
    const Error reason(ErrorCode::kUnavailable, "the server is stopping");
    end(*job, &reason);
  }
}

// Before the first event that says so is out, nobody may read that all is well.
void ImageEngine::lose(const Error &reason) {
  lost_ = reason;
  running_ = false;
  MutexLock lock(mutex_);
  stats_.healthy = false;
}

void ImageEngine::finish_image(std::unique_ptr<ImageJob> job, const Turn &turn, Pixels pixels) {
  const std::int64_t now = clock_->now_ns();
  job->usage.n_images += 1;
  job->usage.generation_ms += ms_between(turn.first_step_ns(), now);
  {
    MutexLock lock(mutex_);
    stats_.n_images += 1;
    stats_.n_forward += 1;
    stats_.forward_seconds += seconds_between(turn.began_ns(), turn.first_step_ns());
    stats_.n_reverse += static_cast<std::uint64_t>(turn.step());
    stats_.reverse_seconds += seconds_between(turn.first_step_ns(), now);
  }
  ImageEvent event;
  event.request = job->ticket.id;
  event.kind = EventKind::kFinish;
  event.index = job->n_done;
  event.step = turn.n_steps();
  event.n_steps = turn.n_steps();
  event.pixels = std::make_shared<const Pixels>(std::move(pixels));
  publish(std::move(event));
  job->n_done += 1;
  if (job->n_done == job->request.n) {
    end(*job, nullptr);
  } else {
    queue_.put_back(std::move(job));
  }
}

void ImageEngine::end(const ImageJob &job, const Error *error) {
  ImageEvent event;
  event.request = job.ticket.id;
  event.kind = EventKind::kDone;
  event.usage = job.usage;
  event.finish = FinishReason::kStop;
  if (error != nullptr) {
    event.finish = FinishReason::kError;
    event.error = error->code();
    event.message = error->what();
    event.param = error->param();
  } else if (job.n_done < job.request.n) {
    event.finish = FinishReason::kCancelled;
  }
  n_held_bytes_ -= static_cast<std::int64_t>(job.request.held_bytes());
  registry_.ended(job.ticket.id);
  note_load();
  publish(std::move(event));
}

void ImageEngine::end_cancelled() {
  for (const ImageJob &job : queue_.take_cancelled()) {
    end(job, nullptr);
  }
}

void ImageEngine::publish(ImageEvent event) {
  std::vector<ImageEvent> events;
  events.push_back(std::move(event));
  channel_.push_batch(events);
}

void ImageEngine::note_load() {
  MutexLock lock(mutex_);
  stats_.n_slots_busy = queue_.n_active() + (busy_ ? 1 : 0);
  stats_.n_waiting = queue_.n_waiting();
}

} // namespace llamabox
