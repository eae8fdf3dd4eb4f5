// Pictures and sounds in a conversation: what the shell hands over, what the prompt encoder
// prepares of it, and the projector that turns it into rows of embeddings.
// Thread rule: values; MediaEncoder::encode from one thread at a time, while it holds a compute
// turn. Guarantee: the rows of a chunk depend on nothing but the chunk.
// Covered by media_worker_test with FakeMediaEncoder, and by tests/cpp/llama/media_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llamabox {

enum class MediaKind : std::uint8_t { kImage, kAudio };

struct Media {
  MediaKind kind = MediaKind::kImage;
  std::int32_t width = 0; // of an image, in pixels
  std::int32_t height = 0;
  std::vector<std::uint8_t> bytes; // an image's pixels as RGB, or a sound's file as it came
  std::uint64_t hash = 0;          // of the content; nobody outside can make two that are equal
};

// Where a message's content has it.
struct MediaPlace {
  std::shared_ptr<const Media> media;
  std::size_t at = 0; // it stands before this byte of the content
  std::string path;   // the request's field, for errors
};

// A piece of media that is ready for the projector.
class MediaChunk {
public:
  virtual ~MediaChunk() = default;
};

// Asked between the slices of a long computation.
class SliceGate {
public:
  virtual ~SliceGate() = default;
  // Lets others have their turn. False: the result is not wanted any more.
  virtual bool pass() = 0;
  // How long a slice should take.
  virtual std::int64_t slice_ns() const = 0;
};

class MediaEncoder {
public:
  virtual ~MediaEncoder() = default;
  // The embeddings of the chunk, one row after another; empty when the gate closed meanwhile.
  // ERRORS: Error(kInternal).
  virtual std::vector<float> encode(const MediaChunk &chunk, SliceGate &gate) = 0;
};

} // namespace llamabox
