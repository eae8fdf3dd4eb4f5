// The grammar that a request's parameters ask for: checked, and made from a JSON schema by
// llama.cpp. The last few schemas' grammars are kept, since clients send the same one again.
// Thread rule: any thread. Guarantee: a grammar or schema that cannot be honoured in full is
// refused, never weakened. ERRORS: Error(kInvalidArgument) with "grammar" or "json_schema".
// Covered by tests/cpp/llama/grammar_test.cpp.
#pragma once

#include "model/sampling_params.h"

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <utility>

namespace llamabox {

// The grammar of a JSON schema, never a weaker one. ERRORS: Error(kInvalidArgument, "json_schema").
std::string schema_grammar(const std::string &schema);

class GrammarSource {
public:
  // Empty when the output is free.
  Grammar of(const SamplingParams &params);

private:
  std::string grammar_of(const std::string &schema);

  std::mutex mutex_;
  std::list<std::pair<std::string, std::string>> recent_; // schema and grammar, the latest first
  std::size_t n_bytes_ = 0;                               // of all that is kept
};

} // namespace llamabox
