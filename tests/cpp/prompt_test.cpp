#include "model/prompt.h"

#include <doctest/doctest.h>

using namespace llamabox;

namespace {

Prompt with_image(bool can_split) {
  Prompt prompt;
  prompt.tokens = {1, 2, kNoToken, kNoToken, kNoToken, kNoToken, 3, 4};
  MediaSpan span;
  span.start = 2;
  span.n_rows = 4;
  span.n_pos = 2;
  span.hash = 77;
  span.can_split = can_split;
  span.positions = {{0, 0, 0, 0}, {0, 0, 1, 0}, {0, 1, 0, 0}, {0, 1, 1, 0}};
  prompt.media = {span};
  return prompt;
}

} // namespace

TEST_CASE("positions go on after a span by the positions it takes, not its rows") {
  const Prompt prompt = with_image(true);
  CHECK(prompt.positions_of(1) == Positions{1, 1, 1, 1});
  CHECK(prompt.positions_of(3) == Positions{2, 2, 3, 2});
  CHECK(prompt.positions_of(5) == Positions{2, 3, 3, 2});
  CHECK(prompt.positions_of(6) == Positions{4, 4, 4, 4});
  CHECK(prompt.positions_of(9) == Positions{7, 7, 7, 7}); // generated tokens
}

TEST_CASE("a chunk cuts a span only where it may be cut") {
  CHECK(with_image(true).chunk_end(0, 4) == 4);
  CHECK(with_image(false).chunk_end(0, 4) == 2);
  CHECK(with_image(false).chunk_end(0, 6) == 6);
  CHECK(with_image(false).chunk_end(2, 3) == 2);
  CHECK(with_image(false).chunk_end(2, 4) == 6);
}

TEST_CASE("media keys depend on content and row, and are no tokens") {
  Prompt one = with_image(true);
  Prompt other = with_image(true);
  other.media[0].hash = 78;
  const auto keys = one.prefix_keys();
  CHECK(keys[0] == 1);
  CHECK(keys[2] < -1);
  CHECK(keys[2] != keys[3]);
  CHECK(keys[2] != other.prefix_keys()[2]);
  CHECK(keys == with_image(false).prefix_keys());
}

TEST_CASE("a span that wants to be alone shares no chunk") {
  Prompt prompt = with_image(true);
  prompt.media[0].alone = true;
  CHECK(prompt.chunk_end(0, 8) == 2);
  CHECK(prompt.chunk_end(2, 8) == 6);
  CHECK(prompt.chunk_end(2, 3) == 5);
  CHECK(prompt.chunk_end(5, 3) == 6);
  CHECK(prompt.chunk_end(6, 2) == 8);
  prompt.media[0].can_split = false;
  CHECK(prompt.chunk_end(0, 8) == 2);
  CHECK(prompt.chunk_end(2, 8) == 6);
  CHECK(prompt.chunk_end(2, 3) == 2);
}

TEST_CASE("a prefix ends before a span that must not be split") {
  CHECK(with_image(true).prefix_end(4) == 4);
  CHECK(with_image(false).prefix_end(4) == 2);
  CHECK(with_image(false).prefix_end(6) == 6);
  CHECK(with_image(false).prefix_end(1) == 1);
}

TEST_CASE("rows of media are counted by kind") {
  Prompt prompt = with_image(true);
  CHECK(prompt.n_media_rows(MediaKind::kImage) == 4);
  CHECK(prompt.n_media_rows(MediaKind::kAudio) == 0);
}
