#include "guard/gguf_projector.h"

#include "base/error.h"
#include "gguf_builder.h"

#include <doctest/doctest.h>

#include <string>

using namespace llamabox;
using namespace llamabox::testing;

namespace {

void add_encoder(GgufBuilder &file, const std::string &prefix) {
  file.set_u32(prefix + "embedding_length", 64).set_u32(prefix + "feed_forward_length", 128);
  file.set_u32(prefix + "block_count", 1).set_u32(prefix + "projection_dim", 96);
  file.set_u32(prefix + "attention.head_count", 4);
}

GgufBuilder tiny_projector() {
  GgufBuilder file;
  file.set_string("general.architecture", "clip").set_string("clip.projector_type", "mlp");
  file.set_bool("clip.has_vision_encoder", true);
  add_encoder(file, "clip.vision.");
  file.set_u32("clip.vision.image_size", 48).set_u32("clip.vision.patch_size", 8);
  const std::string three = u32(6) + u64(3) + std::string(12, '\0'); // of type f32
  file.set_raw("clip.vision.image_mean", 9, three).set_raw("clip.vision.image_std", 9, three);
  file.add_tensor("mm.0.bias", {96});
  return file;
}

std::string said_of(const GgufBuilder &file, ProjectorReport *report = nullptr) {
  const ScratchFolder folder;
  write_file(folder.file("mmproj.gguf"), file.bytes());
  try {
    const ProjectorReport found = check_projector(folder.file("mmproj.gguf"));
    if (report != nullptr) {
      *report = found;
    }
  } catch (const Error &error) {
    CHECK(error.code() == ErrorCode::kLoadFailed);
    return error.what();
  }
  return "accepted";
}

bool refused(const GgufBuilder &file, const std::string &why) {
  const std::string said = said_of(file);
  INFO(said);
  return said.find("mmproj.gguf") != std::string::npos && said.find(why) != std::string::npos;
}

} // namespace

TEST_CASE("a projector says what it takes") {
  ProjectorReport report;
  CHECK(said_of(tiny_projector(), &report) == "accepted");
  CHECK(report.sees_images);
  CHECK_FALSE(report.hears_audio);
  CHECK(report.n_fixed_rows == 1); // 48 pixels in patches of 8, 4 a side pooled
  GgufBuilder both = tiny_projector();
  both.set_bool("clip.has_audio_encoder", true).set_u32("clip.audio.num_mel_bins", 80);
  add_encoder(both, "clip.audio.");
  CHECK(said_of(both, &report) == "accepted");
  CHECK(report.hears_audio);
}

TEST_CASE("what is no projector is refused") {
  CHECK(refused(tiny_projector().set_string("general.architecture", "llama"), "no projector"));
  CHECK(refused(tiny_projector().set_bool("clip.has_vision_encoder", false), "neither a vision"));
  GgufBuilder empty = tiny_projector();
  empty.tensors.clear();
  CHECK(refused(empty, "no tensors"));
}

TEST_CASE("sizes that would be divided by or allocated from are refused by name") {
  const auto with = [](const std::string &key, std::uint32_t value) {
    return tiny_projector().set_u32("clip.vision." + key, value);
  };
  CHECK(refused(with("patch_size", 0), "vision.patch_size"));
  CHECK(refused(with("patch_size", 49), "vision.patch_size"));
  CHECK(refused(with("image_size", 1 << 20), "vision.image_size"));
  CHECK(refused(with("embedding_length", 0), "vision.embedding_length"));
  CHECK(refused(with("attention.head_count", 0), "vision.attention.head_count"));
  CHECK(refused(with("attention.head_count", 5), "does not divide"));
  CHECK(refused(with("block_count", 100'000), "vision.block_count"));
  CHECK(refused(with("projector.scale_factor", 0), "vision.projector.scale_factor"));
  CHECK(refused(with("preproc_max_tiles", 1).set_u32("clip.vision.preproc_min_tiles", 2),
                "preproc_max_tiles"));
  CHECK(refused(tiny_projector().erase("clip.vision.image_size"), "is missing"));
  CHECK(refused(tiny_projector().erase("clip.vision.image_mean"), "three numbers"));
  CHECK(refused(with("n_wa_pattern", 1).set_string("clip.projector_type", "qwen2.5vl_merger"),
                "n_wa_pattern"));
  const auto of_type = [](const std::string &type) {
    return tiny_projector().set_string("clip.projector_type", type);
  };
  CHECK(refused(of_type("qwen2.5o").set_u32("clip.vision.n_wa_pattern", 1), "n_wa_pattern"));
  CHECK(refused(
      tiny_projector().erase("clip.projector_type").set_string("clip.vision.projector_type", "ldp"),
      "24 patches a side"));
  CHECK(said_of(of_type("ldpv2").set_u32("clip.vision.patch_size", 2)) == "accepted");
  CHECK(refused(of_type("resampler"), "no multiple of 128"));
  CHECK(refused(of_type("resampler").set_u32("clip.minicpmv_version", 3), "not of type i32"));
  CHECK(said_of(of_type("resampler").set_u32("clip.vision.projection_dim", 128)) == "accepted");
}
