#!/usr/bin/env bash
# Make images: image_generate.sh [PROMPT... | @FILE]
#
# With words: one request. Without: one for each line, ended by "exit", "quit" or the end of input.
# @FILE takes the prompt from a file. Images are written to WORK_DIR (/tmp). Settings come from the
# environment; the banner shows them. SAMPLE_METHOD other than null sends the sampling settings.
# Needs bash, curl, jq and base64.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/image_answer.sh
source "$here/image_answer.sh"
image_name=image_generate

# body_of PROMPT
body_of() {
  jq -cn --arg prompt "$1" --argjson n "$N" --arg size "$SIZE" --arg quality "$QUALITY" \
    --arg style "$STYLE" --argjson preview "$PREVIEW" --arg method "$SAMPLE_METHOD" \
    --argjson steps "$SAMPLING_STEPS" --arg schedule "$SCHEDULE_METHOD" --argjson seed "$SEED" \
    --argjson guidance "$GUIDANCE" --argjson cfg_scale "$CFG_SCALE" \
    --arg negative_prompt "$NEGATIVE_PROMPT" --argjson chunk_size "$CHUNK_BYTES" '
    {$prompt, $n, $size, response_format: "b64_json", stream: true,
     stream_options: {include_usage: true, chunk_result: true, $chunk_size, $preview}}
    + (if $method == "null" then {$quality} + (if $style == "null" then {} else {$style} end)
       else {sample_method: $method, sampling_steps: $steps, schedule_method: $schedule, $seed,
             $guidance, $cfg_scale, $negative_prompt} end)'
}

ask() {
  local prompt=$1
  if [[ $prompt == @* ]]; then
    [[ -r ${prompt#@} ]] || { say "error: cannot read ${prompt#@}" >&2; return 1; }
    prompt=$(<"${prompt#@}")
  fi
  request -H 'Content-Type: application/json' --data-binary @<(body_of "$prompt") \
    "$API_URL/v1/images/generations"
}

banner API_URL LOG_FILE N SIZE QUALITY STYLE PREVIEW SAMPLE_METHOD SAMPLING_STEPS SCHEDULE_METHOD \
  SEED GUIDANCE CFG_SCALE NEGATIVE_PROMPT
converse "$@"
