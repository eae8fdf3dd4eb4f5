"""The demo model's chat template and the special tokens which it uses.

The template is ChatML with tools. `chat` in document.py builds the same text for the
corpus; tests/models/check_models.py compares the two
through llama.cpp's own template engine.
"""

IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
END_OF_TEXT = "<|endoftext|>"
THINK, END_THINK = "<think>", "</think>"
TOOL_CALL, END_TOOL_CALL = "<tool_call>", "</tool_call>"
FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
AUDIO_START, AUDIO_END = "<|audio_start|>", "<|audio_end|>"

CONTROL_TOKENS = (
    END_OF_TEXT,
    IM_START,
    IM_END,
    FIM_PREFIX,
    FIM_SUFFIX,
    FIM_MIDDLE,
    "<|fim_pad|>",
    VISION_START,
    VISION_END,
    AUDIO_START,
    AUDIO_END,
    "<|image_pad|>",
)

# Shown in generated text, because the answer's parser has to see them.
VISIBLE_TOKENS = (THINK, END_THINK, TOOL_CALL, END_TOOL_CALL)

# Image projectors of other models look these up by name, so a projector for the demo model
# needs them in the vocabulary. Their embeddings copy those of the vision tokens.
PROJECTOR_TOKENS = (
    "<fake_token_around_image>",
    "<global-img>",
    "<row_1_col_1>",
    "<row_1_col_2>",
    "<row_1_col_3>",
    "<row_2_col_1>",
    "<row_2_col_2>",
    "<row_2_col_3>",
    "<row_3_col_1>",
    "<row_3_col_2>",
    "<row_3_col_3>",
    "[IMG]",
    "[IMG_BREAK]",
    "[IMG_END]",
    "<start_of_image>",
    "<end_of_image>",
)

TOOLS_HEAD = "You can call these tools:\n"
CHAT_TEMPLATE = r"""
{%- set first = 0 %}
{%- set system = '' %}
{%- if messages and messages[0].role == 'system' %}
{%- set first = 1 %}
{%- set system = messages[0].content %}
{%- endif %}
{%- if tools %}
{{- '<|im_start|>system\n' }}
{%- if system %}{{- system + '\n\n' }}{%- endif %}
{{- 'You can call these tools:\n' }}
{%- for tool in tools %}{{- tool | tojson }}{{- '\n' }}{%- endfor %}
{{- 'To call a tool, write <tool_call>\n{"name": NAME, "arguments": OBJECT}\n</tool_call>' }}
{{- '<|im_end|>\n' }}
{%- elif first %}
{{- '<|im_start|>system\n' + system + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages[first:] %}
{{- '<|im_start|>' + message.role + '\n' }}
{%- if message.role == 'assistant' %}
{%- if message.reasoning_content %}
{{- '<think>\n' + message.reasoning_content + '\n</think>\n\n' }}
{%- endif %}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}
{%- if not loop.first or message.content %}{{- '\n' }}{%- endif %}
{{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
{%- if call.function.arguments is string %}
{{- call.function.arguments }}
{%- else %}
{{- call.function.arguments | tojson }}
{%- endif %}
{{- '}\n</tool_call>' }}
{%- endfor %}
{%- endif %}
{%- else %}
{{- message.content }}
{%- endif %}
{{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined and not enable_thinking %}
{{- '<think>\n\n</think>\n\n' }}
{%- endif %}
{%- endif %}
""".strip()
