#!/usr/bin/env bash
# Change an image: IMAGE=FILE image_edit.sh [PROMPT...]
#
# With words: one request. Without: one for each line, ended by "exit", "quit" or the end of input.
# MASK=FILE marks what may change. Images are written to WORK_DIR (/tmp). Settings come from the
# environment; the banner shows them. SAMPLE_METHOD other than null sends the sampling settings.
# Needs bash, curl, jq and base64.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/image_answer.sh
source "$here/image_answer.sh"
image_name=image_edit
IMAGE=${IMAGE:-}
MASK=${MASK:-}
STRENGTH=${STRENGTH:-0.75}

# A leading @ of a file name is left out, as curl writes it.
for name in IMAGE MASK; do
  file=${!name#@}
  printf -v "$name" '%s' "$file"
  if [[ -z $file && $name == IMAGE ]] || [[ -n $file && ! -r $file ]]; then
    say "error: $name must name a file that can be read" >&2
    exit 1
  fi
done

ask() {
  local form=(-F "image=@$IMAGE" --form-string "prompt=$1" -F "n=$N" -F "size=$SIZE"
    -F response_format=b64_json -F stream=true -F stream_options_include_usage=true
    -F stream_options_chunk_result=true -F "stream_options_chunk_size=$CHUNK_BYTES"
    -F "stream_options_preview=$PREVIEW")
  [[ -z $MASK ]] || form+=(-F "mask=@$MASK")
  if [[ $SAMPLE_METHOD == null ]]; then
    form+=(-F "quality=$QUALITY")
    [[ $STYLE == null ]] || form+=(-F "style=$STYLE")
  else
    form+=(-F "sample_method=$SAMPLE_METHOD" -F "sampling_steps=$SAMPLING_STEPS"
      -F "schedule_method=$SCHEDULE_METHOD" -F "seed=$SEED" -F "guidance=$GUIDANCE"
      -F "cfg_scale=$CFG_SCALE" -F "strength=$STRENGTH"
      --form-string "negative_prompt=$NEGATIVE_PROMPT")
  fi
  request "${form[@]}" "$API_URL/v1/images/edits"
}

banner API_URL LOG_FILE IMAGE MASK N SIZE QUALITY STYLE PREVIEW SAMPLE_METHOD SAMPLING_STEPS \
  SCHEDULE_METHOD SEED GUIDANCE CFG_SCALE STRENGTH NEGATIVE_PROMPT
converse "$@"
