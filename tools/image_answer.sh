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
CHUNK_BYTES=$((1024 * 1024))
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
  declare -A part_of=() shown=()
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
  local kind first second third fourth
  while IFS='|' read -r kind first second third fourth; do
    case $kind in
      error) refuse "$1" ;;
      image) show_image "$2" "$first" "$second" "$third" "$fourth" <<<"$1" ;;
      usage)
        printf 'TTP  : %s ms\nTPG  : %s ms\nGPS  : %s\n' "$first" "$second" "$third"
        say "TC   : $(($(date +%s) - $3)) s"
        ;;
    esac
  done < <(jq -r '
    (if has("error") then ["error"] else empty end),
    (.data[]? | ["image", .index, .progress // 0, .progressed_steps // 0, .finish_reason // ""]),
    (.usage // empty | ["usage", .time_to_process_ms // 0, .time_per_generation_ms // 0,
      .generation_per_second // 0]) | map(tostring) | join("|")' <<<"$1")
}

# show_image PREFIX INDEX PROGRESS STEPS REASON: what an event, given as input, says of an image.
show_image() {
  [[ ${shown[$2]:-} == "$3" ]] || say "$2: $3%"
  shown[$2]=$3
  # A new step is a new picture; of the same one come parts.
  if [[ ${part_of[$2]:-$4} != "$4" ]]; then
    write_image "$2" "${part_of[$2]}" "$1"
  fi
  part_of[$2]=$4
  # The shell itself would read a megabyte letter by letter.
  jq -j --argjson index "$2" '.data[] | select(.index == $index) | .b64_json // empty' \
    >>"$parts/$2.$4"
  if [[ $5 == stop ]]; then
    write_image "$2" "$4" "$1"
    say "$1_$2.png"
    log "A: $1_$2.png"
    [[ ${OSTYPE:-} != darwin* ]] || open -a 'Google Chrome' "$1_$2.png"
  fi
}

# write_image INDEX STEPS PREFIX: a picture without data is none.
write_image() {
  [[ ! -s $parts/$1.$2 ]] || base64 -d <"$parts/$1.$2" >"$3_$1.png"
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
