#include "llama/audio_file.h"

#include "media_rig.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

std::string refusal(std::vector<std::uint8_t> bytes, std::int32_t n_seconds = 10) {
  return error_of([&] { read_audio(bytes, 16000, n_seconds); }).what();
}

// Remainder of a division by a polynomial, highest bit first.
template <class Value> Value crc(const std::vector<std::uint8_t> &bytes, Value polynomial) {
  constexpr int kTop = 8 * sizeof(Value) - 1;
  Value rest = 0;
  for (const std::uint8_t byte : bytes) {
    rest = static_cast<Value>(rest ^ (Value{byte} << (kTop - 7)));
    for (int bit = 0; bit < 8; ++bit) {
      const bool is_set = ((rest >> kTop) & 1U) != 0;
      rest = static_cast<Value>((rest << 1U) ^ (is_set ? polynomial : 0));
    }
  }
  return rest;
}

void add_high_first(std::vector<std::uint8_t> &bytes, std::uint64_t value, int n_bytes) {
  for (int i = n_bytes - 1; i >= 0; --i) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
}

struct FlacShape {
  std::uint32_t rate = 16000;
  std::uint32_t n_channels = 1;
  std::uint32_t n_frames = 4; // fewer than 128
  std::uint32_t n_block = 4000;
};

// A FLAC file whose samples are all the same: a few bytes a block.
std::vector<std::uint8_t> flac(std::int16_t value, const FlacShape &shape) {
  std::vector<std::uint8_t> file{'f', 'L', 'a', 'C', 0x80, 0, 0, 34};
  add_high_first(file, shape.n_block, 2);
  add_high_first(file, shape.n_block, 2);
  add_high_first(file, 0, 6); // sizes of frames, unknown
  add_high_first(file,
                 (std::uint64_t{shape.rate} << 44U) | (std::uint64_t{shape.n_channels - 1} << 41U) |
                     (std::uint64_t{15} << 36U),
                 8);              // so many samples: unknown
  file.insert(file.end(), 16, 0); // a digest, unknown
  for (std::uint32_t number = 0; number < shape.n_frames; ++number) {
    std::vector<std::uint8_t> frame{0xFF, 0xF8, 0x70};
    frame.push_back(static_cast<std::uint8_t>(((shape.n_channels - 1) << 4U) | 8U));
    frame.push_back(static_cast<std::uint8_t>(number));
    add_high_first(frame, shape.n_block - 1, 2);
    frame.push_back(crc<std::uint8_t>(frame, 0x07));
    for (std::uint32_t channel = 0; channel < shape.n_channels; ++channel) {
      frame.push_back(0); // constant
      add_high_first(frame, static_cast<std::uint16_t>(value), 2);
    }
    add_high_first(frame, crc<std::uint16_t>(frame, 0x8005), 2);
    file.insert(file.end(), frame.begin(), frame.end());
  }
  return file;
}

} // namespace

TEST_CASE("a FLAC file becomes mono samples") {
  const auto samples = read_audio(flac(8192, {}), 16000, 10);
  CHECK(samples.size() == 16000);
  CHECK(std::ranges::all_of(samples, [](float sample) { return sample == 0.25F; }));
  const auto stereo = read_audio(flac(-8192, {.n_channels = 2}), 16000, 10);
  CHECK(stereo.size() == 16000);
  CHECK(stereo[8000] == -0.25F);
}

TEST_CASE("an MP3 file becomes mono samples of the wanted rate") {
  std::ifstream file(LLAMABOX_MP3, std::ios::binary);
  const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(bytes.size() > 1000);
  const auto samples = read_audio(bytes, 16000, 60);
  CHECK(samples.size() > 16000);
  CHECK(*std::ranges::max_element(samples) > 0.05F);
}

TEST_CASE("a few bytes that stand for far too many samples are refused unread") {
  // Ten seconds, within what may be heard, but 52 million samples.
  const FlacShape wide{.rate = 655'350, .n_channels = 8, .n_frames = 100, .n_block = 65'535};
  const std::string refused = refusal(flac(0, wide), 1800);
  INFO(refused);
  CHECK((contains(refused, "not taken") || contains(refused, "cannot be decoded")));
  const FlacShape dense{.rate = 192'000, .n_channels = 8, .n_frames = 127, .n_block = 65'535};
  CHECK(refusal(flac(0, dense), 1800) == "no error");
  std::vector<std::uint8_t> much = flac(0, dense);
  const std::vector<std::uint8_t> frames(much.begin() + 42, much.end());
  for (int i = 0; i < 2; ++i) {
    much.insert(much.end(), frames.begin(), frames.end());
  }
  CHECK(contains(refusal(much, 1800), "longer than the 112 seconds"));
}

TEST_CASE("a WAV file becomes mono samples of the wanted rate") {
  const auto same = read_audio(wav(440, 16000), 16000, 10);
  CHECK(same.size() == 16000);
  CHECK(*std::ranges::max_element(same) == doctest::Approx(20000 / 32768.0).epsilon(0.01));
  const auto slower = read_audio(wav(440, 44100, 44100), 16000, 10);
  CHECK(std::abs(static_cast<double>(slower.size()) - 16000) < 32);
}

TEST_CASE("a sound is no longer than it may be, whatever its header says") {
  CHECK(read_audio(wav(440, 16000), 16000, 1).size() == 16000);
  CHECK(contains(refusal(wav(440, 16001), 1), "longer than the 1 seconds"));
  std::vector<std::uint8_t> liar = wav(440, 16000);
  std::fill_n(liar.begin() + 40, 4, 0xFF); // the length of its data
  CHECK(read_audio(liar, 16000, 1).size() == 16000);
}

TEST_CASE("what is no sound is refused") {
  CHECK(contains(refusal({}), "neither WAV"));
  CHECK(contains(refusal({'O', 'g', 'g', 'S', 0, 0, 0, 0, 0, 0, 0, 0}), "neither WAV"));
  CHECK(contains(refusal(std::vector<std::uint8_t>(64, 0xFF)), "cannot be decoded"));
  CHECK(contains(refusal({'f', 'L', 'a', 'C', 1, 2, 3, 4, 5, 6, 7, 8}), "cannot be decoded"));
  CHECK(contains(refusal(wav(440, 10)), "empty"));
  const std::string fast = refusal(wav(440, 160'000, 900'000)); // samples a second
  INFO(fast);
  CHECK((contains(fast, "not taken") || contains(fast, "cannot be decoded")));
  for (std::size_t n = 1; n < 60; ++n) {
    std::vector<std::uint8_t> cut = wav(440, 100);
    cut.resize(n);
    CHECK_FALSE(refusal(cut).empty());
  }
}
