# shellcheck shell=sh disable=SC2317 # Functions are called by name.
(
# Sends the flash of this device to a PC, where `mtdkeep receive` takes it. Made by
# `mtdkeep script --send` (mtdkeep @VERSION@) for BusyBox's ash; any POSIX shell runs
# it, also one into which all of it is pasted, down to the last line. Flash is only
# read, and nothing is stored here.
#
# Exit codes: 0 done, 1 the flash changed between two readings, 2 wrong usage,
# 3 partial (what is missing is named), 4 an I/O error, 5 refused, 130 interrupted.
#
# MTDKEEP_ROOT=DIR (for tests): DIR/proc/mtd and plain files DIR/dev/mtdN stand
# for the device. MTDKEEP_HOW=nc or wget: with no other.

HOST=@HOST@
PORT=@PORT@
TOKEN=@TOKEN@
set -- @PARTITIONS@

set -u
umask 077
LC_ALL=C
export LC_ALL
ROOT=${MTDKEEP_ROOT:-}
LATER=     # "yes" where a signal waits
NODES=     # private folder with nodes, while there is one
CODE=4     # what an end that nobody planned means
ME=send
HOW=       # nc, or wget
ENCODE=    # what makes text of bytes, for wget
SUMS=      # md5sum or sha256sum, where there is one
SESSION=   # the number of this run, by the PC
ANSWER=    # what the PC answered last
RESULT=0

@DEVICE@

at_end() {
    trap '' HUP INT PIPE TERM
    trap - 0
    drop_node
    exit "$CODE"
}

# Sets ANSWER to what the PC said; to nothing where it did not.
take_answer() {
    case $1 in
        *"mtdkeep: "*) ANSWER=${1##*mtdkeep: } ;;
        *) ANSWER= ;;
    esac
    case $ANSWER in 'no '*) fail 5 "the PC says: ${ANSWER#no }" ;; esac
}

# Bytes as letters: wget's own would end at the first zero byte.
encode() {
    case $ENCODE in
        base64) base64 ;;
        uuencode) uuencode -m x ;;
        hexdump) hexdump -v -e '1/1 "%02x"' ;;
        *) od -An -v -tx1 ;;
    esac
}

# Sets ENCODE and FORM to what this device can do.
find_encoder() {
    for ENCODE in base64 uuencode hexdump od; do
        case $(say mtdkeep | encode 2>/dev/null) in
            *bXRka2VlcAo=*) FORM=base64 && return 0 ;;
            *6d74646b6565700a* | *'6d 74 64 6b 65 65 70 0a'*) FORM=hex && return 0 ;;
        esac
    done
    return 1
}

# ask PATH: asks the PC something.
ask() {
    case $HOW in
        nc) RAW=$(say "GET /$TOKEN/$1 HTTP/1.0
" | nc "$HOST" "$PORT" 2>/dev/null) ;;
        *) RAW=$(wget -q -O - "http://$HOST:$PORT/$TOKEN/$1" 2>/dev/null </dev/null) ;;
    esac
    take_answer "$RAW"
}

# tell PATH TEXT: sends a text.
tell() {
    case $HOW in
        nc) RAW=$(say "POST /$TOKEN/$1 HTTP/1.0
Content-Length: $((${#2} + 1))

$2" | nc "$HOST" "$PORT" 2>/dev/null) ;;
        *) RAW=$(wget -q -O - --post-data "$2
" "http://$HOST:$PORT/$TOKEN/$1" 2>/dev/null </dev/null) ;;
    esac
    take_answer "$RAW"
}

# post PASS OFFSET LENGTH COMMAND...: sends what a command writes.
post() {
    path=$SESSION/mtd$N/$1
    place=$2/$3
    bytes=$3
    shift 3
    case $HOW in
        nc)
            RAW=$({
                say "POST /$TOKEN/$path/raw/$place HTTP/1.0
Content-Length: $bytes
"
                "$@"
            } 2>/dev/null | nc "$HOST" "$PORT" 2>/dev/null)
            ;;
        *)
            DATA=$("$@" 2>/dev/null | encode)
            RAW=$(wget -q -O - --post-data "$DATA" \
                "http://$HOST:$PORT/$TOKEN/$path/$FORM/$place" 2>/dev/null </dev/null)
            ;;
    esac
    take_answer "$RAW"
}

# Begins; false where the PC does not answer.
hello() {
    case $HOW in
        nc) type nc >/dev/null 2>&1 || return 1 ;;
        *) type wget >/dev/null 2>&1 && find_encoder || return 1 ;;
    esac
    tell hello "$TABLE"
    case $ANSWER in 'ok '*) SESSION=${ANSWER#ok } ;; *) return 1 ;; esac
}

# must PATH: says something of mtdN that the PC has to take; after a while again.
must() {
    for pause in 0 1 2 4 8 16; do
        [ "$pause" = 0 ] || sleep "$pause"
        ask "$SESSION/mtd$N/$1"
        [ -z "$ANSWER" ] || return 0
    done
    fail 4 "$HOST:$PORT does not answer any more; start this again to go on"
}

check_one() {
    case $SEEN in *" $N "*) fail 4 "/proc/mtd lists mtd$N twice" ;; esac
    SEEN="$SEEN$N "
    ! wanted || countable "$SIZE" || fail 5 "mtd$N is larger than this shell can count"
}

