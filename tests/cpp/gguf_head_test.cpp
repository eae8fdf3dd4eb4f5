#include "guard/gguf_head.h"

#include "gguf_builder.h"

#include <doctest/doctest.h>

#include <string>

using namespace llamabox;
using namespace llamabox::testing;

namespace {

constexpr std::uint32_t kI64 = 27;

GgufBuilder head() {
  GgufBuilder file;
  file.set_string("general.architecture", "eagle3");
  file.set_u32("eagle3.block_count", 1).set_u32("eagle3.embedding_length", 32);
  file.set_u32("eagle3.target_hidden_size", 64);
  file.set_words("eagle3.target_layers", GgufValueType::kInt32, {0, 2, 3});
  file.add_tensor("token_embd.weight", {32, 100}).add_tensor("output.weight", {32, 100});
  return file;
}

std::string problem_of(const GgufBuilder &file, const std::string &d2t = {}) {
  const ScratchFolder folder;
  std::string bytes = file.bytes();
  // The last tensor's data.
  bytes.replace(bytes.size() - d2t.size(), d2t.size(), d2t);
  write_file(folder.file("head.gguf"), bytes);
  return head_problem(read_gguf_header(folder.file("head.gguf")), {64, 100, 4});
}

bool names(const std::string &problem, const std::string &part) {
  return problem.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a head that fits is taken") {
  CHECK(problem_of(head()).empty());
  GgufBuilder as_wide = head();
  as_wide.set_u32("eagle3.embedding_length", 64);
  as_wide.tensors.clear();
  as_wide.add_tensor("fc.weight", {192, 64}); // tables are the model's
  CHECK(problem_of(as_wide).empty());
}

TEST_CASE("layers that the model has not got, and other widths, are refused") {
  GgufBuilder file = head();
  file.set_words("eagle3.target_layers", GgufValueType::kInt32, {0, 2, 4});
  CHECK(names(problem_of(file), "reads layer 4"));
  file.set_words("eagle3.target_layers", GgufValueType::kInt32, {0, 0xffffffff, 2});
  CHECK(names(problem_of(file), "reads layer"));
  file.set_words("eagle3.target_layers", GgufValueType::kInt32, {0, 2});
  CHECK(names(problem_of(file), "three layers"));
  file.erase("eagle3.target_layers");
  CHECK(names(problem_of(file), "three layers"));
  CHECK(names(problem_of(head().set_u32("eagle3.target_hidden_size", 32)), "another width"));
  CHECK(names(problem_of(head().erase("eagle3.target_hidden_size")), "another width"));
  CHECK(names(problem_of(head().set_u32("eagle3.block_count", 2)), "one layer"));
}

TEST_CASE("tables that are missing or too small are refused") {
  GgufBuilder borrows = head();
  borrows.tensors.pop_back();
  CHECK(names(problem_of(borrows), "tables of its own"));
  GgufBuilder small = head();
  small.tensors.clear();
  small.add_tensor("token_embd.weight", {32, 99}).add_tensor("output.weight", {32, 99});
  CHECK(names(problem_of(small), "fewer tokens"));
}

TEST_CASE("a table of fewer tokens names such as the model has") {
  GgufBuilder file = head();
  file.add_tensor("d2t", {4}, kI64); // fills a block of 32 bytes
  CHECK(problem_of(file, u64(0) + u64(7) + u64(99) + u64(3)).empty());
  CHECK(names(problem_of(file, u64(0) + u64(7) + u64(100) + u64(3)), "has not got"));
  CHECK(names(problem_of(file), "has not got"));
  GgufBuilder other = head();
  other.add_tensor("d2t", {8});
  CHECK(names(problem_of(other), "whole numbers"));
}
