#!/usr/bin/env bash
# Ask many questions at once and print what it cost: batch_chat.sh [N] [PROMPT | @FILE | RANDOM_<n>]
#
# N requests run in parallel. Without N: one to warm up, then rounds of 1 2 4 8 4 2 1. Without a
# prompt: a set of eight; @FILE takes the prompt from a file, RANDOM_<n> makes one of n words.
# A row has: cc (answers, asked), ms (of the round), tokens (prompt, generated), tok/s over the
# round, and the mean rates the server reports. Needs bash, curl and jq.
set -euo pipefail

API_URL=${API_URL:-http://127.0.0.1:8080}
API_KEY=${API_KEY:-}
TEMP=${TEMP:-1}
TOP_P=${TOP_P:-0.95}
MAX_TOKENS=${MAX_TOKENS:-1024}
SEED=${SEED:-$(date +%s)}
STREAM=${STREAM:-false}
WORK_DIR=${WORK_DIR:-/tmp}

presets=(
  "Tell me a story about a cat."
  "What is 9 + 8?"
  "Write a short poem about the sea."
  "Explain in two sentences how rain forms."
  "List five things to pack for a walk in the hills."
  "Who are you, and what can you do?"
  "Describe a village market on a winter morning."
  "Give me three tips for learning a language."
)
words=(river stone light garden window letter morning silver bridge winter music forest)

# prompt_of INDEX CHOICE: the text of one request.
prompt_of() {
  case $2 in
    '') printf '%s' "${presets[$(($1 % ${#presets[@]}))]}" ;;
    @*) cat -- "${2#@}" ;;
    RANDOM_*)
      local count=${2#RANDOM_} text='' i
      for ((i = 0; i < count; i++)); do text+="${words[RANDOM % ${#words[@]}]} "; done
      printf '%s' "${text% }"
      ;;
    *) printf '%s' "$2" ;;
  esac
}

# request ROUND INDEX CHOICE: one question; the answer lies in a file afterwards.
request() {
  local id="$1-$2" out="$WORK_DIR/response_$1-$2.json" in="$WORK_DIR/request_$1-$2.json"
  prompt_of "$2" "$3" | jq -Rs --argjson temperature "$TEMP" --argjson top_p "$TOP_P" \
    --argjson max_tokens "$MAX_TOKENS" --argjson seed "$SEED" --argjson stream "$STREAM" '
    {messages: [{role: "user", content: .}], $temperature, $top_p, $max_tokens, $seed}
    + if $stream then {$stream, stream_options: {include_usage: true}} else {} end' >"$in"
  curl --silent --max-time 3600 -H 'Content-Type: application/json' -H "X-Request-ID: $id" \
    --config <([[ -z $API_KEY ]] || printf 'header = "Authorization: Bearer %s"\n' "$API_KEY") \
    --data-binary "@$in" "$API_URL/v1/chat/completions" >"$out" || true
}

# usage_of FILE: the usage object of an answer, streamed or not; nothing when it is an error.
usage_of() {
  if [[ $STREAM == true ]]; then
    sed -n 's/^data: {/{/p' "$1" | jq -c 'select(.usage != null) | .usage'
  else
    jq -c 'select(.usage != null) | .usage' "$1" 2>/dev/null || true
  fi
}

milliseconds() { printf '%s' "$(($(date +%s%N) / 1000000))"; }

# round NAME COUNT CHOICE: COUNT questions at once, then a row.
round() {
  local began ended i
  began=$(milliseconds)
  for ((i = 0; i < $2; i++)); do request "$1" "$i" "$3" & done
  wait
  ended=$(milliseconds)
  for ((i = 0; i < $2; i++)); do usage_of "$WORK_DIR/response_$1-$i.json"; done |
    jq -rs --argjson asked "$2" --argjson ms "$((ended - began))" '
      def sum(f): map(f // 0) | add // 0;
      def mean(f): if length == 0 then 0 else sum(f) / length end;
      def pad(n): tostring | (" " * ([n - length, 0] | max)) + .;
      def cut: . * 100 | round / 100;
      "| \("\(length)/\($asked)" | pad(7))"
      + " | \($ms | pad(8))"
      + " | \("\(sum(.prompt_tokens)), \(sum(.completion_tokens))" | pad(16))"
      + " | \(sum(.completion_tokens) * 1000 / ([$ms, 1] | max) | cut | pad(10))"
      + " | \(mean(.prompt_tokens_per_second) | cut | pad(12))"
      + " | \(mean(.tokens_per_second) | cut | pad(11)) |"'
}

header() {
  printf '| %7s | %8s | %16s | %10s | %12s | %11s |\n' \
    cc ms 'tokens (pp, tg)' 'tok/s' 'pp tok/s avg' 'tg tok/s avg'
}

if [[ $# -gt 0 && ! $1 =~ ^[1-9][0-9]*$ ]]; then
  printf 'error: the first word must be a number, not %s\n' "$1" >&2
  exit 1
fi
if [[ ${2:-} == @* && ! -r ${2#@} ]]; then
  printf 'error: cannot read %s\n' "${2#@}" >&2
  exit 1
fi
printf 'API_URL=%s TEMP=%s TOP_P=%s MAX_TOKENS=%s SEED=%s STREAM=%s\n' \
  "$API_URL" "$TEMP" "$TOP_P" "$MAX_TOKENS" "$SEED" "$STREAM"
header
if [[ $# -gt 0 ]]; then
  round 1 "$1" "${2:-}"
  exit
fi
round 0 1 ''
number=0
for count in 1 2 4 8 4 2 1; do
  number=$((number + 1))
  round "$number" "$count" ''
done
