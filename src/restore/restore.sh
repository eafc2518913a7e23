#!/bin/sh
# Puts a backup back onto this device's flash, with @TOOL@, only where it differs.
# Made by `mtdkeep script --restore` (mtdkeep @VERSION@) for BusyBox's ash; any POSIX
# shell runs it.
#
# WHAT IT CANNOT PROMISE (`mtdkeep restore`, on the device itself, does):
@CANNOT@# - After a power cut or a kill in the middle, run the same command again before the
#   device is switched off: what was in hand is neither old nor new, and its old bytes
#   lie beside the backup. No device is sure to start in between.
# - It unlocks nothing. It sees who has flash open only by the names in /proc.
# - MD5 finds accidents, and no attacker's changes. It compares what the kernel reads
#   back once; `mtdkeep verify --device` looks again.
#
#   sh restore.sh [--dry-run | --yes] [FOLDER]     FOLDER has the backup's mtdN.bin
#
# Exit codes: 0 done, or nothing to do; 2 wrong usage, 4 an I/O error, 5 refused, 130
# interrupted: nothing was changed. 6: changed and not finished; do not switch off, run
# it again.
#
# MTDKEEP_SPACE=unknown: go on where df tells no free space.
# MTDKEEP_MEMORY=yes: old bytes may lie in memory, and be lost with the power.

# shellcheck disable=SC2317,SC2034,SC2013,SC2010,SC2015 # Functions are called by name.

FOLDER=@DIR@
WITH=@WITH@
# Number, bytes, bytes of an erase block, what it is (- ordinary, + allowed, b boot
# loader, t table, f factory), bank (0: none), what has a part of the same flash, MD5, name.
PLAN=@PLAN@
TABLE=@TABLE@
# Number and MD5 of what tells this device from another; nothing: it is not looked at.
IDENTITY=@IDENTITY@

set -u
umask 077
LC_ALL=C
export LC_ALL
CHANGED= # "yes" from the first write on, and where an earlier run stopped in one
LATER=   # "yes" where somebody wants it to stop

# Not echo, which obeys backslashes in some shells.
say() {
    cat <<END
$*
END
}

warn() { say "restore: $*" >&2; }

# fail CODE TEXT...: ends the run.
fail() {
    code=$1
    shift
    warn "error: $*"
    if [ -n "$CHANGED" ]; then
        warn "the flash was changed and is not finished: do not switch off; run it again"
        exit 6
    fi
    warn "nothing on the flash was changed"
    exit "$code"
}

asked_to_stop() { [ -z "$LATER" ] || fail 130 "interrupted"; }

has() { type "$1" >/dev/null 2>&1; }

# Reads standard input; sets SUM.
digest() { SUM=$(md5sum) && SUM=${SUM%% *}; }

# each DO: calls DO for each partition, with N, SIZE, ERASE, ROLE, BANK, OVER, MD5, NAME.
each() {
    while read -r N SIZE ERASE ROLE BANK OVER MD5 NAME; do
        [ -z "$N" ] || "$1" </dev/null
    done <<END
$PLAN
END
}

# Whether $1 is the node of mtdN: a character node 90, 2N, or a block node 31, N.
is_node() {
    case $2 in
        c) [ -c "$1" ] && numbers="90,$((N * 2))" ;;
        b) [ -b "$1" ] && numbers="31,$N" ;;
    esac || return 1
    listed=$(ls -ln "$1" 2>/dev/null || ls -l "$1") || return 1
    # shellcheck disable=SC2086 # Its words are wanted.
    set -- $listed
    case ${5:-} in
        *,) [ "$5${6:-}" = "$numbers" ] ;;
        *) return 0 ;;
    esac
}

# Sets NODE, and BLOCK_NODE for dd.
find_nodes() {
    for NODE in "/dev/mtd$N" "/dev/mtd/mtd$N" "/dev/mtd/$N"; do
        ! is_node "$NODE" c || break
    done
    is_node "$NODE" c || fail 4 "/dev/mtd$N is missing, or is another node"
    [ "$WITH" = dd ] || return 0
    for BLOCK_NODE in "/dev/mtdblock$N" "/dev/mtdblock/$N"; do
        ! is_node "$BLOCK_NODE" b || return 0
    done
    fail 4 "/dev/mtdblock$N is missing, or is another node"
}

whole() { dd if="$NODE" bs=65536 2>/dev/null; }
flash_sum() { whole | digest_pipe; }
digest_pipe() { md5sum | { read -r sum rest && say "$sum"; }; }

