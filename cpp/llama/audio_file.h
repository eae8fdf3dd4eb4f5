// Reads a sound that a client sent: WAV, MP3 or FLAC to mono samples. Read in pieces, so that a
// file which claims hours is refused before they are in memory.
// Thread rule: pure function, any thread. ERRORS: Error(kInvalidArgument) says what is wrong.
// Covered by tests/cpp/llama/audio_file_test.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

std::vector<float> read_audio(std::span<const std::uint8_t> file, std::int32_t sample_rate,
                              std::int32_t n_seconds_max);

} // namespace llamabox