# Sets UNIT to what is read at once: an erase block, or what wget takes.
find_unit() {
    UNIT=$((0x$ERASE))
    [ "$UNIT" -gt 0 ] || UNIT=65536
    if [ "$HOW" != nc ] && [ "$UNIT" -gt 32768 ] && [ $((UNIT % 32768)) = 0 ]; then
        UNIT=32768
    fi
}

# Whether ECC cannot correct something in the block at $count.
is_torn() {
    ecc
    errors=$ECC
    dd if="$NODE" of=/dev/null bs="$UNIT" skip="$count" count=1 2>/dev/null
    ecc
    [ "$ECC" != "$errors" ]
}

# Sets CAREFUL where ECC cannot correct something in mtdN: dd gets such bytes without an
# error, so that its blocks are looked at one by one.
look_at_ecc() {
    CAREFUL=
    ecc
    errors=$ECC
    [ -n "$ECC" ] || return 0
    dd if="$NODE" of=/dev/null bs=65536 2>/dev/null
    ecc
    [ "$ECC" = "$errors" ] || CAREFUL=yes
    errors=$ECC
}

# pass first|second: sends what the PC has not got yet of mtdN. What cannot be read
# becomes a hole.
pass() {
    tries=0
    last=
    must "$1/at"
    while :; do
        case $ANSWER in 'at '*) at=${ANSWER#at } ;; *) must "$1/at" && continue ;; esac
        [ "$at" -lt "$WHOLE" ] || return 0
        [ "$at" = "$last" ] || tries=0
        last=$at
        count=$((at / UNIT))
        from=$((count * UNIT))
        want=$((WHOLE - from))
        block=$want
        [ "$block" -le "$UNIT" ] || block=$UNIT
        if [ -n "$CAREFUL" ] && is_torn; then
            HOLES=yes
            must "$1/hole/$from/$block"
            continue
        fi
        if [ "$HOW" = nc ] && [ "$tries" = 0 ] && [ -z "$CAREFUL" ]; then
            post "$1" "$from" "$want" dd if="$NODE" bs="$UNIT" skip="$count"
        else
            post "$1" "$from" "$block" dd if="$NODE" bs="$UNIT" skip="$count" count=1
        fi
        tries=$((tries + 1))
        [ "$ANSWER" = "at $last" ] || [ -z "$ANSWER" ] || continue
        [ "$tries" -gt 1 ] || continue
        # Twice nothing came on. Whose fault?
        if dd if="$NODE" of=/dev/null bs="$UNIT" skip="$count" count=1 2>/dev/null; then
            [ "$tries" -lt 6 ] || fail 4 "mtd$N does not get through to $HOST:$PORT"
            sleep "$tries"
        else
            HOLES=yes
            must "$1/hole/$from/$block"
        fi
    done
}

# Has the PC compare what it has with the flash as it is now.
prove() {
    if [ -n "$HOLES" ]; then
        must unproven
        return 0
    fi
    sum=
    [ -z "$SUMS" ] || sum=$("$SUMS" <"$NODE" 2>/dev/null) || sum=
    sum=${sum%% *}
    if [ -n "$sum" ]; then
        must "${SUMS%sum}/$sum"
    else
        pass second
        must twice
    fi
}

send_one() {
    if ! wanted; then
        must skipped
        return 0
    fi
    if ! find_node; then
        warn "mtd$N$SHOWN is NOT in this backup: $WHY"
        must left/no-node
        RESULT=3
        return 0
    fi
    WHOLE=$((0x$SIZE))
    find_unit
    say "mtd$N$SHOWN: $WHOLE bytes"
    look_at_ecc
    while :; do
        HOLES=
        pass first
        prove
        [ "$ANSWER" = again ] || break
        warn "mtd$N$SHOWN: the PC got other bytes than the flash has now; once more"
    done
    if [ -z "$CAREFUL" ]; then
        ecc
        [ "$ECC" = "$errors" ] || fail 4 "mtd$N: ECC could not correct something; start this again"
    fi
    drop_node
    if [ -n "$HOLES" ]; then
        warn "mtd$N$SHOWN: not all of it can be read; zeros stand for the rest"
        RESULT=3
    elif [ "$ANSWER" = differs ]; then
        warn "mtd$N$SHOWN: changes while it is read; what came last is kept"
        [ "$RESULT" = 3 ] || RESULT=1
    fi
}

take_table
take_words "$@"
SEEN=' '
each check_one
[ "$SEEN" != ' ' ] || fail 4 "/proc/mtd lists no MTD device"
for SUMS in sha256sum md5sum ''; do
    case $("$SUMS" </dev/null 2>/dev/null) in
        e3b0c44298fc1c149afbf4c8996fb924* | d41d8cd98f00b204e9800998ecf8427e*) break ;;
    esac
done
for HOW in ${MTDKEEP_HOW:-nc wget}; do
    ! hello || break
done
[ -n "$SESSION" ] || fail 4 "$HOST:$PORT does not answer: is mtdkeep receive running there?" \
    "(this needs nc, or a wget that knows --post-data)"
trap at_end 0
trap stopped HUP INT PIPE TERM
each send_one
[ "$(cat "$ROOT/proc/mtd")" = "$TABLE" ] || fail 4 "/proc/mtd changed in the meantime"
for pause in 0 1 2 4 8; do
    [ "$pause" = 0 ] || sleep "$pause"
    ask "$SESSION/done"
    [ "$ANSWER" != ok ] || break
done
[ "$ANSWER" = ok ] || fail 4 "$HOST:$PORT does not answer any more: see there what it has"
CODE=$RESULT
say "All of it was sent; the PC says whether it is whole. Nothing is left here."
exit "$CODE"
) </dev/null
