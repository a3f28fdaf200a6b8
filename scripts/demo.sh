#!/usr/bin/env bash
# Shows the whole of it on this machine, in a temporary folder, and cleans up after itself.
set -euo pipefail

cd "$(dirname "$0")/.."
cache=${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}
target=${CARGO_TARGET_DIR:-$cache/target}/debug

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n# %s\n' "$*"; }
# Prints a command as one would type it, and runs it.
run() {
    printf '$'
    for word in "$@"; do
        case $word in *[[:space:]\[\]]*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "$@"
}

echo "building (the first time on a machine takes about a quarter of an hour, most of it RocksDB) ..."
scripts/cargo.sh build --quiet --locked --workspace --all-targets
export PATH=$target:$PATH

work=$(mktemp -d "${TMPDIR:-/tmp}/c2b-demo.XXXXXX")
mnt=$work/mnt
export C2B_SOCKET=$work/c2bd.sock
lab= daemon=
cleanup() {
    status=$?
    trap - EXIT INT TERM
    if mountpoint -q "$mnt" 2>/dev/null; then c2bctl unmount "$mnt" >/dev/null 2>&1 || true; fi
    for pid in $daemon $lab; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [ "$status" != 0 ] && [ -s "$work/c2bd.log" ]; then
        echo "the demo failed; the end of the daemon's log:" >&2
        tail -n 20 "$work/c2bd.log" >&2
    fi
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Sends one EWS request for Alice's mailbox, as any mail program would.
ews() {
    curl --silent --fail --user admin:secret --header 'Content-Type: text/xml; charset=utf-8' --data-binary @- "$url" <<XML
<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">
<s:Header><t:RequestServerVersion Version="Exchange2013_SP1"/><t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>$1</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header>
<s:Body>$2</s:Body></s:Envelope>
XML
}

say "A lab Exchange server with a small company's mail"
run c2b-lab generate "$work/company" --mailboxes 3 --messages 60 --seed 1
c2b-lab serve --org "$work/company" --listen 127.0.0.1:0 >"$work/lab.log" 2>&1 &
lab=$!
until url=$(sed -n 's/^listening on //p' "$work/lab.log") && [ -n "$url" ]; do
    kill -0 "$lab" 2>/dev/null || { cat "$work/lab.log" >&2; exit 1; }
    read -rt 0.05 <> <(:) || true
done
echo "it serves EWS at $url"

say "The backup daemon"
c2bd --foreground --config "$work/etc" --state "$work/var" --socket "$C2B_SOCKET" >"$work/c2bd.log" 2>&1 &
daemon=$!
until [ -S "$C2B_SOCKET" ]; do
    kill -0 "$daemon" 2>/dev/null || { cat "$work/c2bd.log" >&2; exit 1; }
    read -rt 0.05 <> <(:) || true
done
(umask 077 && echo secret >"$work/password" && echo 'correct horse battery staple' >"$work/storage-password")

say "A connection, a storage, a job"
run c2bctl connection create lab --kind ews --url "$url" --user admin --password-file "$work/password"
run c2bctl connection check lab
run c2bctl mailbox list --connection lab
run c2bctl storage create main "$work/storage" --seal --password-file "$work/storage-password"
run c2bctl job create everyone --connection lab --storage main --all-except --one-time

say "The first backup"
run c2bctl job start everyone --wait

say "The archive as folders"
mkdir "$mnt"
run c2bctl mount main "$mnt" -o "passfile=$work/storage-password"
run ls "$mnt/mailboxes"
mailbox=$(cd "$mnt/mailboxes" && ls -d */latest/Inbox | head -n 1 | cut -d/ -f1)
run ls -l "$mnt/mailboxes/$mailbox/latest"
inbox=$mnt/mailboxes/$mailbox/latest/Inbox
echo "\$ ls -l \"$inbox\" | head"
ls -l "$inbox" | sed -n 1,8p
mail=$(find "$inbox" -maxdepth 1 -name '*.eml' | sort | tail -n 1)
echo "\$ head -n 12 \"$mail\""
sed -n 1,12p "$mail"
run getfattr --absolute-names -d "$mail"

say "Somebody works: a new mail comes in, the oldest one is deleted, another one becomes important"
ews "$mailbox" '<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId><t:DistinguishedFolderId Id="inbox"/></m:SavedItemFolderId><m:Items><t:Message><t:MimeContent>'"$(printf 'From: Zoe <zoe@example.net>\r\nTo: %s\r\nSubject: Lunch on Friday?\r\nDate: Sat, 21 Nov 2026 09:30:00 +0000\r\nMessage-ID: <lunch@example.net>\r\n\r\nThe new place by the river?\r\n' "$mailbox" | base64 -w0)"'</t:MimeContent></t:Message></m:Items></m:CreateItem>' >/dev/null
oldest=$(find "$inbox" -maxdepth 1 -name '*.eml' | sort | head -n 1)
id=$(getfattr --absolute-names --only-values -n user.c2b.source-id "$oldest")
ews "$mailbox" '<m:DeleteItem DeleteType="HardDelete"><m:ItemIds><t:ItemId Id="'"$id"'"/></m:ItemIds></m:DeleteItem>' >/dev/null
echo "deleted: $(basename "$oldest")"
id=$(getfattr --absolute-names --only-values -n user.c2b.source-id "$mail")
ews "$mailbox" '<m:UpdateItem ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly" SuppressReadReceipts="true"><m:ItemChanges><t:ItemChange><t:ItemId Id="'"$id"'"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="item:Importance"/><t:Message><t:Importance>High</t:Importance></t:Message></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>' >/dev/null
echo "changed: $(basename "$mail")"

say "The next cycle fetches only what changed"
run c2bctl job start everyone --wait
until find "$inbox" -maxdepth 1 -name '*Lunch on Friday*' | grep -q .; do read -rt 0.2 <> <(:) || true; done
echo "\$ ls -l \"$inbox\" | grep Lunch"
ls -l "$inbox" | grep Lunch
[ ! -e "$oldest" ] && echo "the deleted mail is gone from latest/ ..."
echo "... and is still there as of the first backup:"
run find "$mnt/mailboxes/$mailbox/at" -mindepth 4 -maxdepth 4
found=$(find "$mnt/mailboxes/$mailbox/at" -name "$(basename "$oldest" | sed 's/[][*?]/\\&/g')")
[ -n "$found" ]
run ls -l "$found"

say "Nothing of it can be read in the storage's files"
echo "\$ grep -rlE 'Lunch on Friday|$mailbox' $work/storage"
if grep -rlE "Lunch on Friday|$mailbox" "$work/storage"; then exit 1; fi
echo "(nothing found)"

say "How it stands"
run c2bctl status
run c2bctl storage show main
run c2bctl storage check main --read-data

say "What is kept, and for how long: seen before it goes, marked, undone or freed"
run c2bctl storage retention set main --versions-max 1 --yes
run c2bctl storage prune main --dry-run
run c2bctl storage prune main
run c2bctl storage free main

say "A second place, and a mailbox that must go from all history"
run c2bctl storage copy main "$work/second"
run c2bctl storage erase main "$mailbox" --dry-run
run c2bctl storage erase main "$mailbox" --yes
run c2bctl storage erased main
run c2bctl job start everyone --wait
until [ ! -e "$mnt/mailboxes/$mailbox" ]; do read -rt 0.2 <> <(:) || true; done
echo "a mount shows within a second what was done, and the next backup does not bring it back:"
run ls "$mnt/mailboxes"
run c2bctl storage copy main "$work/second"
run c2bctl storage import second "$work/second"
run c2bctl storage check second --read-data
run c2bctl storage list
run c2bctl unmount "$mnt"

say "By itself from now on: at night, in the time of Warsaw"
run c2bctl job create nightly --connection lab --storage main --all-except --continuous --daily --between 22:00-06:00 --time-zone Europe/Warsaw
run c2bctl job schedule nightly -n 3
echo "a job is a file, too:"
run c2bctl job show nightly --toml

say "What monitoring sees, and who did what"
run c2bctl monitor --max-age 26h --job everyone
run c2bctl audit show -n 5
run c2bctl audit verify

say "That was all: everything is being removed again from $work"
