#!/bin/sh
# Copies the flash of this device into files, as safely as a shell can.
# Made by `mtdkeep script` (mtdkeep @VERSION@) for BusyBox's ash; any POSIX shell
# runs it. Flash is only read.
#
#   sh capture.sh [PARTITION...]    names, mtdN or /dev/mtdN; none: those below, or all
#
# Exit codes: 0 done, 1 the flash changed between two readings, 2 wrong usage,
# 3 partial (what is missing is named), 4 an I/O error, 5 refused, 130 interrupted.
# After 2, 4, 5 and 130 nothing is left behind.
#
# MTDKEEP_ROOT=DIR (for tests): DIR/proc/mtd and plain files DIR/dev/mtdN stand
# for the device. MTDKEEP_SPACE=unknown: go on where df tells no free space.

# shellcheck disable=SC2317 # Functions are called by name.

DIR=@DIR@
# shellcheck disable=SC1003 # Quoted twice: for this shell, and for whoever reads it.
QUOTED_DIR=@QUOTED_DIR@
READINGS=@READINGS@
[ $# -gt 0 ] || set -- @PARTITIONS@

set -u
umask 022
LC_ALL=C
export LC_ALL
ROOT=${MTDKEEP_ROOT:-}
MARK=@RECORD@
MADE=      # files in DIR that this run made; plain names without blanks
LATER=     # "yes" where a signal waits
NODES=     # private folder with nodes, while there is one
FOLDER=    # "made" where this run made DIR
CODE=4     # what an end that nobody planned means
ITEMS=     # of the page's list, one a line
LOST=      # of the page's list of what is missing
ME=capture
STATE=     # "kept": the files stay; "undone": they are gone

@DEVICE@

undo() {
    STATE=undone
    for file in $MADE; do
        rm -f "$DIR/$file"
    done
    [ "$FOLDER" != made ] || rmdir "$DIR" 2>/dev/null
}

at_end() {
    trap '' HUP INT PIPE TERM
    trap - 0
    drop_node
    if [ -z "$STATE" ] && [ -n "$FOLDER" ]; then
        undo
        warn "what this run had stored was removed"
    fi
    exit "$CODE"
}

check_one() {
    case $SEEN in *" $N "*) fail 4 "/proc/mtd lists mtd$N twice" ;; esac
    SEEN="$SEEN$N "
    wanted || return 0
    countable "$SIZE" || fail 5 "mtd$N is larger than this shell can count"
    NEED=$((NEED + 0x$SIZE / 1024 + 2))
}

# Sets FREE to the KiB free where $1 is, or to nothing. df may break its line
# after a long device name: the figure stands before the one that ends in %.
free_space() {
    FREE=
    answer=$(df -Pk "$1" 2>/dev/null) || answer=$(df -k "$1" 2>/dev/null) ||
        answer=$(df "$1" 2>/dev/null) || return 0
    before=
    for word in $answer; do
        case $word in
            [0-9]*% | -%) FREE=$before && break ;;
        esac
        before=$word
    done
    case $FREE in *[!0-9]*) FREE= ;; esac
}

# Sets BYTES to the length of a file.
length() {
    BYTES=
    listed=$(listing "$1") || return 1
    set -f
    # shellcheck disable=SC2086 # Its words are wanted; the length is the fifth.
    set -- $listed
    set +f
    BYTES=${5:-}
}

# note TEXT...: a line for the record of this capture.
note() { say "$*" >>"$DIR/$MARK.part" || fail 4 "cannot write $DIR/$MARK.part"; }

# item FILE TEXT: a link for the page.
item() {
    ITEMS="$ITEMS<li><a href=\"$1\" download>$1</a>${2:-}</li>
"
}

# digest FILE: a line for @MD5_SUMS@.
digest() {
    [ -n "$MD5" ] || return 0
    SUM=$(md5sum <"$DIR/$1") || fail 4 "cannot read $DIR/$1 again"
    SUM=${SUM%% *}
    say "$SUM  ${2:-$1}" >>"$DIR/@MD5_SUMS@" || fail 4 "cannot write $DIR/@MD5_SUMS@"
}

leave_out() {
    warn "mtd$N$SHOWN is NOT in this backup: $WHY"
    LOST="$LOST<p class=r>Not in this backup: mtd$N$SHOWN</p>"
    note "left mtd$N $WHY"
    RESULT=3
}

