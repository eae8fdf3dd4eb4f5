# Sourced by image_generate.sh and image_edit.sh: their settings, and what they do with an answer.
# Needs bash, curl, jq and base64.

API_URL=${API_URL:-http://127.0.0.1:8080}
API_KEY=${API_KEY:-}
LOG_FILE=${LOG_FILE:-/dev/null}
WORK_DIR=${WORK_DIR:-/tmp}
N=${N:-1}
SIZE=${SIZE:-512x512}
QUALITY=${QUALITY:-standard}
STYLE=${STYLE:-null}
PREVIEW=${PREVIEW:-true}
SAMPLE_METHOD=${SAMPLE_METHOD:-${SAMPLER:-null}}
SAMPLING_STEPS=${SAMPLING_STEPS:-${SAMPLE_STEPS:-10}}
SCHEDULE_METHOD=${SCHEDULE_METHOD:-${SCHEDULER:-${SCHEDULE:-default}}}
SEED=${SEED:-$(date +%s)}
GUIDANCE=${GUIDANCE:-3.5}
CFG_SCALE=${CFG_SCALE:-4.5}
NEGATIVE_PROMPT=${NEGATIVE_PROMPT:-}
failed=false

say() { printf '%s\n' "$*"; }
log() { printf '%s\n' "$*" >>"$LOG_FILE"; }

# banner NAME...: the settings.
banner() {
  say "====================================================="
  local name
  for name in "$@"; do
    printf '%-16s : %s\n' "$name" "${!name}"
  done
  say "====================================================="
}

# request CURL-ARGUMENT...: POST and show what comes. Fails when the server refused.
request() {
  local line prefix began
  declare -A part_of=()
  prefix=$WORK_DIR/${image_name}_$(date +%s)
  began=$(date +%s)
  failed=false
  parts=$(mktemp -d)
  # The key goes through a descriptor: arguments are visible to every user of the machine.
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line%$'\r'}
    case $line in
      'data: [DONE]') break ;;
      'data: '*) show_event "${line#data: }" "$prefix" "$began" ;;
      'error: '*) refuse "${line#error: }" ;;
      '{'*) refuse "$line" ;;
    esac
  done < <(curl --silent --show-error --no-buffer --max-time 3600 \
    --config <([[ -z $API_KEY ]] || printf 'header = "Authorization: Bearer %s"\n' "$API_KEY") \
    "$@" 2>&1 | sed 's/^curl: /error: curl: /' || true)
  rm -rf "$parts"
  [[ $failed == false ]]
}

refuse() {
  failed=true
  say "error: $(jq -r '.error.message? // .message? // .' <<<"$1" 2>/dev/null || printf '%s' "$1")" >&2
}

# show_event JSON PREFIX BEGAN: progress, parts of images, finished images, figures.
show_event() {
  if jq -e 'has("error")' >/dev/null <<<"$1"; then
    refuse "$1"
    return
  fi
  local index progress steps reason data
  while IFS='|' read -r index progress steps reason data; do
    say "$index: $progress%"
    # A new step is a new picture; of the same one come parts.
    if [[ ${part_of[$index]:-$steps} != "$steps" ]]; then
      write_image "$index" "${part_of[$index]}" "$2"
    fi
    part_of[$index]=$steps
    printf '%s' "$data" >>"$parts/$index.$steps"
    if [[ $reason == stop ]]; then
      write_image "$index" "$steps" "$2"
      say "$2_$index.png"
      log "A: $2_$index.png"
      [[ ${OSTYPE:-} != darwin* ]] || open -a 'Google Chrome' "$2_$index.png"
    fi
  done < <(jq -r '.data[]? | [.index, .progress // 0, .progressed_steps // 0, .finish_reason // "",
    .b64_json // ""] | join("|")' <<<"$1")
  show_figures "$1" "$3"
}

# write_image INDEX STEPS PREFIX: a picture without data is none.
write_image() {
  [[ ! -s $parts/$1.$2 ]] || base64 -d <"$parts/$1.$2" >"$3_$1.png"
}

show_figures() {
  jq -e '.usage' >/dev/null <<<"$1" || return 0
  jq -r '.usage | "TTP  : \(.time_to_process_ms // 0) ms\nTPG  : \(.time_per_generation_ms // 0) ms\nGPS  : \(.generation_per_second // 0)"' <<<"$1"
  say "TC   : $(($(date +%s) - $2)) s"
}

# converse WORDS...: one request for the words, or for each line that is typed.
converse() {
  : >"$LOG_FILE"
  if (($# > 0)); then
    say "> $*"
    log "Q: $*"
    ask "$*"
    return
  fi
  local line
  while IFS= read -r -e -p '> ' line; do
    [[ $line != exit && $line != quit ]] || break
    [[ -n $line ]] || continue
    log "Q: $line"
    ask "$line" || true
  done
}
