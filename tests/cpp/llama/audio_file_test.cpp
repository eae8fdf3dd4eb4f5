#include "llama/audio_file.h"

#include "media_rig.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

std::string refusal(std::vector<std::uint8_t> bytes, std::int32_t n_seconds = 10) {
  return error_of([&] { read_audio(bytes, 16000, n_seconds); }).what();
}

} // namespace

TEST_CASE("a WAV file becomes mono samples of the wanted rate") {
  const auto same = read_audio(wav(440, 16000), 16000, 10);
  CHECK(same.size() == 16000);
  CHECK(*std::ranges::max_element(same) == doctest::Approx(20000 / 32768.0).epsilon(0.01));
  const auto slower = read_audio(wav(440, 44100, 44100), 16000, 10);
  CHECK(std::abs(static_cast<double>(slower.size()) - 16000) < 32);
}

TEST_CASE("a sound is no longer than it may be, whatever its header says") {
  CHECK(read_audio(wav(440, 16000), 16000, 1).size() == 16000);
  CHECK(contains(refusal(wav(440, 16001), 1), "longer than 1 seconds"));
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
