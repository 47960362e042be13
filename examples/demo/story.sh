# shellcheck shell=bash
# How a demo tells its story; sourced by demo.sh and demo-host.sh.
#
#   tell TEXT...         a line of explanation
#   run [-CODE] COMMAND  the command as typed, then what it really prints; it must exit with CODE (0 unless given)
#   expect TEXT          the last command printed this, or the demo fails
#   check WHAT COMMAND   a silent check that WHAT the story says is so, or the demo fails

bold='' dim='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
    export FORCE_COLOR=1 # what is captured to be checked still comes in colour
else
    export NO_COLOR=1
fi

fail() {
    printf '\ndemo: %s\n' "$*" >&2
    exit 1
}

tell() {
    printf "\n$bold# %s$plain\n" "$@"
    first=yes
}

run() {
    local wanted=0 code=0
    if [[ $1 == -[0-9]* ]]; then
        wanted=${1#-}
        shift
    fi
    [[ $first ]] || printf '\n'
    first=''
    printf '%s$%s %s\n' "$dim" "$plain" "$1"
    output=$(bash -o pipefail -c "$1" 2>&1) || code=$?
    [[ -z $output ]] || printf '%s\n' "$output"
    ((code == wanted)) || fail "this should have ended with exit code $wanted, but it was $code."
    output=$(sed 's/\x1b\[[0-9;]*m//g' <<<"$output")
}

expect() {
    grep -qF -- "$1" <<<"$output" || fail "this should have said: $1"
}

check() {
    bash -o pipefail -c "$2" >/dev/null 2>&1 || fail "this is not so: $1"
}
