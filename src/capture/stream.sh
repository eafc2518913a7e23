#!/bin/sh
# Writes the flash of this device to standard output, as one tar, and stores nothing.
# Made by `mtdkeep script --stream` (mtdkeep @VERSION@) for BusyBox's ash; any POSIX
# shell runs it. Flash is only read. On the PC, one of these:
#
#   ssh root@DEVICE sh -s < stream.sh | mtdkeep import - -o NEW-FOLDER
#   nc -l -p 9999 | mtdkeep import - -o NEW-FOLDER    and here: sh stream.sh | nc PC 9999
#
#   sh stream.sh [PARTITION...]     names, mtdN or /dev/mtdN; none: those below, or all
#
# Each partition is read once to see whether it can be, and then sent; where there are
# tee and md5sum, the digest is made of what is sent, else of a further reading.
#
# Exit codes: 0 done, 2 wrong usage, 3 partial (what is missing is named), 4 an I/O
# error, 5 refused, 130 interrupted. After 4 and 130 the tar is torn, and no backup.
#
# MTDKEEP_ROOT=DIR (for tests): DIR/proc/mtd and plain files DIR/dev/mtdN stand
# for the device.

# shellcheck disable=SC2317 # Functions are called by name.

[ $# -gt 0 ] || set -- @PARTITIONS@

set -u
LC_ALL=C
export LC_ALL
ROOT=${MTDKEEP_ROOT:-}
LATER=     # "yes" where a signal waits
NODES=     # private folder with nodes, while there is one
CODE=4     # what an end that nobody planned means
ME=stream
SUMS=      # lines of @MD5_SUMS@
RECORD=    # lines of @RECORD@
RESULT=0

@DEVICE@

at_end() {
    trap '' HUP INT PIPE TERM
    trap - 0
    drop_node
    exit "$CODE"
}

# zeros COUNT: so many zero bytes into the tar.
zeros() {
    [ "$1" = 0 ] || dd if=/dev/zero bs="$1" count=1 2>/dev/null >&3 ||
        fail 4 "nobody takes the tar any more"
}

# add_digits NUMBER: sets DIGITS to the sum of its digits.
add_digits() {
    DIGITS=0
    rest=$1
    while [ -n "$rest" ]; do
        tail=${rest#?}
        DIGITS=$((DIGITS + ${rest%"$tail"}))
        rest=$tail
    done
}

# member NAME SUM SIZE: a file's header; SUM is that of the name's letters. The sum of
# all that never changes in such a header is 3037.
member() {
    octal=$(printf %011o "$3")
    add_digits "$octal"
    sum=$((3037 + $2 + DIGITS))
    printf %s "$1" >&3
    zeros $((100 - ${#1}))
    printf '0000644\0000000000\0000000000\000%s\00000000000000\000%06o\000 0' "$octal" "$sum" >&3
    zeros 100
    printf 'ustar\00000' >&3
    zeros 247
}

# pad SIZE: members take whole blocks.
pad() { zeros $(((512 - $1 % 512) % 512)); }

# text NAME SUM TEXT: a small file.
text() {
    size=$(say "$3" | wc -c)
    size=$((size))
    member "$1" "$2" "$size"
    say "$3" >&3
    pad "$size"
}

# digest NAME HEX
digest() {
    [ -z "$MD5" ] || SUMS="$SUMS${2%% *}  $1
"
}

note() {
    RECORD="$RECORD$*
"
}

leave_out() {
    warn "mtd$N$SHOWN is NOT in this backup: $WHY"
    note "left mtd$N $WHY"
    RESULT=3
}

check_one() {
    case $SEEN in *" $N "*) fail 4 "/proc/mtd lists mtd$N twice" ;; esac
    SEEN="$SEEN$N "
    ! wanted || countable "$SIZE" || fail 5 "mtd$N is larger than this shell can count"
}

# Whether the block at $count can be read; sets GOT to its length.
can_read() {
    ecc
    errors=$ECC
    GOT=$(dd if="$NODE" bs="$block" skip="$count" count=1 2>/dev/null | wc -c)
    GOT=$((GOT))
    ecc
    [ "$GOT" = "$want" ] && [ "$ECC" = "$errors" ]
}

# What of mtdN can be read; zeros stand for the rest, and HOLES gets "OFFSET BYTES".
salvage() {
    block=$((0x$ERASE))
    [ "$block" -gt 0 ] || block=$WHOLE
    at=0
    count=0
    while [ "$at" -lt "$WHOLE" ]; do
        want=$((WHOLE - at))
        [ "$want" -le "$block" ] || want=$block
        if can_read; then
            dd if="$NODE" bs="$block" skip="$count" count=1 2>/dev/null
        else
            dd if=/dev/zero bs="$want" count=1 2>/dev/null
            say "$at $want" >&4
        fi
        at=$((at + want))
        count=$((count + 1))
    done
}

# Writes mtdN; what cannot be read is told on descriptor 4.
bytes() {
    if [ -n "$TORN" ]; then
        salvage
    else
        dd if="$NODE" bs=65536 2>/dev/null || say failed >&4
    fi
}

# Sends mtdN. Sets TOLD to what went wrong, and to the digest behind it.
send_bytes() {
    if [ -n "$TEE" ]; then
        TOLD=$({ bytes | tee /proc/self/fd/3 | md5sum >&4; } 4>&1)
    else
        TOLD=$({ bytes >&3; } 4>&1)
        [ -z "$MD5" ] || [ -n "$TORN" ] || TOLD="$TOLD
$(md5sum <"$NODE")"
    fi
}

stream_one() {
    if ! wanted; then
        note "skipped mtd$N"
        return 0
    fi
    if ! find_node; then
        leave_out
        return 0
    fi
    WHOLE=$((0x$SIZE))
    ecc
    errors=$ECC
    TORN=
    GOT=$(dd if="$NODE" bs=65536 2>/dev/null | wc -c)
    ecc
    if [ $((GOT)) != "$WHOLE" ] || [ "$ECC" != "$errors" ]; then
        TORN=yes
    fi
    add_digits "$N"
    member "mtd$N.bin" $((684 + 48 * ${#N} + DIGITS)) "$WHOLE"
    send_bytes
    pad "$WHOLE"
    drop_node
    note "image mtd$N $WHOLE"
    lost=0
    sum=
    while read -r at hole; do
        case $at in
            '') ;;
            failed) fail 4 "mtd$N could be read, and then no more; start this again" ;;
            ????????????????????????????????) sum=$at ;;
            *) note "hole mtd$N $at $hole" && lost=$((lost + hole)) ;;
        esac
    done <<END
$TOLD
END
    [ "$lost" = 0 ] || RESULT=3
    if [ "$lost" = "$WHOLE" ] && [ "$lost" != 0 ]; then
        warn "mtd$N$SHOWN: nothing of it can be read; zeros stand for it"
    elif [ "$lost" != 0 ]; then
        warn "mtd$N$SHOWN: $lost of its $WHOLE bytes cannot be read; zeros stand for them"
    fi
    [ -z "$sum" ] || digest "mtd$N.bin" "$sum"
    say "mtd$N.bin: $WHOLE bytes$SHOWN${sum:+, md5 $sum}"
    COUNT=$((COUNT + 1))
}

[ ! -t 1 ] || fail 2 "a tar is nothing for a terminal: sh stream.sh | nc PC 9999"
# The tar has a descriptor of its own; what people read goes where errors go.
exec 3>&1 1>&2
take_table
take_words "$@"
SEEN=' '
each check_one
[ "$SEEN" != ' ' ] || fail 4 "/proc/mtd lists no MTD device"
[ "$(printf '%03o\101' 8 2>/dev/null)" = 010A ] || fail 4 "this needs a printf that knows octal"
case $(md5sum </dev/null 2>/dev/null) in
    d41d8cd98f00b204e9800998ecf8427e*) MD5=yes ;;
    *) MD5= ;;
esac
# tee opens what it is given by its name: only a pipe is the same then.
TEE=
if [ -n "$MD5" ] && [ -p /proc/self/fd/3 ] && [ "$(say x | tee /dev/null 2>/dev/null)" = x ]; then
    TEE=yes
fi
trap at_end 0
trap stopped HUP INT PIPE TERM
note "@RECORD_HEAD@"
note "tool mtdkeep @VERSION@"
note "folder made"
note "md5sum ${MD5:-no}"
text @TABLE@ @TABLE_SUM@ "$TABLE"
[ -z "$MD5" ] || digest @TABLE@ "$(say "$TABLE" | md5sum)"
COUNT=0
each stream_one
[ "$(cat "$ROOT/proc/mtd")" = "$TABLE" ] || fail 4 "/proc/mtd changed in the meantime"
[ "$COUNT" -gt 0 ] || fail 4 "no partition could be read"
[ -z "$MD5" ] || text @MD5_SUMS@ @MD5_SUMS_SUM@ "${SUMS%?}"
note complete
text @RECORD@ @RECORD_SUM@ "${RECORD%?}"
zeros 1024
CODE=$RESULT
[ -n "$MD5" ] || say "There is no md5sum here: nothing proves the bytes on the way to the PC."
say "$COUNT partition(s) were sent; the PC says whether they are whole. Nothing is left here."
exit "$CODE"