check_image() {
    file=$FOLDER/mtd$N.bin
    [ -f "$file" ] || fail 5 "$file is missing: FOLDER must have the backup's images"
    digest <"$file" || fail 4 "cannot read $file"
    [ "$SUM" = "$MD5" ] || fail 5 "$file is not the image that was backed up (MD5 $SUM)"
}

# Sets DIFFER to the partitions that differ, or in which an earlier run stopped.
compare_one() {
    find_nodes
    IS=$(flash_sum)
    stopped=
    for old in "$KEPT/mtd$N".old "$KEPT/mtd$N"-*.old; do
        [ ! -f "$old" ] || stopped=yes
    done
    if [ -n "$stopped" ]; then
        CHANGED=yes
        say "mtd$N ($NAME): an earlier run stopped in it; it is written again"
    elif [ "$IS" = "$MD5" ]; then
        say "mtd$N ($NAME): same"
        return 0
    else
        say "mtd$N ($NAME): differs"
    fi
    # Flags are known since Linux 2.6.31; 0x800: bits can be programmed one by one.
    flags=$(cat "/sys/class/mtd/mtd$N/flags" 2>/dev/null)
    [ -z "$flags" ] || [ $((flags & 0x800)) -ne 0 ] ||
        fail 5 "mtd$N ($NAME) is no NOR: bad blocks and pages are not dealt with"
    DIFFER="$DIFFER$N "
    bytes=$SIZE
    [ "$WITH" != dd ] || bytes=$ERASE
    [ "$NEED" -gt "$((bytes / 1024 + 16))" ] || NEED=$((bytes / 1024 + 16))
}

differs() { case $DIFFER in *" $N "*) return 0 ;; *) return 1 ;; esac }

# Sets WHO where mtd$1 is mounted, attached or open.
user_of() {
    WHO=
    while read -r number how; do
        [ "$number" != "$1" ] || WHO=$how
    done <<END
$USED
END
}

check_one() {
    differs || return 0
    what=
    case $ROLE in
        b) what="the boot loader" ;;
        t) what="the boot loader's own table or settings" ;;
        f) what="made at the factory for one device alone" ;;
    esac
    [ -z "$what" ] || fail 5 "mtd$N ($NAME) differs, and has $what:" \
        "make the script with --allow, or without this partition"
    case $BANKS$BANK in
        12 | 21) fail 5 "mtd$N ($NAME) and another belong to different banks of the" \
            "firmware: make a script for one, see that the device starts, then the other" ;;
    esac
    [ "$BANK" = 0 ] || BANKS=$BANK
    set -f
    old_ifs=$IFS
    IFS=,
    # shellcheck disable=SC2086 # A list of numbers.
    set -- $N $OVER
    IFS=$old_ifs
    set +f
    mine=$N
    for number in "$@"; do
        user_of "$number"
        [ -z "$WHO" ] || fail 5 "mtd$mine ($NAME) is in use: mtd$number is $WHO;" \
            "unmount it, end that process, or start the other firmware"
        [ "$number" = "$mine" ] || case $DIFFER in
            *" $number "*) fail 5 "mtd$mine and mtd$number have a part of the same flash," \
                "and both differ: make a script for one of them" ;;
        esac
    done
}

# Adds a line to USED where $1 is the number of an MTD device.
used() {
    case $1 in '' | *[!0-9]*) return 1 ;; esac
    USED="$USED$1 $2
"
}

