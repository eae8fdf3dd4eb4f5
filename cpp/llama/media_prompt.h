// Where media stands in a rendered conversation: the contents get marks that no client can know,
// the template carries them along, and the rendered text is cut at them.
// Thread rule: one object for one prompt. Guarantee: text that looks like a mark is text.
// Covered by tests/cpp/llama/media_test.cpp.
#pragma once

#include "llama/prompt_part.h"
#include "model/prompt_encoder.h"

#include <string>
#include <vector>

namespace llamabox {

class MediaMarks {
public:
  // Puts a mark into the contents for each media. REQUIRES: `chat` outlives the object.
  explicit MediaMarks(ChatPrompt &chat);

  bool empty() const { return places_.empty(); }

  // ERRORS: Error(kInvalidArgument) when the template has left media out.
  std::vector<PromptPart> split(const std::string &rendered) const;

private:
  std::string mark(std::size_t at) const;

  std::string secret_;
  std::vector<MediaPlace> places_;
};

} // namespace llamabox
