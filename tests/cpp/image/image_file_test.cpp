// The files of image models: their headers, the family, and which parts are missing.
#include "guard/image_file.h"

#include "base/error.h"
#include "guard/image_family.h"
#include "image/sd_files.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

using namespace llamabox;

namespace {

// A file that is gone at the end of the test.
class File {
public:
  explicit File(const std::string &bytes) {
    static int n = 0;
    path_ = (std::filesystem::temp_directory_path() /
             ("image_file_test_" + std::to_string(getpid()) + "_" + std::to_string(n++)))
                .string();
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~File() { std::remove(path_.c_str()); }
  File(const File &) = delete;
  File &operator=(const File &) = delete;
  const std::string &path() const { return path_; }

private:
  std::string path_;
};

std::string safetensors(const std::string &header, std::size_t n_data) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>((header.size() >> (8 * i)) & 255U);
  }
  return bytes + header + std::string(n_data, '\0');
}

// Tensors of one number each.
std::string model(const std::vector<std::string> &names) {
  std::string header = "{";
  for (std::size_t i = 0; i < names.size(); ++i) {
    header += (i == 0 ? "\"" : ",\"") + names[i] +
              R"(":{"dtype":"F32","shape":[1],"data_offsets":[)" + std::to_string(4 * i) + "," +
              std::to_string(4 * i + 4) + "]}";
  }
  return safetensors(header + "}", 4 * names.size());
}

std::string refusal(const std::string &bytes) {
  const File file(bytes);
  try {
    read_image_file(file.path());
  } catch (const Error &error) {
    CHECK(error.code() == ErrorCode::kLoadFailed);
    return error.what();
  }
  return "";
}

bool refused_with(const std::string &bytes, const std::string &words) {
  const std::string said = refusal(bytes);
  INFO(said);
  return said.find(words) != std::string::npos;
}

ImageTensor tensor(const std::string &name, std::uint64_t d0 = 1, std::uint64_t d2 = 1) {
  return {name, {d0, 1, d2, 1}};
}

std::string family_of(const std::vector<ImageTensor> &tensors) {
  return std::string(image_family("f", tensors).name);
}

} // namespace

TEST_CASE("names and shapes of safetensors") {
  const File file(safetensors(R"({"__metadata__":{"a":"b","c":"d"},
    "x.weight": {"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},
    "y":{"data_offsets":[12,16],"shape":[],"dtype":"F32"}})",
                              16));
  const ImageFile read = read_image_file(file.path());
  REQUIRE(read.tensors.size() == 2);
  CHECK(read.tensors[0].name == "x.weight");
  CHECK(read.tensors[0].dims[0] == 3);
  CHECK(read.tensors[0].dims[1] == 2);
  CHECK(read.tensors[1].dims[0] == 1);
}

TEST_CASE("a header that is not one is refused with a sentence") {
  const auto one = [](const std::string &entry) {
    return safetensors("{\"x\":" + entry + "}", 16);
  };
  CHECK(refused_with("", "truncated"));
  CHECK(refused_with("PK\x03\x04 rest of an archive", "PyTorch"));
  CHECK(refused_with(std::string("\x80\x02", 2) + "pickled", "PyTorch"));
  CHECK(refused_with(std::string(8, '\xff'), "neither GGUF nor safetensors"));
  CHECK(refused_with(safetensors("[]", 0), "neither GGUF nor safetensors"));
  CHECK(refused_with(safetensors("{}", 0), "holds no tensors"));
  CHECK(refused_with(safetensors("{\"x\"", 0), "no ':'"));
  CHECK(refused_with(safetensors("{\"x", 0), "no '\"'"));
  CHECK(refused_with(one("1"), "no '{'"));
  CHECK(refused_with(one("{}"), "does not say type"));
  CHECK(refused_with(one(R"({"dtype":"F32","shape":[4],"data_offsets":[0]})"), "does not say"));
  CHECK(refused_with(one(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16],"q":1})"), "'q'"));
  CHECK(refused_with(one(R"({"dtype":"Q4","shape":[4],"data_offsets":[0,16]})"), "'Q4'"));
  CHECK(refused_with(one(R"({"dtype":"F32","shape":[5],"data_offsets":[0,16]})"), "places"));
  CHECK(refused_with(one(R"({"dtype":"F32","shape":[8],"data_offsets":[0,32]})"), "places"));
  CHECK(refused_with(one(R"({"dtype":"F32","shape":[4],"data_offsets":[16,0]})"), "places"));
  CHECK(refused_with(one(R"({"dtype":"F32","shape":[0],"data_offsets":[0,0]})"), "shape"));
  CHECK(refused_with(one(R"({"dtype":"F32","shape":[-4],"data_offsets":[0,16]})"),
                     "no whole number"));
  CHECK(refused_with(one(R"({"dtype":"F32","shape":[1,1,1,1,1,4],"data_offsets":[0,16]})"),
                     "more than 5"));
  CHECK(refused_with(
      one(R"({"dtype":"F64","shape":[99999999999,99999999999],"data_offsets":[0,16]})"), "shape"));
  CHECK(refused_with(one(R"({"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,1]})"),
                     "no file can have"));
  const std::string entry = R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})";
  CHECK(refused_with(safetensors("{\"x\":" + entry + ",\"x\":" + entry + "}", 16), "twice"));
  CHECK(refused_with(safetensors("{\"x\":" + entry + "} x", 16), "goes on"));
  CHECK(
      refused_with(safetensors("{\"" + std::string(256, 'n') + "\":" + entry + "}", 16), "longer"));
}