# Reads mtdN erase block by erase block into $DIR/$1.part, where all at once failed, or
# ECC did. What cannot be read becomes zeros; HOLES gets "OFFSET BYTES" lines of it. False where
# nothing can be read.
salvage() {
    HOLES=
    block=$((0x$ERASE))
    whole=$((0x$SIZE))
    [ "$block" -gt 0 ] && : >"$DIR/$1.part" || return 1
    at=0
    count=0
    hole=0
    lost=0
    while [ "$at" -lt "$whole" ]; do
        want=$((whole - at))
        [ "$want" -le "$block" ] || want=$block
        ecc
        errors=$ECC
        if dd if="$NODE" of="$DIR/$1.block" bs="$block" skip="$count" count=1 2>/dev/null &&
            length "$DIR/$1.block" && [ "$BYTES" = "$want" ] && ecc && [ "$ECC" = "$errors" ]; then
            [ "$hole" = 0 ] || HOLES="$HOLES$((at - hole)) $hole
"
            hole=0
            cat "$DIR/$1.block" >>"$DIR/$1.part" || fail 4 "cannot store mtd$N in $DIR"
        else
            hole=$((hole + want))
            lost=$((lost + want))
            dd if=/dev/zero bs="$want" count=1 2>/dev/null >>"$DIR/$1.part" ||
                fail 4 "cannot store mtd$N in $DIR"
        fi
        at=$((at + want))
        count=$((count + 1))
    done
    rm -f "$DIR/$1.block"
    [ "$hole" = 0 ] || HOLES="$HOLES$((at - hole)) $hole
"
    [ "$lost" -lt "$whole" ]
}

capture_one() {
    if ! wanted; then
        note "skipped mtd$N"
        return 0
    fi
    if ! find_node; then
        leave_out
        return 0
    fi
    file=mtd$N.bin
    MADE="$MADE $file.part $file.block $file"
    HOLES=
    ecc
    errors=$ECC
    torn=
    if dd if="$NODE" of="$DIR/$file.part" bs=65536 2>/dev/null; then
        ecc
        [ "$ECC" = "$errors" ] || torn=", by ECC"
    else
        # Whose fault? Flash that cannot be read costs this partition only.
        if dd if="$NODE" of=/dev/null bs=65536 2>/dev/null; then
            fail 4 "cannot store mtd$N in $DIR; is it full?"
        fi
        torn=" "
    fi
    if [ -n "$torn" ]; then
        if ! salvage "$file"; then
            rm -f "$DIR/$file.part"
            drop_node
            WHY="reading the flash failed"
            leave_out
            return 0
        fi
        # An error that did not come again cost nothing.
        if [ "$lost" != 0 ]; then
            torn=${torn% }
            warn "mtd$N$SHOWN: $lost of its $whole bytes cannot be read$torn; they are zeros in $file"
            RESULT=3
        fi
    fi
    length "$DIR/$file.part" || fail 4 "cannot look at $DIR/$file.part"
    [ "$BYTES" = $((0x$SIZE)) ] ||
        fail 4 "mtd$N has $((0x$SIZE)) bytes by /proc/mtd, but $BYTES were stored in $DIR"
    mv "$DIR/$file.part" "$DIR/$file" || fail 4 "cannot name $DIR/$file"
    digest "$file"
    again=
    if [ "$READINGS" = 2 ] && [ -n "$MD5" ] && [ -z "$HOLES" ]; then
        again=$(dd if="$NODE" bs=65536 2>/dev/null | md5sum)
        if [ "${again%% *}" = "$SUM" ]; then
            again=" same"
        else
            again=" differs"
            warn "mtd$N$SHOWN: the second reading differs; the first one is kept"
            [ "$RESULT" = 3 ] || RESULT=1
        fi
    fi
    drop_node
    note "image mtd$N $BYTES$again"
    while read -r at hole; do
        [ -z "$at" ] || note "hole mtd$N $at $hole"
    done <<END
$HOLES
END
    item "$file" "$SHOWN, $BYTES bytes${SUM:+<br><code>md5 $SUM</code>}"
    say "$file: $BYTES bytes$SHOWN${SUM:+, md5 $SUM}${again:+, second reading:$again}"
    COUNT=$((COUNT + 1))
}

take_table
take_words "$@"
SEEN=' '
NEED=64
each check_one
[ "$SEEN" != ' ' ] || fail 4 "/proc/mtd lists no MTD device"