# The number of a mount's source: /dev/mtdblock3, mtd3, mtd:name.
number_of() {
    NUMBER=
    case $1 in
        mtd:*)
            wanted=${1#mtd:}
            while read -r dev size erase name; do
                [ "$name" != "\"$wanted\"" ] || { NUMBER=${dev%:} && NUMBER=${NUMBER#mtd}; }
            done <<END
$TABLE
END
            ;;
        /dev/mtd* | mtd*)
            NUMBER=${1#/dev/}
            NUMBER=${NUMBER#mtd}
            NUMBER=${NUMBER#block}
            NUMBER=${NUMBER#/}
            NUMBER=${NUMBER#mtd}
            NUMBER=${NUMBER%ro}
            ;;
    esac
}

# Who works on flash: mounts, UBI, descriptors of processes.
find_users() {
    USED=
    root=
    for word in $(cat /proc/cmdline 2>/dev/null); do
        case $word in
            root=/dev/mtdblock*) root=${word#root=} ;;
            root=31:*) root=mtd$((${word#root=31:} + 0)) ;;
            root=1f[0-9a-f][0-9a-f]) root=mtd$((0x${word#root=1f})) ;;
        esac
    done
    by_number=
    while read -r one two number four place rest; do
        case $number in 31:*) used "${number#31:}" "mounted at $place" && by_number=yes ;; esac
    done <<END
$(cat /proc/self/mountinfo 2>/dev/null)
END
    while read -r source place kind rest; do
        number_of "$source"
        used "$NUMBER" "mounted at $place" && continue
        case $kind in jffs2 | squashfs | cramfs | romfs | yaffs | yaffs2) ;; *) continue ;; esac
        case $source in /dev/root | rootfs) ;; *) continue ;; esac
        number_of "$root"
        used "$NUMBER" "mounted at $place" || [ -n "$by_number" ] ||
            fail 5 "a $kind is mounted at $place, and nothing tells from which partition"
    done <<END
$(cat /proc/mounts 2>/dev/null)
END
    for file in /sys/class/ubi/ubi*/mtd_num; do
        [ ! -f "$file" ] || used "$(cat "$file")" "attached to UBI"
    done
    while read -r line; do
        number_of "${line##*-> }"
        used "$NUMBER" "open in a process"
    done <<END
$(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -e '-> /dev/mtd')
END
    :
}

# Sets FREE to the KiB free where $1 is, or to nothing: the figure before the one in %.
free_space() {
    FREE=
    answer=$(df -Pk "$1" 2>/dev/null) || answer=$(df -k "$1" 2>/dev/null) || return 0
    before=
    for word in $answer; do
        case $word in [0-9]*% | -%) FREE=$before && break ;; esac
        before=$word
    done
    case $FREE in *[!0-9]*) FREE= ;; esac
}

# Whether $1 lies in memory, as far as /proc/mounts tells.
is_in_memory() {
    longest=
    type=
    while read -r source place kind rest; do
        case "$1/" in
            "${place%/}"/*) [ "${#place}" -lt "${#longest}" ] || { longest=$place && type=$kind; } ;;
        esac
    done <<END
$(cat /proc/mounts 2>/dev/null)
END
    case $type in tmpfs | ramfs | rootfs) return 0 ;; *) return 1 ;; esac
}

# piece SOURCE NUMBER: erase block NUMBER of a file or a device.
piece() { dd if="$1" bs="$ERASE" skip="$2" count=1 2>/dev/null; }

# keep NAME COMMAND...: stores what the command gives, so that it outlives the power.
# What an earlier run kept stays: it is what was there before all of this.
keep() {
    OLD=$KEPT/$1.old
    shift
    [ ! -f "$OLD" ] || return 0
    "$@" >"$OLD.part" || fail 4 "cannot keep old bytes in $KEPT; is it full?"
    sync
    digest <"$OLD.part" && kept=$SUM && "$@" >"$KEPT/again.part" || fail 4 "cannot read $OLD"
    digest <"$KEPT/again.part"
    rm -f "$KEPT/again.part"
    [ "$SUM" = "$kept" ] || fail 4 "two readings of mtd$N differ"
    mv "$OLD.part" "$OLD" && sync || fail 4 "cannot keep old bytes in $KEPT"
}

# carefully COMMAND...: runs it so that Ctrl-C and a hang-up do not reach it.
carefully() {
    CHANGED=yes
    (
        trap '' HUP INT PIPE TERM
        exec "$@"
    ) </dev/null >/dev/null
}

# not_taken COMMAND...: what was to be written was not; the command reads what is there.
not_taken() {
    digest <"$OLD"
    why="mtd$N ($NAME) does not take its bytes: is it locked, read-only or worn out?"
    if [ -z "$BEFORE" ] && [ "$("$@" | digest_pipe)" = "$SUM" ]; then
        CHANGED=
        rm -f "$OLD" "$KEPT"/*.part
        rmdir "$KEPT" 2>/dev/null
        fail 4 "$why"
    fi
    fail 4 "$why What it held is in $OLD"
}

put_piece() {
    carefully dd if="$FOLDER/mtd$N.bin" of="$2" bs="$ERASE" skip="$1" seek="$1" count=1
}

# Erase block $1 by way of mtdblock, which erases and programs it as a whole.
block_by_dd() {
    asked_to_stop
    piece "$FOLDER/mtd$N.bin" "$1" >"$KEPT/wanted.part" && digest <"$KEPT/wanted.part" ||
        fail 4 "cannot read $FOLDER/mtd$N.bin"
    wanted=$SUM
    IS=$(piece "$NODE" "$1" | digest_pipe)
    [ "$IS" != "$wanted" ] || [ -f "$KEPT/mtd$N-$1.old" ] || return 0
    keep "mtd$N-$1" piece "$NODE" "$1"
    BEFORE=$CHANGED
    put_piece "$1" "$BLOCK_NODE" 2>/dev/null || not_taken piece "$NODE" "$1"
    sync
    [ "$(piece "$NODE" "$1" | digest_pipe)" = "$wanted" ] || not_taken piece "$NODE" "$1"
    rm -f "$OLD"
}

write_one() {
    differs || return 0
    asked_to_stop
    find_nodes
    say "mtd$N ($NAME): writing"
    blocks=$((SIZE / ERASE))
    case $WITH in
        dd) ;;
        *) keep "mtd$N" whole ;;
    esac
    BEFORE=$CHANGED
    block=1
    case $WITH in
        flashcp) carefully flashcp "$FOLDER/mtd$N.bin" "$NODE" || not_taken ;;
        mtd) carefully mtd write "$FOLDER/mtd$N.bin" "$NODE" || not_taken ;;
        flash_eraseall)
            carefully flash_eraseall "$NODE" || not_taken whole
            while [ "$block" -lt "$blocks" ]; do
                put_piece "$block" "$NODE" 2>/dev/null || not_taken whole
                block=$((block + 1))
            done
            put_piece 0 "$NODE" 2>/dev/null || not_taken whole
            ;;
        dd)
            while [ "$block" -lt "$blocks" ]; do
                block_by_dd "$block"
                block=$((block + 1))
            done
            block_by_dd 0
            ;;
    esac
    sync
    OLD=$KEPT/mtd$N.old
    [ "$(flash_sum)" = "$MD5" ] || not_taken whole
    rm -f "$OLD"
    DONE=$((DONE + 1))
}

prove_one() {
    find_nodes
    [ "$(flash_sum)" = "$MD5" ] || fail 4 "mtd$N ($NAME) reads differently in the end"
}

AGREED=
for word in "$@"; do
    case $word in
        --dry-run) AGREED=no ;;
        --yes) AGREED=yes ;;
        -*) fail 2 "there is no option $word" ;;
        *) FOLDER=${word%/} ;;
    esac
done
case $FOLDER in /*) ;; *) FOLDER=$(pwd)/$FOLDER ;; esac
KEPT=$FOLDER.restore
for tool in md5sum dd "$WITH"; do
    has "$tool" || fail 5 "there is no $tool here; \`mtdkeep script --restore\` makes one for other tools"
done
case $(md5sum </dev/null) in
    d41d8cd98f00b204e9800998ecf8427e*) ;;
    *) fail 5 "this md5sum does not work" ;;
esac
[ "$(cat /proc/mtd 2>/dev/null)" = "dev:    size   erasesize  name
$TABLE" ] || fail 5 "/proc/mtd is not as it was when the backup was made"
trap 'LATER=yes' INT TERM
trap '' HUP PIPE
each check_image
if [ -n "$IDENTITY" ]; then
    # shellcheck disable=SC2086 # Three words.
    set -- $IDENTITY
    N=$1
    find_nodes
    [ "$(flash_sum)" = "$2" ] ||
        fail 5 "this is not the device that was backed up: mtd$N holds something else"
fi
DIFFER=' '
NEED=0
each compare_one
asked_to_stop
[ "$DIFFER" != ' ' ] || { say "the flash holds the backup's bytes already"; exit 0; }
find_users
BANKS=
each check_one
case $AGREED in
    no) say "nothing was changed" && exit 0 ;;
    yes) ;;
    *)
        [ -t 0 ] || fail 5 "nobody has agreed: start it with --yes"
        say "Write this to the flash? Type yes:"
        read -r answer
        [ "$answer" = yes ] || fail 5 "the answer was not yes"
        ;;
esac
[ -d "$KEPT" ] || mkdir "$KEPT" || fail 4 "cannot make $KEPT"
rm -f "$KEPT"/*.part
if [ "${MTDKEEP_MEMORY:-}" != yes ] && is_in_memory "$KEPT"; then
    rmdir "$KEPT" 2>/dev/null
    fail 5 "$KEPT is in memory, and old bytes there would be lost with the power; copy" \
        "FOLDER to another medium, or start again with MTDKEEP_MEMORY=yes"
fi
free_space "$KEPT/"
if [ -n "$FREE" ]; then
    [ "$FREE" -ge "$NEED" ] || fail 4 "$KEPT needs $NEED KiB for old bytes, $FREE are free"
elif [ "${MTDKEEP_SPACE:-}" != unknown ]; then
    fail 5 "df does not tell the free space of $KEPT ($NEED KiB are needed); if it is" \
        "there, start again with MTDKEEP_SPACE=unknown"
fi
find_users
BANKS=
each check_one
DONE=0
each write_one
each prove_one
rm -f "$KEPT"/*.part
rmdir "$KEPT" 2>/dev/null
say "done: $DONE partition(s) written, all of it read again and right;" \
    "on a PC, or here: mtdkeep verify --device"
exit 0
