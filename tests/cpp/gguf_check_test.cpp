// The format rules of the header check, one case each, and what it reports of a good file.
#include "gguf_refusal.h"
#include "guard/gguf_header.h"

#include <doctest/doctest.h>

#include <limits>

using namespace llamabox;
using namespace llamabox::testing;

namespace {

constexpr std::uint32_t kString = static_cast<std::uint32_t>(GgufValueType::kString);
constexpr std::uint32_t kArray = static_cast<std::uint32_t>(GgufValueType::kArray);
constexpr std::uint32_t kUint32 = static_cast<std::uint32_t>(GgufValueType::kUint32);

} // namespace

TEST_CASE("a well-formed model is accepted and described") {
  const ScratchFolder folder;
  const std::string path = folder.file("model.gguf");
  const GgufBuilder builder = tiny_model();
  write_file(path, builder.bytes());
  const GgufReport report = check_gguf(path);
  CHECK(report.version == 3);
  CHECK(report.architecture == "llama");
  CHECK(report.alignment == 32);
  CHECK(report.n_tensors == builder.tensors.size());
  CHECK(report.n_keys == 17);
  CHECK(report.file_bytes == builder.bytes().size());
  CHECK(report.n_split == 1);
  CHECK(report.files == std::vector<std::string>{path});
  CHECK(report.n_vocab == 16);
  CHECK(report.block_count == 2);
  CHECK(report.context_length == 64);
  CHECK(report.embedding_length == 32);
}

TEST_CASE("version 2, other alignments and unpadded ends are accepted") {
  GgufBuilder b = tiny_model();
  b.version = 2;
  CHECK(refusal_of(b) == "accepted");
  CHECK(refusal_of(tiny_model().set_alignment(8)) == "accepted");
  CHECK(refusal_of(tiny_model().set_alignment(65536)) == "accepted");
  GgufBuilder odd = tiny_model();
  odd.add_tensor("rope_freqs.weight", {1});
  std::string bytes = odd.bytes();
  bytes.resize(bytes.size() - 28); // the last tensor has 4 bytes of data and 28 of padding
  CHECK(refusal_of_bytes(bytes) == "accepted");
}

TEST_CASE("a path that is no readable file is refused") {
  const ScratchFolder folder;
  CHECK(refusal_of_path(folder.file("none.gguf")).find("there is no such file") !=
        std::string::npos);
  std::filesystem::create_directory(folder.file("dir.gguf"));
  CHECK(refusal_of_path(folder.file("dir.gguf")).find("it is a directory") != std::string::npos);
}

TEST_CASE("a file that is not GGUF is refused") {
  CHECK(refusal_of_bytes("").find("the file is empty") != std::string::npos);
  CHECK(refusal_of_bytes("GG").find("begins with 'GG'") != std::string::npos);
  CHECK(refusal_of_bytes("PK\3\4 not a model").find("begins with 'PK\?\?'") != std::string::npos);
  CHECK(refusal_of_bytes("version https://git-lfs").find("Git LFS") != std::string::npos);
}

TEST_CASE("versions other than 2 and 3, and big-endian files, are refused") {
  GgufBuilder b = tiny_model();
  b.version = 1;
  CHECK_REFUSED(b, "version 1 is not supported");
  b.version = 4;
  CHECK_REFUSED(b, "version 4 is not supported");
  b.version = 0;
  CHECK_REFUSED(b, "version 0 is not supported");
  b.version = 0x0300'0000;
  CHECK_REFUSED(b, "big-endian");
}

TEST_CASE("a file cut anywhere is refused as truncated") {
  const std::string whole = tiny_model().bytes();
  const std::size_t header_bytes = tiny_model().header().size();
  for (std::size_t n = 4; n < whole.size(); n += n < header_bytes ? 1 : 997) {
    const std::string said = refusal_of_bytes(whole.substr(0, n));
    INFO(n);
    INFO(said);
    CHECK(said.find("truncated") != std::string::npos);
  }
}

