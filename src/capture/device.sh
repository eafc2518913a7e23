# Not echo, which obeys backslashes in some shells.
say() {
    cat <<END
$*
END
}

warn() { say "$ME: $*" >&2; }

# fail CODE TEXT...: ends the run; what it made goes.
fail() {
    CODE=$1
    shift
    warn "error: $*"
    exit "$CODE"
}

drop_node() {
    [ -n "$NODES" ] || return 0
    rm -f "$NODES/node"
    rmdir "$NODES"
    NODES=
}

stopped() {
    trap '' HUP INT PIPE TERM
    CODE=130
    warn "interrupted"
    exit 130
}

# Between hold and release a signal waits: what is being made must be known
# before anything takes it away again.
hold() { trap 'LATER=yes' HUP INT PIPE TERM; }

release() {
    trap stopped HUP INT PIPE TERM
    [ -z "$LATER" ] || stopped
}

# Sets N, SIZE and ERASE (hex digits), NAME of a line of the table; false if it is none.
parse() {
    N=${1%:}
    [ "$N" != "$1" ] || return 1
    N=${N#mtd}
    [ "mtd$N:" = "$1" ] || return 1
    case $N in '' | *[!0-9]* | 0?*) return 1 ;; esac
    case $2$3 in *[!0-9a-fA-F]*) return 1 ;; esac
    case $2 in ????????*) ;; *) return 1 ;; esac
    case $3 in ????????*) ;; *) return 1 ;; esac
    SIZE=$2
    ERASE=$3
    NAME=${4#\"}
    [ "$NAME" != "$4" ] || return 1
    case $NAME in *\") NAME=${NAME%\"} ;; *) return 1 ;; esac
}

# A size that this shell's arithmetic takes: 31 bits, or 63 where it has them.
countable() {
    case $1 in
        [0-7]???????) return 0 ;;
        ????????????????*) return 1 ;;
    esac
    [ "$((0x7fffffff + 1))" -gt 0 ] 2>/dev/null
}

# The name where a terminal and a page can show it, else nothing.
shown() {
    case $NAME in
        '' | *[!A-Za-z0-9_.,:+\ -]*) SHOWN= ;;
        *) SHOWN=" ($NAME)" ;;
    esac
}

# each DO: calls DO for each line of the table, with N, SIZE, NAME set.
each() {
    LINE=0
    while read -r dev size erase name; do
        LINE=$((LINE + 1))
        [ "$LINE" -gt 1 ] || continue
        parse "$dev" "$size" "$erase" "$name" ||
            fail 4 "line $LINE of /proc/mtd is torn or foreign"
        shown
        "$1"
    done <<END
$TABLE
END
}

select_one() {
    if [ "$NAME" = "$WORD" ] || [ "mtd$N" = "${WORD#/dev/}" ]; then
        FITS="$FITS $N"
    fi
}

wanted() { case $WANTED in all | *" $N "*) return 0 ;; *) return 1 ;; esac }

# What ls tells of one file. There is no stat on such a device.
listing() { ls -ln "$1" 2>/dev/null || ls -l "$1"; }

# Whether an existing node is mtdN's own: character, 90, 2N. An `ls` that does
# not tell numbers leaves it at "character".
is_node() {
    [ -z "$ROOT" ] || { [ -f "$1" ] && return 0; return 1; }
    [ -c "$1" ] || return 1
    listed=$(listing "$1") || return 1
    # shellcheck disable=SC2086
    set -- $listed
    case ${5:-} in
        *,) [ "$5" = 90, ] && [ "${6:-}" = $((N * 2)) ] ;;
        *) return 0 ;;
    esac
}

# Sets NODE to a node of mtdN: the one in /dev, or a private one, which
# drop_node removes.
find_node() {
    # As most have it, as Android has it, as devfs had it.
    for NODE in "$ROOT/dev/mtd$N" "$ROOT/dev/mtd/mtd$N" "$ROOT/dev/mtd/$N"; do
        ! is_node "$NODE" || return 0
    done
    [ -z "$ROOT" ] || { WHY="there is no file dev/mtd$N"; return 1; }
    WHY="/dev/mtd$N is missing, and no node could be made (that needs root)"
    # /tmp may be mounted nodev; /dev never is.
    for place in /tmp /dev; do
        hold
        ! (umask 077 && mkdir "$place/.mtdkeep-$$") 2>/dev/null ||
            NODES=$place/.mtdkeep-$$
        release
        [ -n "$NODES" ] || continue
        NODE=$NODES/node
        if mknod "$NODE" c 90 $((N * 2)) 2>/dev/null && is_node "$NODE" &&
            dd if="$NODE" of=/dev/null bs=1 count=1 2>/dev/null; then
            say "mtd$N: has no node in /dev; a private one was made, and goes again"
            return 0
        fi
        drop_node
    done
    return 1
}

# Sets TABLE to the kernel's table.
take_table() {
    TABLE=$(cat "$ROOT/proc/mtd" 2>/dev/null) || fail 4 "no MTD here: /proc/mtd cannot be read"
    case $TABLE in
        'dev:    size   erasesize  name'*) ;;
        *) fail 4 "/proc/mtd does not begin as a kernel's does" ;;
    esac
}

# Sets WANTED to the numbers of what is named, or to "all".
take_words() {
    WANTED=all
    [ $# -gt 0 ] || return 0
    WANTED=" "
    for WORD in "$@"; do
        FITS=
        each select_one
        case $FITS in
            '') fail 2 "there is no partition $WORD here; see /proc/mtd" ;;
            *' '*' '*) fail 2 "$WORD fits several partitions:$FITS; use /dev/mtdN" ;;
        esac
        WANTED="$WANTED${FITS# } "
    done
}

# Sets ECC to how many errors of mtdN the kernel counts that ECC could not correct, or to
# nothing where it does not tell. dd gets such bytes without an error.
ecc() {
    { read -r ECC <"$ROOT/sys/class/mtd/mtd$N/ecc_failures"; } 2>/dev/null || ECC=
}
