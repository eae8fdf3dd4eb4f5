#include "llama/family_template.h"

#include <array>
#include <string_view>

namespace llamabox {
namespace {

constexpr std::string_view kChatMl = R"({%- set system = '' %}
{%- if messages[0].role == 'system' %}
{%- set system = messages[0].content + '\n\n' %}
{%- endif %}
{%- if tools %}
{{- '<|im_start|>system\n' + system }}
{{- 'You may call functions to help with the query.\n\n<tools>\n' }}
{%- for tool in tools %}{{- tool | tojson }}{{- '\n' }}{%- endfor %}
{{- '</tools>\n\nTo call one, answer with its name and arguments as JSON:\n' }}
{{- '<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call><|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'system' and loop.first and tools %}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\n' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}
{%- if not loop.first or message.content %}{{- '\n' }}{%- endif %}
{{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{- '}\n</tool_call>' }}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %})";

constexpr std::string_view kChatGlm4 = R"({{- '[gMASK]<sop>' }}
{%- set system = '' %}
{%- if messages[0].role == 'system' %}
{%- set system = messages[0].content + '\n\n' %}
{%- endif %}
{%- if tools %}
{{- '<|system|>\n' + system + 'You may call functions to help with the query.\n\n<tools>\n' }}
{%- for tool in tools %}{{- tool | tojson }}{{- '\n' }}{%- endfor %}
{{- '</tools>\n\nTo call one, answer with its name and arguments as JSON:\n' }}
{{- '<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call>' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'system' and loop.first and tools %}
{%- elif message.role == 'tool' %}
{{- '<|user|>\n<tool_result>\n' + message.content + '\n</tool_result>' }}
{%- else %}
{{- '<|' + message.role + '|>\n' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}
{%- if not loop.first or message.content %}{{- '\n' }}{%- endif %}
{{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{- '}\n</tool_call>' }}
{%- endfor %}
{%- endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>\n' }}{%- endif %})";

constexpr std::string_view kLlama3 = R"({{- bos_token }}
{%- set head = '<|start_header_id|>' %}
{%- if tools %}
{{- head + 'system<|end_header_id|>\n\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content | trim + '\n\n' }}{%- endif %}
{{- 'You may call functions to help with the query. To call one, answer only with JSON of the ' }}
{{- 'form {"name": <name>, "parameters": <object>}.\n\n' }}
{%- for tool in tools %}{{- tool | tojson }}{{- '\n' }}{%- endfor %}
{{- '<|eot_id|>' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'system' and loop.first and tools %}
{%- elif message.role == 'tool' %}
{{- head + 'ipython<|end_header_id|>\n\n' + message.content + '<|eot_id|>' }}
{%- elif message.tool_calls %}
{%- if message.tool_calls | length != 1 %}
{{- raise_exception('this model makes one call at a time') }}
{%- endif %}
{%- set call = message.tool_calls[0].function %}
{{- head + 'assistant<|end_header_id|>\n\n{"name": "' + call.name + '", "parameters": ' }}
{{- call.arguments | tojson }}{{- '}<|eot_id|>' }}
{%- else %}
{{- head + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- head + 'assistant<|end_header_id|>\n\n' }}{%- endif %})";

constexpr std::string_view kGranite = R"({%- if tools %}
{%- if messages[0].role != 'system' %}
{{- '<|start_of_role|>system<|end_of_role|>You may call tools. To do so, answer only with ' }}
{{- '<|tool_call|> and a JSON list of calls.<|end_of_text|>\n' }}
{%- else %}
{{- '<|start_of_role|>system<|end_of_role|>' + messages[0].content + '<|end_of_text|>\n' }}
{%- endif %}
{{- '<|start_of_role|>tools<|end_of_role|>' + tools | tojson + '<|end_of_text|>\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'system' and loop.first and tools %}
{%- elif message.role == 'tool' %}
{{- '<|start_of_role|>tool_response<|end_of_role|>' + message.content + '<|end_of_text|>\n' }}
{%- else %}
{{- '<|start_of_role|>' + message.role + '<|end_of_role|>' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- if message.tool_calls %}
{{- '<|tool_call|>[' }}
{%- for call in message.tool_calls %}
{%- if not loop.first %}{{- ', ' }}{%- endif %}
{{- '{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{- '}' }}
{%- endfor %}
{{- ']' }}
{%- endif %}
{{- '<|end_of_text|>\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_of_role|>assistant<|end_of_role|>' }}{%- endif %})";

// @SPACE@ stands for the blank after a mark, which only the older tokenizers were trained with, and
// @SYSTEM@ for what the version does with the system message.
constexpr std::string_view kMistral = R"({{- bos_token }}
{%- set ns = namespace(system='', last=0) %}
{%- for message in messages %}
{%- if message.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}
{%- endfor %}
{%- for message in messages %}
{%- if message.role == 'system' %}
@SYSTEM@
{%- elif message.role == 'user' %}
{%- if tools and loop.index0 == ns.last %}
{{- '[AVAILABLE_TOOLS]@SPACE@' + tools | tojson + '[/AVAILABLE_TOOLS]' }}
{%- endif %}
{{- '[INST]@SPACE@' + ns.system + message.content + '[/INST]' }}
{%- set ns.system = '' %}
{%- elif message.role == 'tool' %}
{{- '[TOOL_RESULTS]@SPACE@{"content": ' + message.content | tojson }}
{{- ', "call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
{%- elif message.tool_calls %}
{{- '[TOOL_CALLS]@SPACE@[' }}
{%- for call in message.tool_calls %}
{%- if not loop.first %}{{- ', ' }}{%- endif %}
{{- '{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{- ', "id": "' + call.id + '"}' }}
{%- endfor %}
{{- ']' + eos_token }}
{%- else %}
{{- '@SPACE@' + message.content + eos_token }}
{%- endif %}
{%- endfor %})";

constexpr std::string_view kDeepSeek3 = R"({{- bos_token }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
{%- if tools %}
{{- 'You may call functions to help with the query:\n```json\n' + tools | tojson + '\n```\n\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' %}
{{- '<｜User｜>' + message.content }}
{%- elif message.role == 'tool' %}
{{- '<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>' + message.content }}
{{- '<｜tool▁output▁end｜><｜tool▁outputs▁end｜>' }}
{%- elif message.role == 'assistant' %}
{{- '<｜Assistant｜>' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- if message.tool_calls %}
{{- '<｜tool▁calls▁begin｜>' }}
{%- for call in message.tool_calls %}
{%- if not loop.first %}{{- '\n' }}{%- endif %}
{{- '<｜tool▁call▁begin｜>function<｜tool▁sep｜>' + call.function.name + '\n```json\n' }}
{{- call.function.arguments | tojson }}{{- '\n```<｜tool▁call▁end｜>' }}
{%- endfor %}
{{- '<｜tool▁calls▁end｜>' }}
{%- endif %}
{{- '<｜end▁of▁sentence｜>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<｜Assistant｜>' }}{%- endif %})";

struct Family {
  std::string_view name;
  std::string_view source;
};

constexpr std::array kFamilies = {
    Family{"chatglm4", kChatGlm4}, Family{"chatml", kChatMl}, Family{"deepseek3", kDeepSeek3},
    Family{"granite", kGranite},   Family{"llama3", kLlama3},
};

struct MistralVersion {
  std::string_view name;
  std::string_view space;
  bool has_system_mark;
};

constexpr std::array kMistralVersions = {
    MistralVersion{"mistral-v3", " ", false},
    MistralVersion{"mistral-v3-tekken", "", false},
    MistralVersion{"mistral-v7", " ", true},
    MistralVersion{"mistral-v7-tekken", "", true},
};

void replace_all(std::string &text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

std::string mistral(const MistralVersion &version) {
  std::string text(kMistral);
  replace_all(text, "@SYSTEM@",
              version.has_system_mark
                  ? "{{- '[SYSTEM_PROMPT]@SPACE@' + message.content + '[/SYSTEM_PROMPT]' }}"
                  : "{%- set ns.system = message.content + '\\n\\n' %}");
  replace_all(text, "@SPACE@", version.space);
  return text;
}

} // namespace

std::string family_template(const std::string &name) {
  for (const MistralVersion &version : kMistralVersions) {
    if (version.name == name) {
      return mistral(version);
    }
  }
  for (const Family &family : kFamilies) {
    if (family.name == name) {
      return std::string(family.source);
    }
  }
  return {};
}

} // namespace llamabox