TEST_CASE("counts beyond the limits or the file are refused") {
  GgufBuilder b = tiny_model();
  b.n_keys = kGgufMaxKeys + 1;
  CHECK_REFUSED(b, "65537 keys");
  b.n_keys = 60'000;
  CHECK_REFUSED(b, "cannot hold 60000 keys");
  b.n_keys.reset();
  b.n_tensors = kGgufMaxTensors + 1;
  CHECK_REFUSED(b, "65537 tensors");
  b.n_tensors = std::numeric_limits<std::uint64_t>::max();
  CHECK_REFUSED(b, "tensors, at most 65536");
  b.n_tensors = 60'000;
  CHECK_REFUSED(b, "60000 tensors");
}

TEST_CASE("bad key names are refused") {
  CHECK_REFUSED(tiny_model().set_u32("", 1), "is empty");
  CHECK_REFUSED(tiny_model().set_u32(std::string("a\0b", 3), 1), "NUL");
  CHECK_REFUSED(tiny_model().set_u32(std::string(65'536, 'k'), 1), "at most 65535");
  CHECK_REFUSED(tiny_model().append_raw("llama.block_count", kUint32, u32(2)), "occurs twice");
  CHECK_REFUSED(tiny_model().append_raw("x", 13, u32(0)), "unknown value type 13");
}

TEST_CASE("string lengths are held against the limit and the bytes left") {
  CHECK_REFUSED(tiny_model().append_raw("x", kString, u64(kGgufMaxStringBytes + 1)),
                "at most 16777216 are allowed");
  CHECK_REFUSED(tiny_model().append_raw("x", kString, u64(16'000'000)), "truncated");
  CHECK_REFUSED(
      tiny_model().append_raw("x", kString, u64(std::numeric_limits<std::uint64_t>::max())),
      "at most 16777216 are allowed");
}

TEST_CASE("array lengths are held against the limit and the bytes left") {
  const std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
  CHECK_REFUSED(tiny_model().append_raw("x", kArray, u32(kUint32) + u64(max)), "claims");
  CHECK_REFUSED(tiny_model().append_raw("x", kArray, u32(kUint32) + u64(10'000'000)), "truncated");
  CHECK_REFUSED(tiny_model().append_raw("x", kArray, u32(kString) + u64(10'000'000)),
                "10000000 strings");
  CHECK_REFUSED(tiny_model().append_raw("x", kArray, u32(kString) + u64(2) + text("a") + u64(max)),
                "at most 16777216");
  CHECK_REFUSED(tiny_model().append_raw("x", kArray, u32(kArray) + u64(0)), "array of arrays");
  CHECK_REFUSED(tiny_model().append_raw("x", kArray, u32(99) + u64(0)), "unknown value type 99");
  CHECK(refusal_of(tiny_model().append_raw("x", kArray, u32(kUint32) + u64(0))) == "accepted");
}

TEST_CASE("metadata that would fill the memory is refused without being read") {
  // The file is sparse: 17 strings of the largest length take no room on the disk.
  const ScratchFolder folder;
  const std::string path = folder.file("model.gguf");
  std::ofstream out(path, std::ios::binary);
  const std::string head = "GGUF" + u32(3) + u64(0) + u64(17);
  out.write(head.data(), static_cast<std::streamsize>(head.size()));
  for (int i = 0; i < 17; ++i) {
    const std::string key = text("k" + std::to_string(i)) + u32(kString) + u64(kGgufMaxStringBytes);
    out.write(key.data(), static_cast<std::streamsize>(key.size()));
    out.seekp(static_cast<std::streamoff>(kGgufMaxStringBytes), std::ios::cur);
  }
  out.put('\0');
  out.close();
  CHECK(refusal_of_path(path).find("metadata is larger") != std::string::npos);
}

TEST_CASE("an alignment that is no power of two from 8 to 65536 is refused") {
  for (const std::uint32_t bad : {0U, 1U, 4U, 24U, 33U, 131'072U, 0x8000'0000U}) {
    CHECK_REFUSED(tiny_model().set_u32("general.alignment", bad), "power of two");
  }
  CHECK_REFUSED(tiny_model().set_u16("general.alignment", 32), "must be of type u32");
}

TEST_CASE("bad tensor names are refused") {
  CHECK_REFUSED(tiny_model().add_tensor("", {32}), "is empty");
  CHECK_REFUSED(tiny_model().add_tensor(std::string("a\0b", 3), {32}), "NUL");
  CHECK_REFUSED(tiny_model().add_tensor(std::string(64, 'n'), {32}), "at most 63");
  CHECK_REFUSED(tiny_model().add_tensor("output_norm.weight", {32}), "occurs twice");
  CHECK(refusal_of(tiny_model().add_tensor(std::string(63, 'n'), {32})) == "accepted");
}

TEST_CASE("bad tensor shapes are refused") {
  GgufBuilder b = tiny_model().add_tensor("x", {32});
  b.tensor("x").n_dims = 5;
  CHECK_REFUSED(b, "5 dimensions");
  CHECK_REFUSED(tiny_model().add_tensor("x", {32, 0}), "dimension of size 0");
  b = tiny_model().add_tensor("x", {32});
  b.tensor("x").dims = {std::uint64_t{1} << 40U, std::uint64_t{1} << 40U};
  CHECK_REFUSED(b, "more elements than 64 bits");
  b.tensor("x").dims = {std::numeric_limits<std::uint64_t>::max()};
  CHECK_REFUSED(b, "more elements than 64 bits");
  // 2^62 elements of 4 bytes overflow 64 bits, 2^61 do not, but no file holds them.
  b.tensor("x").dims = {std::uint64_t{1} << 62U};
  CHECK_REFUSED(b, "more bytes than the file has");
  b.tensor("x").dims = {std::uint64_t{1} << 60U};
  CHECK_REFUSED(b, "more bytes than the file has");
}

TEST_CASE("tensor types that do not exist or do not fit the rows are refused") {
  for (const std::uint32_t withdrawn : {4U, 5U, 31U, 32U, 33U, 36U, 37U, 38U, 43U, 0xffff'ffffU}) {
    GgufBuilder b = tiny_model().add_tensor("x", {32});
    b.tensor("x").type = withdrawn;
    CHECK_REFUSED(b, "unknown type " + std::to_string(withdrawn));
  }
  GgufBuilder b = tiny_model().add_tensor("x", {33, 2});
  b.tensor("x").type = 8;
  CHECK_REFUSED(b, "needs a multiple of 32");
  b.tensor("x").type = 12;
  CHECK_REFUSED(b, "needs a multiple of 256");
}

TEST_CASE("tensor data must lie aligned, without gap or overlap, inside the file") {
  GgufBuilder b = tiny_model().add_tensor("x", {32});
  b.tensor("x").offset = 8;
  CHECK_REFUSED(b, "not a multiple of the alignment 32");
  b.tensor("x").offset = 0;
  CHECK_REFUSED(b, "overlap or leave a gap");
  b.tensor("x").offset = std::uint64_t{1} << 40U;
  CHECK_REFUSED(b, "overlap or leave a gap");
  const std::string whole = tiny_model().bytes();
  CHECK(refusal_of_bytes(whole.substr(0, whole.size() - 32)).find("truncated") !=
        std::string::npos);
}

TEST_CASE("a model without tensors is refused") {
  GgufBuilder b = tiny_model();
  b.tensors.clear();
  CHECK_REFUSED(b, "holds no tensors");
}

TEST_CASE("names from the file cannot break the message") {
  CHECK_REFUSED(tiny_model().append_raw("a\nb\x1b[31m", 99, ""), "'a?b?[31m'");
  CHECK_REFUSED(tiny_model().append_raw(std::string(200, 'k'), 99, ""), "k...'");
}

TEST_CASE("the header reader takes files that are no text models") {
  const ScratchFolder folder;
  GgufBuilder b;
  b.set_string("general.architecture", "clip").add_tensor("v.patch_embd.weight", {4, 4, 3, 2});
  write_file(folder.file("mmproj.gguf"), b.bytes());
  const GgufHeader header = read_gguf_header(folder.file("mmproj.gguf"));
  CHECK(header.tensors.size() == 1);
  CHECK(header.tensors[0].n_bytes == 4 * 4 * 3 * 2 * 4);
  CHECK(header.find("general.architecture")->text == "clip");
  CHECK(header.find("no.such.key") == nullptr);
  CHECK(refusal_of(b).find("multimodal projector") != std::string::npos);
}
