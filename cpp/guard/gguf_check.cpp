#include "guard/gguf_check.h"

#include "guard/gguf_file.h"
#include "guard/gguf_header.h"
#include "guard/gguf_keys.h"
#include "guard/gguf_model_rules.h"
#include "guard/gguf_split.h"
#include "guard/gguf_vocab_rules.h"

namespace llamabox {

GgufReport check_gguf(const std::string &path, std::span<const GgufOverride> overrides) {
  GgufHeader first = read_gguf_header(path);
  apply_overrides(first, overrides);
  // Later parts carry tensors only, so whether this is the first part is asked before its keys are.
  const std::vector<GgufHeader> parts = read_split_parts(first);
  GgufReport report;
  report.version = first.version;
  report.n_keys = first.values.size();
  report.architecture = gguf_architecture(first);
  report.alignment = first.alignment;
  const GgufModelSize size = check_model_hparams(first);
  report.block_count = size.block_count;
  report.context_length = size.context_length;
  report.embedding_length = size.embedding_length;
  report.n_vocab = check_tokenizer(first);
  report.n_split = static_cast<std::uint32_t>(parts.size() + 1);
  const auto add = [&report](const GgufHeader &part) {
    check_model_tensors(part);
    report.n_tensors += part.tensors.size();
    report.file_bytes += part.file_bytes;
    report.files.push_back(part.path);
  };
  add(first);
  for (const GgufHeader &part : parts) {
    add(part);
  }
  if (report.n_tensors == 0) {
    refuse_gguf(path, "it holds no tensors");
  }
  return report;
}

} // namespace llamabox
