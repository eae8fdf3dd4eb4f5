// Models split over several files: complete sets load, and every way of spoiling a set is refused.
#include "gguf_refusal.h"
#include "guard/gguf_split.h"

#include <doctest/doctest.h>

#include <array>

using namespace llamabox;
using namespace llamabox::testing;

namespace {

constexpr std::uint32_t kParts = 3;

// The tiny model in three files: keys and two tensors in the first, the rest in the others.
class SplitModel {
public:
  SplitModel() {
    GgufBuilder whole = tiny_model();
    const std::vector<BuiltTensor> tensors = whole.tensors;
    for (std::uint32_t i = 0; i < kParts; ++i) {
      if (i == 0) {
        parts[i] = whole;
        parts[i].tensors.clear();
      }
      parts[i].set_u16("split.no", i).set_u16("split.count", kParts);
      parts[i].set_i32("split.tensors.count", static_cast<std::int32_t>(tensors.size()));
    }
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      parts[t < 2 ? 0 : 1 + t % 2].tensors.push_back(tensors[t]);
    }
  }

  std::string path(std::uint32_t part) const {
    return split_part_path(folder.file("tiny"), part, kParts);
  }

  void write() const {
    for (std::uint32_t i = 0; i < kParts; ++i) {
      write_file(path(i + 1), parts[i].bytes());
    }
  }

  std::string refusal(std::uint32_t part = 1) const {
    write();
    return refusal_of_path(path(part));
  }

  std::array<GgufBuilder, kParts> parts;
  ScratchFolder folder;
};

void says(const std::string &message, const std::string &part) {
  INFO(message);
  CHECK(message.find(part) != std::string::npos);
}

} // namespace

TEST_CASE("part names have five digits") {
  CHECK(split_part_path("/m/x", 2, 11) == "/m/x-00002-of-00011.gguf");
}

TEST_CASE("a complete set is accepted from its first part") {
  const SplitModel model;
  model.write();
  const GgufReport report = check_gguf(model.path(1));
  CHECK(report.n_split == kParts);
  CHECK(report.files == std::vector<std::string>{model.path(1), model.path(2), model.path(3)});
  CHECK(report.n_tensors == tiny_model().tensors.size());
  std::uint64_t file_bytes = 0;
  for (const GgufBuilder &part : model.parts) {
    file_bytes += part.bytes().size();
  }
  CHECK(report.file_bytes == file_bytes);
}

TEST_CASE("a first part that holds keys only is accepted") {
  SplitModel model;
  auto &first = model.parts[0].tensors;
  model.parts[1].tensors.insert(model.parts[1].tensors.end(), first.begin(), first.end());
  first.clear();
  CHECK(model.refusal() == "accepted");
}

TEST_CASE("another than the first part is refused and the first one named") {
  const SplitModel model;
  const std::string said = model.refusal(2);
  says(said, "it is part 2 of 3");
  says(said, model.path(1));
}

TEST_CASE("a missing part is named") {
  const SplitModel model;
  model.write();
  std::filesystem::remove(model.path(3));
  const std::string said = refusal_of_path(model.path(1));
  says(said, "part 3 of 3 is missing");
  says(said, model.path(3));
}

TEST_CASE("swapped parts are refused") {
  const SplitModel model;
  model.write();
  write_file(model.path(2), model.parts[2].bytes());
  write_file(model.path(3), model.parts[1].bytes());
  says(refusal_of_path(model.path(1)), "the parts are swapped");
}

TEST_CASE("a renamed first part is refused") {
  const SplitModel model;
  model.write();
  std::filesystem::rename(model.path(1), model.folder.file("tiny.gguf"));
  says(refusal_of_path(model.folder.file("tiny.gguf")), "must end in '-00001-of-00003.gguf'");
}

TEST_CASE("a truncated part is refused by its name") {
  const SplitModel model;
  model.write();
  const std::string bytes = model.parts[1].bytes();
  write_file(model.path(2), bytes.substr(0, bytes.size() - 64));
  const std::string said = refusal_of_path(model.path(1));
  says(said, "truncated");
  says(said, model.path(2));
}

TEST_CASE("parts of different sets are refused") {
  SplitModel model;
  SUBCASE("another count") {
    model.parts[2].set_u16("split.count", 4);
    says(model.refusal(), "belongs to a set of 4 parts, not of 3");
  }
  SUBCASE("no number") {
    model.parts[2].erase("split.no");
    says(model.refusal(), "'split.no' is missing");
  }
  SUBCASE("a number of another type") {
    model.parts[2].set_u32("split.no", 2);
    says(model.refusal(), "must be of type u16");
  }
  SUBCASE("another alignment") {
    model.parts[2].set_alignment(64);
    says(model.refusal(), "alignment or GGUF version differs");
  }
  SUBCASE("another architecture") {
    model.parts[2].set_string("general.architecture", "qwen2");
    says(model.refusal(), "'general.architecture' differs");
  }
  SUBCASE("a tensor in two parts") {
    model.parts[2].add_tensor("token_embd.weight", {32, 16});
    says(model.refusal(), "'token_embd.weight' is also in another part");
  }
  SUBCASE("a tensor too many") {
    model.parts[2].add_tensor("extra.weight", {32, 16});
    says(model.refusal(), "its parts hold 21 tensors");
  }
  SUBCASE("a number beyond the count") {
    model.parts[0].set_u16("split.no", 3);
    says(model.refusal(), "'split.no' is 3 in a set of 3");
  }
  SUBCASE("no total") {
    model.parts[0].erase("split.tensors.count");
    says(model.refusal(), "split.tensors.count");
  }
  SUBCASE("a bad tensor type in a later part") {
    model.parts[2].tensors[0].type = 1;
    model.parts[2].tensors[0].name = "blk.0.attn_q.bias";
    model.parts[2].tensors[0].dims = {model.parts[2].tensors[0].n_bytes / 2};
    says(model.refusal(), "must be f32");
  }
}
