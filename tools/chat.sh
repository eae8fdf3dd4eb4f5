#!/usr/bin/env bash
# Chat with a server: chat.sh [PROMPT... | @FILE]
#
# With words: one question. Without: a conversation, ended by "exit", "quit" or the end of input.
# @FILE is JSON: its messages are appended to the conversation, its other keys go into the request.
# Needs bash, curl and jq. Settings come from the environment; the banner shows them.
set -euo pipefail

API_URL=${API_URL:-http://127.0.0.1:8080}
API_KEY=${API_KEY:-}
LOG_FILE=${LOG_FILE:-/dev/null}
FREQUENCY_PENALTY=${FREQUENCY_PENALTY:-0.0}
PRESENCE_PENALTY=${PRESENCE_PENALTY:-0.0}
LOGPROBS=${LOGPROBS:-false}
TOP_LOGPROBS=${TOP_LOGPROBS:-null}
MAX_TOKENS=${MAX_TOKENS:-null}
MAX_TOKENS_PER_SECOND=${MAX_TOKENS_PER_SECOND:-0}
RESPONSE_FORMAT=${RESPONSE_FORMAT:-text}
SEED=${SEED:-$(date +%s)}
STOP=${STOP:-null}
TEMP=${TEMP:-1}
TOP_P=${TOP_P:-0.95}
TOOLS_WITH=${TOOLS_WITH:-false}
SYSTEM_PROMPT_WITH=${SYSTEM_PROMPT_WITH:-true}
REQUEST_FILE=${REQUEST_FILE:-/tmp/request.json}
MAX_TOOL_ROUNDS=8

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
messages='[]'
overrides='{}'
tools='[]'
answer='' calls='[]' failed=false

say() { printf '%s\n' "$*"; }
log() { printf '%s\n' "$*" >>"$LOG_FILE"; }

# register_tool NAME JSON: called by each chat_tool_*.sh, which also defines a function NAME that
# gets the arguments and prints the result.
declare -A known_tools=()
register_tool() {
  known_tools[$1]=1
  tools=$(jq -c --argjson tool "$2" '. + [$tool]' <<<"$tools")
}

banner() {
  say "====================================================="
  local name
  for name in API_URL LOG_FILE FREQUENCY_PENALTY PRESENCE_PENALTY LOGPROBS TOP_LOGPROBS MAX_TOKENS \
    MAX_TOKENS_PER_SECOND RESPONSE_FORMAT SEED STOP TEMP TOP_P TOOLS_WITH SYSTEM_PROMPT_WITH; do
    printf '%-22s : %s\n' "$name" "${!name}"
  done
  say "====================================================="
}

add_message() { messages=$(jq -c --argjson message "$1" '. + [$message]' <<<"$messages"); }

# take PROMPT: append it, or what its file holds, to the conversation.
take() {
  if [[ $1 != @* ]]; then
    add_message "$(jq -cn --arg text "$1" '{role: "user", content: $text}')"
    return
  fi
  local file=${1#@}
  [[ -r $file ]] || { say "error: cannot read $file" >&2; return 1; }
  messages=$(jq -c --slurpfile file "$file" '. + ($file[0].messages // [])' <<<"$messages")
  overrides=$(jq -c '.[0] | del(.messages)' --slurp <"$file")
}

# Values of the environment are JSON where they are numbers, booleans or null.
write_request() {
  jq -cn --argjson messages "$messages" --argjson overrides "$overrides" --argjson tools "$tools" \
    --argjson frequency_penalty "$FREQUENCY_PENALTY" --argjson presence_penalty "$PRESENCE_PENALTY" \
    --argjson logprobs "$LOGPROBS" --argjson top_logprobs "$TOP_LOGPROBS" \
    --argjson max_tokens "$MAX_TOKENS" --arg format "$RESPONSE_FORMAT" --argjson seed "$SEED" \
    --argjson stop "$STOP" --argjson temperature "$TEMP" --argjson top_p "$TOP_P" '
    {$messages, $frequency_penalty, $presence_penalty, $logprobs, $top_logprobs, $max_tokens,
     $seed, $stop, $temperature, $top_p, response_format: {type: $format}}
    + (if $tools == [] then {} else {$tools, parallel_tool_calls: false} end)
    + $overrides
    + {stream: true, stream_options: {include_usage: true}}
    | with_entries(select(.value != null))' >"$REQUEST_FILE"
}

# print_usage JSON: the figures of an event that has a usage, or llama.cpp's timings.
print_usage() {
  jq -r '
    def figure(f): (f // 0) * 100 | round / 100;
    (.usage // {}) as $u | (.timings // {}) as $t
    | "\n-----------------------------------------------------",
      "TTFT : \(figure($u.time_to_first_token_ms // $t.prompt_ms)) ms",
      "TBT  : \(figure($u.time_per_output_token_ms // $t.predicted_per_token_ms)) ms",
      "TPS  : \(figure($u.tokens_per_second // $t.predicted_per_second))",
      (if $u.draft_tokens then "DT   : \($u.draft_tokens)",
        "DTA  : \(figure($u.draft_tokens_acceptance * 100)) %" else empty end)' <<<"$1"
  printf 'TC   : %s s\n' "$(($(date +%s) - began))"
}

# on_event JSON: print its text, gather its tool calls. Fails at the last event.
on_event() {
  local text
  IFS= read -r -d '' text < <(jq -j '.choices[0].delta.content // empty' <<<"$1" && printf '\0') || true
  printf '%s' "$text"
  answer+=$text
  if [[ $1 == *'"tool_calls"'* ]]; then
    calls=$(jq -c --argjson event "$1" '
      reduce ($event.choices[0].delta.tool_calls // [])[] as $delta (.;
        ($delta.index // 0) as $at
        | .[$at].id = (.[$at].id // $delta.id)
        | .[$at].type = "function"
        | .[$at].function.name = (.[$at].function.name // $delta.function.name)
        | .[$at].function.arguments = ((.[$at].function.arguments // "")
                                       + ($delta.function.arguments // "")))' <<<"$calls")
  fi
  if jq -e '(.usage // .timings) != null' >/dev/null <<<"$1"; then
    print_usage "$1"
    return 1
  fi
}

# Read one streamed answer into $answer and $calls.
ask() {
  local line began headers=(-H 'Content-Type: application/json')
  began=$(date +%s)
  answer='' calls='[]' failed=false
  write_request
  if [[ $MAX_TOKENS_PER_SECOND != 0 ]]; then
    headers+=(-H "X-Request-Tokens-Per-Second: $MAX_TOKENS_PER_SECOND")
  fi
  # The key goes through a descriptor: arguments are visible to every user of the machine.
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line%$'\r'}
    case $line in
      'data: [DONE]') break ;;
      'data: '*) on_event "${line#data: }" || break ;;
      'error: '*)
        say "$line" >&2
        failed=true
        break
        ;;
      '{'*'"error"'*)
        say "error: $(jq -r '.error.message // .detail // .' <<<"$line")" >&2
        failed=true
        break
        ;;
    esac
  done < <(curl --silent --show-error --no-buffer --max-time 3600 "${headers[@]}" \
    --config <([[ -z $API_KEY ]] || printf 'header = "Authorization: Bearer %s"\n' "$API_KEY") \
    --data-binary "@$REQUEST_FILE" "$API_URL/v1/chat/completions" 2>&1 |
    sed 's/^curl: /error: curl: /' || true)
  say
  if [[ $answer == '' && $calls == '[]' && $failed == false ]]; then
    say "(no text)"
  fi
}

# Run every tool call of the answer and append the results.
run_tools() {
  local call name id arguments result
  add_message "$(jq -cn --argjson calls "$calls" '{role: "assistant", content: "", tool_calls: $calls}')"
  while IFS= read -r call; do
    name=$(jq -r '.function.name' <<<"$call")
    id=$(jq -r '.id' <<<"$call")
    arguments=$(jq -r '.function.arguments' <<<"$call")
    say "calling $name $arguments"
    if [[ -n ${known_tools[$name]:-} ]]; then
      result=$("$name" "$arguments") || result="the tool failed"
    else
      result="there is no such tool"
    fi
    add_message "$(jq -cn --arg id "$id" --arg result "$result" \
      '{role: "tool", tool_call_id: $id, content: $result}')"
  done < <(jq -c '.[]' <<<"$calls")
}

# turn PROMPT: ask, follow tool calls, keep the answer in the conversation.
turn() {
  local round
  take "$1" || return 1
  log "Q: $1"
  for ((round = 0; round <= MAX_TOOL_ROUNDS; round++)); do
    ask
    if [[ $failed == true ]]; then return 1; fi
    if [[ $calls == '[]' ]]; then break; fi
    run_tools
  done
  log "A: $answer"
  add_message "$(jq -cn --arg text "$answer" '{role: "assistant", content: $text}')"
}

: >"$LOG_FILE"
if [[ $TOOLS_WITH == true ]]; then
  for file in "$here"/chat_tool_*.sh; do
    # shellcheck source=/dev/null
    source "$file"
  done
fi
if [[ $SYSTEM_PROMPT_WITH == true ]]; then
  add_message "$(jq -cn --arg text "You are a helpful assistant. Today is $(date +%Y-%m-%d)." \
    '{role: "system", content: $text}')"
fi
banner
if [[ $# -gt 0 ]]; then
  say "> $*"
  turn "$*"
  exit
fi
while IFS= read -r -e -p "> " prompt; do
  case $prompt in
    '') continue ;;
    exit | quit) break ;;
  esac
  turn "$prompt" || true
done
