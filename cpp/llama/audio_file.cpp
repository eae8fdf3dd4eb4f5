#include "llama/audio_file.h"

#include "base/error.h"

// The implementation is compiled here with nothing but decoding, under names of this file only.
#define MINIAUDIO_IMPLEMENTATION
#define MA_API static
#define MA_NO_DEVICE_IO
#define MA_NO_ENCODING
#define MA_NO_ENGINE
#define MA_NO_GENERATION
#define MA_NO_NODE_GRAPH
#define MA_NO_RESOURCE_MANAGER
#define MA_NO_THREADING
#include "miniaudio/miniaudio.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

namespace llamabox {
namespace {

// Outside of these nothing that is heard is recorded.
constexpr ma_uint32 kMinRate = 1'000;
constexpr ma_uint32 kMaxRate = 192'000;
constexpr ma_uint32 kMaxChannels = 8;

// Half an hour of stereo at 48 kHz. A small file can stand for any number of samples, each of which
// is decoded.
constexpr ma_uint32 kMaxSamples = 172'800'000;

[[noreturn]] void refuse(const std::string &what) {
  throw Error(ErrorCode::kInvalidArgument, what);
}

bool has_at(std::span<const std::uint8_t> file, std::size_t at, const char *mark) {
  const std::size_t n = std::strlen(mark);
  return file.size() >= at + n && std::memcmp(file.data() + at, mark, n) == 0;
}

std::optional<ma_encoding_format> format_of(std::span<const std::uint8_t> file) {
  if (has_at(file, 0, "RIFF") && has_at(file, 8, "WAVE")) {
    return ma_encoding_format_wav;
  }
  if (has_at(file, 0, "fLaC")) {
    return ma_encoding_format_flac;
  }
  constexpr std::uint8_t kSync = 0xE0; // eleven set bits begin a frame
  const bool is_frame = file.size() >= 2 && file[0] == 0xFF && (file[1] & kSync) == kSync;
  return has_at(file, 0, "ID3") || is_frame ? std::optional(ma_encoding_format_mp3) : std::nullopt;
}

class Decoder {
public:
  Decoder(std::span<const std::uint8_t> file, ma_encoding_format format, ma_uint32 sample_rate) {
    ma_decoder_config config = ma_decoder_config_init(ma_format_f32, 1, sample_rate);
    config.encodingFormat = format;
    if (ma_decoder_init_memory(file.data(), file.size(), &config, &decoder_) != MA_SUCCESS) {
      refuse("the sound cannot be decoded");
    }
  }
  ~Decoder() { ma_decoder_uninit(&decoder_); }
  Decoder(const Decoder &) = delete;
  Decoder &operator=(const Decoder &) = delete;

  // How many seconds of a sound like this are taken.
  std::int32_t check() {
    ma_uint32 n_channels = 0;
    ma_uint32 rate = 0;
    const ma_result result =
        ma_data_source_get_data_format(decoder_.pBackend, nullptr, &n_channels, &rate, nullptr, 0);
    if (result != MA_SUCCESS || rate < kMinRate || rate > kMaxRate || n_channels == 0 ||
        n_channels > kMaxChannels) {
      refuse("the sound has " + std::to_string(n_channels) + " channels of " +
             std::to_string(rate) + " samples a second, which is not taken");
    }
    return static_cast<std::int32_t>(kMaxSamples / (rate * n_channels));
  }

  // Appends what comes next; false at the end.
  bool read(std::vector<float> &samples, std::size_t n) {
    const std::size_t n_before = samples.size();
    samples.resize(n_before + n);
    ma_uint64 n_read = 0;
    const ma_result result =
        ma_decoder_read_pcm_frames(&decoder_, samples.data() + n_before, n, &n_read);
    samples.resize(n_before + static_cast<std::size_t>(n_read));
    return result == MA_SUCCESS && n_read == n;
  }

private:
  ma_decoder decoder_{};
};

} // namespace

std::vector<float> read_audio(std::span<const std::uint8_t> file, std::int32_t sample_rate,
                              std::int32_t n_seconds_max) {
  const auto format = format_of(file);
  if (!format) {
    refuse("the sound is neither WAV, MP3 nor FLAC");
  }
  const auto n_second = static_cast<std::size_t>(sample_rate);
  Decoder decoder(file, *format, static_cast<ma_uint32>(sample_rate));
  n_seconds_max = std::min(n_seconds_max, decoder.check());
  const std::size_t n_max = n_second * static_cast<std::size_t>(n_seconds_max);
  std::vector<float> samples;
  while (decoder.read(samples, n_second)) {
    if (samples.size() > n_max) {
      break;
    }
  }
  if (samples.size() > n_max) {
    refuse("the sound is longer than the " + std::to_string(n_seconds_max) +
           " seconds that are taken");
  }
  // A few samples are no sound, and the projector's windows want more than one.
  if (samples.size() < n_second / 100) {
    refuse("the sound is empty");
  }
  return samples;
}

} // namespace llamabox