TEST_CASE("a cut or changed file never does worse than to be refused") {
  const std::string whole = model({"a.weight", "b.weight", "c.weight"});
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CHECK(!refusal(whole.substr(0, n)).empty());
  }
  for (std::size_t at = 0; at < whole.size() - 12; ++at) {
    for (const char c : {'\0', '"', '{', '}', '[', '9', '\xff'}) {
      std::string changed = whole;
      changed[at] = c;
      refusal(changed);
    }
  }
}

TEST_CASE("families by their tensors") {
  const std::string d = "model.diffusion_model.";
  const std::string clip =
      "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";
  CHECK(family_of({tensor(d + "joint_blocks.0.x")}) == "sd3");
  CHECK(family_of({tensor(d + "double_blocks.0.img_mlp.gate_proj.weight")}) == "ovis-image");
  CHECK(family_of({tensor(d + "double_blocks.0.x"), tensor(d + "img_in.weight", 64)}) == "flux");
  CHECK(family_of({tensor(d + "double_blocks.0.x"), tensor(d + "img_in.weight", 384)}) ==
        "flux-fill");
  CHECK(family_of({tensor(d + "cap_embedder.0.weight")}) == "z-image");
  const auto unet = [&](std::uint64_t n_channels, const ImageTensor &encoder) {
    return family_of({tensor(d + "input_blocks.0.0.weight", 3, n_channels), encoder});
  };
  CHECK(unet(4, tensor(clip, 768)) == "sd1");
  CHECK(unet(9, tensor(clip, 768)) == "sd1-inpaint");
  CHECK(unet(8, tensor(clip, 768)) == "sd1-pix2pix");
  CHECK(unet(4, tensor(clip, 1024)) == "sd2");
  CHECK(unet(9, tensor(clip, 1024)) == "sd2-inpaint");
  CHECK(unet(4, tensor("conditioner.embedders.1.model.x")) == "sdxl");
  CHECK(unet(9, tensor("conditioner.embedders.1.model.x")) == "sdxl-inpaint");
  CHECK(image_family("f", {tensor(d + "joint_blocks.0.x")}).is_dit);
  CHECK_THROWS_WITH_AS(family_of({tensor("blk.0.attn_q.weight")}),
                       doctest::Contains("no image model"), Error);
  CHECK_THROWS_WITH_AS(unet(4, tensor("other")), doctest::Contains("--image-clip-l-model"), Error);
  CHECK_THROWS_WITH_AS(family_of({tensor(d + "blocks.0.cross_attn.norm_k.weight")}),
                       doctest::Contains("video"), Error);
}

TEST_CASE("a bare diffusion model has no prefixes") {
  CHECK(is_bare_diffusion_model({"f", 0, {tensor("double_blocks.0.x"), tensor("img_in.weight")}}));
  CHECK(!is_bare_diffusion_model({"f", 0, {tensor("model.diffusion_model.img_in.weight")}}));
  CHECK(!is_bare_diffusion_model({"f", 0, {tensor("first_stage_model.x"), tensor("img_in")}}));
}

TEST_CASE("missing parts are named by their options") {
  const File bare(model({"double_blocks.0.img_mlp.gate_proj.weight", "img_in.weight"}));
  const File llm(model({"model.embed_tokens.weight"}));
  const File tae(model({"decoder.layers.0.weight"}));
  ImageModelParams params;
  params.files.model = bare.path();
  CHECK_THROWS_WITH_AS(check_image_files(params), doctest::Contains("--image-llm-model"), Error);
  params.files.llm = llm.path();
  CHECK_THROWS_WITH_AS(check_image_files(params), doctest::Contains("--image-vae-model"), Error);
  params.files.taesd = tae.path();
  const CheckedFiles checked = check_image_files(params);
  CHECK(checked.is_bare);
  CHECK(checked.family.name == "ovis-image");
  CHECK(checked.n_bytes > 0);
  params.files.control_net = tae.path();
  CHECK_THROWS_WITH_AS(check_image_files(params), doctest::Contains("--image-control-net-model"),
                       Error);
  params.files.control_net.clear();
  params.loras.push_back({"/nowhere.safetensors", 1.0F});
  CHECK_THROWS_WITH_AS(check_image_files(params), doctest::Contains("no such file"), Error);
}
