// The image engine as the shell sees it: one worker thread makes one image at a time of a model,
// for requests that take turns; submit, cancel, drain and wake-up are those of the text engine.
// Thread rule: every method from any thread; start and stop once each, from one thread.
// Guarantee: each accepted request ends in exactly one kDone event; a cancelled one ends within one
// step of whatever is being made; an image that fails ends its own request only, and a device that
// is lost (kDeviceLost) ends all.
// Covered by image_engine_test.
#pragma once

#include "base/clock.h"
#include "base/event_channel.h"
#include "base/inbox.h"
#include "base/request_registry.h"
#include "image/image_event.h"
#include "image/image_model.h"
#include "image/image_queue.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace llamabox {

class ImageEngine {
public:
  // ERRORS: Error(kInvalidArgument) for params out of range.
  ImageEngine(std::unique_ptr<ImageModel> model, ImageEngineParams params,
              std::unique_ptr<Clock> clock = std::make_unique<SteadyClock>());
  ~ImageEngine(); // stops
  ImageEngine(const ImageEngine &) = delete;
  ImageEngine &operator=(const ImageEngine &) = delete;

  void start();
  void stop(); // ends every request with kUnavailable; returns when the thread has ended

  int wake_fd() const { return channel_.fd(); }

  // ERRORS: Error(kInvalidArgument, kUnsupported) for what the model cannot do, Error(kQueueFull),
  // Error(kUnavailable) when not running, also after a device was lost.
  RequestId submit(ImageRequest request);
  // Never blocks; an unknown or ended id is ignored.
  void cancel(RequestId id);
  std::vector<ImageEvent> drain() { return channel_.drain(); }
  // At least as new as the events that drain() has returned.
  ImageStats stats() const;
  const ImageModelInfo &info() const { return model_->info(); }

private:
  class Turn; // one image, as the model reports it

  void run();
  void take_in();
  void make_image(std::unique_ptr<ImageJob> job);
  void finish_image(std::unique_ptr<ImageJob> job, const Turn &turn, Pixels pixels);
  void end(const ImageJob &job, const Error *error);
  void end_cancelled();
  void end_rest(const Error &reason);
  void lose(const Error &reason);
  void publish(ImageEvent event);
  void note_load();

  std::unique_ptr<ImageModel> model_;
  ImageEngineParams params_;
  std::unique_ptr<Clock> clock_;
  Channel<ImageEvent> channel_;
  RequestRegistry registry_;
  Inbox<ImageJob> arrivals_;
  ImageQueue queue_;          // worker thread
  bool busy_ = false;         // worker thread: an image is being made
  std::optional<Error> lost_; // worker thread: the device that nothing can be made without
  std::thread thread_;
  std::atomic<bool> running_{false};
  std::atomic<std::int64_t> n_held_bytes_{0};

  mutable Mutex mutex_;
  ImageStats stats_ GUARDED_BY(mutex_);
};

} // namespace llamabox
