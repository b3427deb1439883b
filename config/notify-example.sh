#!/usr/bin/env bash
# An example of a hook: `notify: [{ command: [/usr/local/bin/notify-example] }]`. Tells a person by mail and a chat by its web hook, when
# these are set up; what it prints goes to the log of the node. Gets one JSON document on standard input:
#   {"version":1,"event":"active","cluster":"shop","node":"lb1","at":"...","router":"front","from":"backup","to":"active",
#    "reason":"activeSilent","heardMs":311.2,"claimMs":0.6,"announceMs":0.2,"priority":150,"tracked":[],"flows":1234,"dropped":0}
set -euo pipefail

document=$(cat)
field() { sed -nE "s/.*\"$1\":\"?([^\",}]*)\"?.*/\1/p" <<<"$document"; }
text="$(field node) of $(field cluster): $(field router) is $(field event) ($(field reason))"
echo "$text"

if [[ -n ${NOTIFY_MAIL:-} ]]; then
  printf 'Subject: %s\n\n%s\n' "$text" "$document" | sendmail "$NOTIFY_MAIL"
fi
if [[ -n ${NOTIFY_URL:-} ]]; then
  curl --silent --show-error --max-time 5 --header 'content-type: application/json' --data "$document" "$NOTIFY_URL"
fi