# An existing backup is never touched: the folder must be new or empty.
PARENT=${DIR%/*}
[ -d "$PARENT/" ] || fail 4 "$PARENT is missing; make it, or choose another folder"
if [ -e "$DIR" ] || [ -h "$DIR" ]; then
    [ -d "$DIR" ] || fail 4 "$DIR is no folder"
    for file in "$DIR"/* "$DIR"/.[!.]* "$DIR"/..?*; do
        if [ -e "$file" ] || [ -h "$file" ]; then
            fail 5 "$DIR is not empty, and nothing in it was changed; if you have its" \
                "files on a PC, remove it first: rm -r $QUOTED_DIR"
        fi
    done
    PARENT=$DIR
fi
free_space "$PARENT/"
if [ -n "$FREE" ]; then
    say "free space: $FREE KiB, needed: $NEED KiB"
    [ "$FREE" -ge "$NEED" ] ||
        fail 4 "not enough free space in $PARENT: $NEED KiB needed, $FREE KiB free;" \
            "capture fewer partitions at a time (sh capture.sh mtd0 mtd1)"
elif [ "${MTDKEEP_SPACE:-}" != unknown ]; then
    fail 5 "df does not tell the free space of $PARENT ($NEED KiB are needed);" \
        "if it is there, start again with MTDKEEP_SPACE=unknown"
fi

case $(md5sum </dev/null 2>/dev/null) in
    d41d8cd98f00b204e9800998ecf8427e*) MD5=yes ;;
    *) MD5= ;;
esac

trap at_end 0
hold
if mkdir "$DIR" 2>/dev/null; then
    FOLDER=made
elif [ "$PARENT" = "$DIR" ]; then
    FOLDER=found
else
    fail 4 "cannot make $DIR"
fi
release
# The mark first: by it `mtdkeep clean` knows the folder, also a cut-off one's.
MADE="$MARK.part $MARK @MD5_SUMS@ index.html @TABLE@"
note "@RECORD_HEAD@"
note "tool mtdkeep @VERSION@"
note "folder $FOLDER"
note "md5sum ${MD5:-no}"
say "$TABLE" >"$DIR/@TABLE@" || fail 4 "cannot write $DIR/@TABLE@"
SUM=
digest @TABLE@
RESULT=0
COUNT=0
each capture_one
[ "$(cat "$ROOT/proc/mtd")" = "$TABLE" ] || fail 4 "/proc/mtd changed in the meantime"
[ "$COUNT" -gt 0 ] || fail 4 "no partition could be captured"

item @TABLE@
[ -z "$MD5" ] || item @MD5_SUMS@
item "$MARK"
WHEN=$(date -u 2>/dev/null) || WHEN="at an unknown time"
case $WHEN in *19[789]?*) WHEN="$WHEN, by a clock that had not been set" ;; esac
case $RESULT in
    3) WHOLE="<strong class=r>Partial: something that was wanted is missing:</strong>" ;;
    *) WHOLE="<strong>Whole:</strong>" ;;
esac
[ -z "$MD5" ] || PROOF="<p>Linux, and others with md5sum:</p>
<pre><code>md5sum -c @MD5_SUMS@</code></pre>
<p>Windows: <code>certutil -hashfile mtd0.bin MD5</code>; macOS: <code>md5 mtd0.bin</code></p>"
cat >"$DIR/index.html" <<END || fail 4 "cannot write $DIR/index.html"
@PAGE_HEAD@<p>$WHOLE $COUNT partition(s).</p>
$LOST
<p class=m>Captured $WHEN.</p>
<section class=w aria-labelledby=s><h2 id=s>These files hold this device's secrets</h2>
<p>MAC addresses, calibration, Wi-Fi keys, passwords: who has the files has them. When
you have proven them elsewhere, remove them on the device: <code>rm -r</code> with the
folder that this page lies in.</p></section>
<section aria-labelledby=g><h2 id=g>Get it</h2>
<p>All at once, into a folder of its own; ADDRESS is this page's:</p>
<pre><code>wget -r -l1 -np -nd -P mtd_backup ADDRESS</code></pre>
<p>Or each file below, all into one folder.</p><ul>
$ITEMS</ul></section>
<section aria-labelledby=v><h2 id=v>Prove it</h2>
<p><code>mtdkeep import FOLDER</code> on the PC compares all of it and makes a backup
with a manifest of it.</p>
${PROOF:-<p>This device has no md5sum: only the lengths can be compared.</p>}
</section></main>
<footer><p class=m>mtdkeep @VERSION@ script</p></footer>
</body>
</html>
END
note complete
digest "$MARK.part" "$MARK"
sync || :
hold # From here on it is done, and a signal comes too late.
mv "$DIR/$MARK.part" "$DIR/$MARK" || fail 4 "cannot name $DIR/$MARK"
STATE=kept
CODE=$RESULT

say "$COUNT partition(s) are in $DIR."
[ -n "$MD5" ] || say "There is no md5sum here: nothing proves the files on the way to the PC."
case $DIR in
    /var/wwwroot/*) say "Save all files of http://(this device)/${DIR#/var/wwwroot/}/ on a PC, then there:" ;;
    *) say "Copy the folder to a PC, then there:" ;;
esac
say "  mtdkeep import ${DIR##*/}"
say "It holds this device's secrets, and takes space. When you have it, remove it here:"
say "  rm -r $QUOTED_DIR"
exit "$CODE"
