#!/bin/sh
# A chat bot in shell, with nc and jq: answers !uptime.
#
# Run it:  sh examples/chat_uptime.sh [HOST [PORT]]     (default: localhost 22223)
# Try it:  trionet chat serve     (in one terminal)
#          trionet chat join      (in another; then say !uptime)
set -eu

# The answers go back to nc through a named pipe.
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
mkfifo "$folder/answers"

# A first line that is a JSON object selects the chat's format for programs.
login='{"type": "login", "name": "uptime", "rooms": ["lobby"]}'

{ echo "$login"; cat "$folder/answers"; } |
    nc "${1:-localhost}" "${2:-22223}" |
    jq --unbuffered --raw-output '
        if .type == "error" then "error: \(.reason)\n" | halt_error
        elif .type == "closing" then halt
        elif .type == "said" and .text == "!uptime" then .room
        else empty end' |
    while read -r room; do
        jq --null-input --compact-output --arg room "$room" --arg text "$(uptime)" \
            '{type: "say", room: $room, text: $text}'
    done >"$folder/answers"
