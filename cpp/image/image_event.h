// What the image engine tells the shell about a request, and counts. Every accepted request gets a
// kDelta for each step, one kFinish per image, and exactly one kDone.
// Thread rule: values; made on the worker thread, read on the loop thread.
// Covered by image_engine_test and the boundary tests.
#pragma once

#include "base/error.h"
#include "base/event.h"
#include "base/types.h"
#include "image/image_params.h"

#include <cstdint>
#include <string>

namespace llamabox {

// Times in milliseconds.
struct ImageUsage {
  std::int32_t n_images = 0;
  std::int32_t n_steps = 0; // of all images
  double prepare_ms = 0;    // accepted until the first step of the first image
  double generation_ms = 0; // from the first step of each image to its end, added up
  double queue_ms = 0;      // accepted until its first turn
};

struct ImageEvent {
  RequestId request = 0;
  EventKind kind = EventKind::kDelta;
  std::int32_t index = 0;   // which image of the request
  std::int32_t step = 0;    // steps done
  std::int32_t n_steps = 0; // of this image in all
  SharedPixels pixels;      // kDelta: a preview where asked for; kFinish: the image
  FinishReason finish = FinishReason::kNone; // kDone only: kCancelled or kError, else kStop
  ImageUsage usage;                          // kDone only
  ErrorCode error = ErrorCode::kNone;        // kDone only; with message and param
  std::string message;
  std::string param;
};

struct ImageStats {
  // Now.
  std::int32_t n_slots = 0;
  std::int32_t n_slots_busy = 0; // requests that take turns
  std::int32_t n_waiting = 0;    // requests that wait for that
  bool healthy = true;

  // Since the start.
  std::uint64_t n_requests = 0;
  std::uint64_t n_images = 0;
  std::uint64_t n_forward = 0; // preparations: prompts and pictures encoded
  double forward_seconds = 0;
  std::uint64_t n_reverse = 0; // denoising steps
  double reverse_seconds = 0;  // these and the decoding of the image
};

} // namespace llamabox
